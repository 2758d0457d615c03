"""A run that is killed, stopped, damaged or short of room goes on to the same weights, on other devices too."""

import errno
import gc
import os
import random
import re
import resource
import shutil
import signal
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from jaxcam.checkpoints import load
from jaxcam.cli import main
from jaxcam.training import Parallel, loop, make_parallel, step
from jaxcam.training.preemption import watch_for_sigterm
from tests.cut_off_runs import HALF_WRITTEN, begin, came_to, cut_off, finish, make_photos
from tests.small_classifier import small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

OPTIONS = ["--epochs", "3", "--batch-size", "8", "--learning-rate", "0.05", "--holdout", "0", "--save-every", "2"]
STEPS = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("home") / "photos")


@pytest.fixture(scope="module")
def train(photos):
    """The command, in this process, of a network that compiles fast; told of each step before it is done."""

    def run(out, *more, before=lambda number: None, devices=None):
        number, real = 0, Parallel.step

        def counted(*arguments):
            nonlocal number
            number += 1
            before(number)
            return real(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "initial_params", lambda *_: small_params(normalized=True))
            patch.setattr(Parallel, "step", counted)
            if devices:
                patch.setattr(loop, "make_parallel", partial(make_parallel, devices=jax.devices()[:devices]))
            return main(["train", "folder", "--data-dir", str(photos), "--out", str(out), *OPTIONS, *more])

    return run


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run that nothing cuts off."""
    out = tmp_path_factory.mktemp("whole")
    assert train(out) == 0
    return out


def terminate(at, number):
    if number == at:
        os.kill(os.getpid(), signal.SIGTERM)


def kill(at, number):
    if number == at:
        raise KeyboardInterrupt


def test_a_run_told_to_stop_keeps_its_state_and_goes_on(train, whole, tmp_path, capfd):
    out, handler = tmp_path / "out", signal.getsignal(signal.SIGTERM)
    assert train(out, before=partial(terminate, 5)) == 143
    told = capfd.readouterr().err.splitlines()[-1]
    assert told == "stopped behind step 5 of 12, which is kept; the same command goes on"
    assert signal.getsignal(signal.SIGTERM) is handler
    assert {path.name for path in (out / "states").iterdir()} == {"4", "5"}
    assert not (out / "curves.png").exists()
    assert train(out) == 0
    assert "going on from step 5" in capfd.readouterr().err
    found, expected = came_to(out), came_to(whole)
    assert found["figures"].pop(2)["step"] == 5
    assert [line["step"] for line in found["figures"]] == [line["step"] for line in expected["figures"]]
    for name in ("weights", "state", "files"):
        assert found[name] == expected[name]


def test_a_run_told_to_stop_does_not_say_that_a_state_is_kept_that_is_not(train, tmp_path, monkeypatch, capfd):
    def full_disk(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    failed = SimpleNamespace(result=full_disk)
    monkeypatch.setattr(ocp.training.Checkpointer, "save_checkpointables_async", lambda *_, **__: failed)
    assert train(tmp_path / "out", before=partial(terminate, 1)) == 2
    told = capfd.readouterr().err
    assert "error: out: the state of step 1 could not be written" in told
    assert "which is kept" not in told


@pytest.mark.slow
def test_a_run_told_to_stop_at_its_end_lacks_nothing(train, whole, tmp_path):
    assert train(tmp_path / "out", before=partial(terminate, STEPS)) == 143
    assert not (tmp_path / "out/curves.png").exists()
    assert train(tmp_path / "out") == 0
    assert came_to(tmp_path / "out") == came_to(whole)


def test_an_epoch_that_cannot_be_measured_is_not_lost(train, whole, tmp_path, capfd):
    """A photo held out that is damaged, as it is read the first time."""
    out, steps = tmp_path / "out", []

    def unreadable(*_):
        raise ValueError("photo.png: cannot be read")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "accuracy", unreadable)
        for _ in range(2):
            assert train(out) == 2
            assert "error: photo.png: cannot be read" in capfd.readouterr().err
    assert {path.name for path in (out / "states").iterdir()} == {"2", "4"}
    assert not (out / "checkpoint").exists()
    assert train(out, before=steps.append) == 0
    assert "going on from step 4" in capfd.readouterr().err
    assert len(steps) == STEPS - 4
    assert came_to(out) == came_to(whole)


def test_a_run_told_to_stop_while_its_step_is_compiled_keeps_the_first(train, tmp_path, monkeypatch):
    traced, prepare = [], step.prepare

    def told(*arguments, **options):
        traced.append(os.kill(os.getpid(), signal.SIGTERM))
        return prepare(*arguments, **options)

    monkeypatch.setattr(step, "prepare", told)
    assert train(tmp_path, "--seed", "1") == 143  # no other test has compiled this one
    assert traced == [None]
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["1"]


def test_in_another_thread_no_signal_is_watched_for():
    said, handler = [], signal.getsignal(signal.SIGTERM)

    def watch():
        with watch_for_sigterm() as told_to_stop:
            said.extend([told_to_stop(1), signal.getsignal(signal.SIGTERM) is handler])

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert said == [False, True]


@pytest.mark.slow
# Orbax abandons the other arrays where one cannot be read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_with_a_damaged_state_goes_on_from_the_one_before(train, whole, tmp_path, capfd):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    path = next((out / f"states/{STEPS}").glob("state/d/*"))
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))  # the storage's own checks see this
    assert train(out) == 0
    told = capfd.readouterr().err
    assert f"the state of step {STEPS} is damaged" in told
    assert "going on from step 10" in told
    assert [path.name for path in (out / "damaged").iterdir()] == [str(STEPS)]
    shutil.rmtree(out / "damaged")
    assert came_to(out) == came_to(whole)
    gc.collect()


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices(train, whole, tmp_path):
    for devices, way in ((1, "jit"), (4, "jit"), (2, "pmap")):
        assert train(tmp_path / "out", "--parallel", way, before=partial(kill, 4), devices=devices) == 130
    assert train(tmp_path / "out", devices=1) == 0
    params = small_params(normalized=True)
    found, expected = (load(out / "checkpoint", network=params.network) for out in (tmp_path / "out", whole))
    moved = jax.tree.map(lambda leaf, old: float(np.abs(leaf - old).max()), expected.variables, params.variables)
    assert max(jax.tree.leaves(moved)) > 0.1
    for leaf, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-4)


def test_within_a_step_nothing_travels_unasked(photos, train, tmp_path, monkeypatch):
    """A host's array among the arguments of the compiled step, which JAX would otherwise send along, is an error.

    So every run of the tests shows that the loop sends nothing but what it places. What the loop would fetch goes
    unnoticed here: on CPUs, that is no transfer.
    """
    real = Parallel.step

    def on_host(state):
        return replace(state, variables=jax.device_get(state.variables))

    monkeypatch.setattr(Parallel, "step", lambda self, state, batch: real(self, on_host(state), batch))
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        train(tmp_path)


@pytest.mark.slow
def test_a_run_killed_thrice_and_short_of_room_goes_on_to_the_same_bits(photos, tmp_path):
    """`python -m tests.cut_off_runs` does this more often."""
    finish(begin(photos, tmp_path / "whole", "--epochs", "2"))
    draw, out = random.Random(0), tmp_path / "out"

    def kill_behind(pattern):
        assert cut_off(begin(photos, out, "--epochs", "2"), out, draw.uniform(0, 0.1), pattern)[0]

    first, *later = HALF_WRITTEN
    kill_behind(first)
    before = {path.name for path in (out / "states").iterdir() if path.name.isdigit()}
    process = begin(photos, out, "--epochs", "2")
    # Less than a state's largest file holds, and more than others do: writes fail as on a full disk.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (400_000, 400_000))
    told = process.communicate(timeout=100)[1]
    assert process.returncode == 2
    failed = r"^error: out: the state of step \d+ could not be written to .*File too large"
    assert len(re.findall(failed, told, re.MULTILINE)) == 1
    assert {path.name for path in (out / "states").iterdir() if path.name.isdigit()} == before
    for pattern in later:
        kill_behind(pattern)
    finish(begin(photos, out, "--epochs", "2"))
    assert came_to(out) == came_to(tmp_path / "whole")
