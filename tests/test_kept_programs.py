"""Compiled programs are kept between commands: where, how that is turned off, and that a second run adds none."""

import os
import subprocess
import sys

import pytest

COMPILE = """
from jaxcam.commands.running import keep_programs
keep_programs()
import jax
jax.jit(lambda x: 3 * x)(1.0).block_until_ready()
"""


def run(arguments, home, **settings):
    """The files that are kept under `home` once a process with these settings has ended."""
    ours = ("JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    environment = {**kept, "XDG_CACHE_HOME": str(home), **settings}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE)
    return sorted(path.name for path in home.glob("jaxcam/programs/*-cache"))


def test_in_the_users_cache_folder(tmp_path):
    assert run(["-c", COMPILE], tmp_path)


def test_jaxs_own_settings_win(tmp_path):
    assert not run(["-c", COMPILE], tmp_path, JAX_ENABLE_COMPILATION_CACHE="false")
    mine = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "mine"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    assert not run(["-c", COMPILE], tmp_path, **mine)
    assert list((tmp_path / "mine").iterdir())


@pytest.mark.slow
def test_a_second_command_compiles_nothing(tmp_path):
    command = ["-m", "jaxcam", "explain", "--out", str(tmp_path / "out")]
    first = run(command, tmp_path / "cache")
    assert len(first) > 3
    assert run(command, tmp_path / "cache") == first
