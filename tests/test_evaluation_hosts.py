"""An evaluation spread over two processes of two devices each: both return the report that one process does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from jaxcam.evaluation import evaluate
from jaxcam.image_files import read_image
from tests.colour_network import colour_dataset, colour_params
from tests.made_data import make_wsol_masks
from tests.test_evaluation_resumed import HOW

# Of host argv[1] of two: what it returns for each data set goes to DIR/<host>.json.
HOST = """
import json, os, sys
from pathlib import Path
import jax

host, port, home = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
jax.distributed.initialize(coordinator_address=f"localhost:{port}", num_processes=2, process_id=host)
from jaxcam import cli
from jaxcam.commands import data
from tests.test_evaluation_hosts import HOW, colour_params, contents, evaluate
from tests.colour_network import colour_dataset

assert (jax.process_count(), jax.device_count(), jax.local_device_count()) == (2, 4, 2)
dataset = colour_dataset(home)
found = {name: contents(evaluate(colour_params(), part, journal=home / f"{name}.{host}", **HOW))
         for name, part in {"all": dataset, "one": dataset[:1]}.items()}
Path(home, f"{host}.json").write_text(json.dumps(found))

import jaxcam.checkpoints
jaxcam.checkpoints.load = lambda name: colour_params()
data.read_dataset = lambda *arguments, **options: dataset
arguments = ["evaluate", "folder", "--data-dir", ".", "--rule", "release", "--batch-size", "4", "--gallery", "0"]
code = cli.main([*arguments, "--out", str(home / "out")])
print("code", code)
"""


def contents(report):
    return json.loads(json.dumps({**report.as_json(), "predictions": report.predictions}))


def run_two(home):
    """What the two hosts wrote to their terminals, once they have ended well."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=4", "device_count=2")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, str(host), port, str(home)],
            cwd=Path(__file__).parents[1],
            env=environment,
            **pipes,
        )
        for host in (0, 1)
    ]
    try:
        told = [host.communicate(timeout=200) for host in hosts]
    finally:
        for host in hosts:
            host.kill()
    assert [host.returncode for host in hosts] == [0, 0], told
    return [stdout for stdout, _ in told]


@pytest.mark.slow
def test_two_hosts_are_one(tmp_path, monkeypatch):
    dataset = colour_dataset(make_wsol_masks(tmp_path, 11))
    told = run_two(tmp_path)
    # The same program as theirs: with more devices a step has fewer rows each, and XLA may round otherwise.
    two = jax.local_devices()[:2]
    monkeypatch.setattr(jax, "local_devices", lambda: two)
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    parts = {"all": dataset, "one": dataset[:1]}
    alone = {name: contents(evaluate(colour_params(), part, **HOW)) for name, part in parts.items()}
    for host in (0, 1):
        # Of one image, the second host has none, and still returns the report.
        assert json.loads((tmp_path / f"{host}.json").read_text()) == alone
        kept = [json.loads(line) for line in (tmp_path / f"all.{host}").read_bytes().splitlines()[1:]]
        assert [line["index"] for line in kept] == list(range(host, 11, 2))
    # The command: the first host writes and tells, and no journal is left.
    assert ["report.json" in stdout for stdout in told] == [True, False]
    assert all("code 0" in stdout for stdout in told)
    names = {"report.json", "report.txt", "report.html", "predictions.jsonl"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["figures"] == alone["all"]["figures"]
    # One process goes on where the first of two stopped.
    reads = []
    monkeypatch.setattr("jaxcam.batches.read_image", lambda path: reads.append(path) or read_image(path))
    assert contents(evaluate(colour_params(), dataset, journal=tmp_path / "all.0", **HOW)) == alone["all"]
    assert sorted(reads) == sorted(example.path for example in dataset[1::2])
