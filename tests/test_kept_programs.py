"""What commands keep: compiled programs from one to the next, and freed memory from one step to the next."""

import os
import subprocess
import sys
from pathlib import Path

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


# A large array made and freed, three times; how many pages that takes the last time.
FAULTS = """
import resource, sys
import numpy as np
from jaxcam.commands.running import keep_freed_memory

if len(sys.argv) > 1:
    keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(20_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="for glibc")
def test_freed_memory_is_kept():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def faults(*arguments, **settings):
        ended = subprocess.run(
            [sys.executable, "-c", FAULTS, *arguments],
            env={**environment, **settings},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(ended.stdout)

    assert faults() > 50
    assert faults("kept") < 10
    assert faults("kept", MALLOC_ARENA_MAX="8") > 50
