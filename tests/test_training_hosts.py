"""Training by two processes of two devices each: the same losses and weights as by one, on four devices or on one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcam.checkpoints import load
from jaxcam.cli import main
from jaxcam.training import loop, make_parallel
from tests.cut_off_runs import keep_programs_in
from tests.test_parallel import make_noise

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mixed_dtypes")]
OPTIONS = """
    --network resnet10 --options width=8 stem=small --image-size 24 --crop-area 0.5 --epochs 3 --batch-size 8
    --learning-rate 0.005 --ema 0.8 --holdout 0.2 --cutmix 1 --save-every 4
"""


def command(photos, out, *more):
    return ["train", "folder", "--data-dir", str(photos), "--out", str(out), *OPTIONS.split(), *more]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Programs that were compiled: all the processes' are the same."""
    return keep_programs_in(tmp_path_factory.mktemp("cache"))


@contextmanager
def hosts(photos, out, cache, *more):
    """Two processes that train together."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    flags = os.environ["XLA_FLAGS"].replace("device_count=4", "device_count=2")
    environment = {**os.environ, **cache, "XLA_FLAGS": flags}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running: list[subprocess.Popen] = []
    with ExitStack() as ended:
        for host in "01":
            where = ["--coordinator", address, "--num-processes", "2", "--process-id", host]
            arguments = [sys.executable, "-m", "jaxcam", *command(photos, out, *more, *where)]
            process = subprocess.Popen(arguments, cwd=Path(__file__).parents[1], env=environment, **pipes)
            running.append(ended.enter_context(process))
        try:
            yield running
        finally:
            for process in running:
                process.kill()


def told_by(running):
    return [process.communicate(timeout=200) for process in running]


def log_of(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return np.array([[line["loss"], line["gradient_norm"], line["learning_rate"]] for line in lines])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_noise(tmp_path_factory.mktemp("noise"), photos=12)


def run_alone(photos, out, count):
    """This process, on some of its devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_parallel", partial(make_parallel, devices=jax.devices()[:count]))
        assert main(command(photos, out)) == 0


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    run_alone(photos, out, 1)
    return out


def assert_same_weights(out, alone):
    found, expected = (load(folder / "checkpoint").variables for folder in (out, alone))
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-5, atol=1e-5)


def test_one_host_of_four_devices_is_one(photos, alone, tmp_path):
    run_alone(photos, tmp_path, 4)
    np.testing.assert_allclose(log_of(tmp_path), log_of(alone), rtol=1e-5)
    assert_same_weights(tmp_path, alone)


@pytest.mark.parametrize("way", ["jit", "pmap"])
def test_two_hosts_are_one(photos, alone, tmp_path, cache, way):
    with hosts(photos, tmp_path / "out", cache, "--parallel", way) as running:
        told = told_by(running)
    assert [process.returncode for process in running] == [0, 0], told
    np.testing.assert_allclose(log_of(tmp_path / "out"), log_of(alone), rtol=1e-5)
    assert_same_weights(tmp_path / "out", alone)
    # Only the first one shows how far it is.
    assert ["images/s" in stderr for _, stderr in told] == [True, False]


def test_one_host_told_to_stop_stops_both_and_one_process_goes_on(photos, alone, tmp_path, cache):
    with hosts(photos, tmp_path, cache) as running:
        while not (tmp_path / "states/4").exists() and all(process.poll() is None for process in running):
            time.sleep(0.01)
        running[1].send_signal(signal.SIGTERM)
        told = told_by(running)
    assert [process.returncode for process in running] == [143, 143], told
    assert all("which is kept; the same command goes on" in stderr for _, stderr in told)
    assert 4 <= max(int(path.name) for path in (tmp_path / "states").iterdir()) < 11
    run_alone(photos, tmp_path, 1)
    assert_same_weights(tmp_path, alone)


def test_a_host_that_fails_ends_at_once_and_says_why(photos, tmp_path, cache):
    for name in ("ant", "bee", "cat"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in (photos / name).iterdir():
            (tmp_path / "photos" / name / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "photos/bee/3.png").write_bytes(b"no image")  # which one of the two is given to read
    with hosts(tmp_path / "photos", tmp_path / "out", cache) as running:
        began = time.monotonic()
        while all(process.poll() is None for process in running) and time.monotonic() < began + 120:
            time.sleep(0.05)
        failed = next(process for process in running if process.poll() is not None)
        failed.wait()
        _, stderr = failed.communicate()
    assert failed.returncode == 2, stderr
    assert "3.png" in stderr
