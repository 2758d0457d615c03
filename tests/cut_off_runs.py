"""`jaxcam train` in processes of their own, cut off at any moment and started again until they end.

By hand, twenty times, with a line for each: `python -m tests.cut_off_runs 20`. The moments follow from a seed: by
turns a time since the start, and a time since a half-written state, checkpoint or picture was first seen.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

OPTIONS = [
    "--network",
    "resnet10",
    "--options",
    "width=8",
    "stem=small",
    "--image-size",
    "24",
    "--epochs",
    "4",
    "--batch-size",
    "4",
    "--holdout",
    "0.2",
    "--learning-rate",
    "0.005",
    "--ema",
    "0.8",
    "--save-every",
    "3",
]
HALF_WRITTEN = ("states/*tmp*", ".checkpoint.*", "heatmaps/.*.part")
# Bitwise equality is promised on one CPU device.
FLAGS = "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0"
SPEEDS = ("images_per_second", "data_wait")


def make_photos(home):
    """A class folder of 3 x 10 photos of noise."""
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (home / name).mkdir(parents=True)
        for index in range(10):
            Image.fromarray(draw.integers(0, 256, (24, 24, 3), np.uint8)).save(home / name / f"{index}.png")
    return home


def keep_programs_in(folder):
    """The settings with which processes take compiled programs from one another."""
    return {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def begin(photos, out, *more):
    """The command, begun."""
    arguments = ["train", "folder", "--data-dir", str(photos), "--out", str(out), *OPTIONS, *more]
    cache = keep_programs_in(photos.parent / "compiled")
    return subprocess.Popen(
        [sys.executable, "-m", "jaxcam", *arguments],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **cache, "XLA_FLAGS": FLAGS, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What the command told on stderr; it must end well."""
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    return told


def cut_off(process, out, after, pattern=None):
    """Kill the command some seconds behind now, or behind the first half-written file; True if it still ran."""
    started, before = time.monotonic(), {*out.glob(pattern)} if pattern else {}
    while pattern is not None and process.poll() is None and not {*out.glob(pattern)} - before:
        time.sleep(0.001)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    moment = f"{time.monotonic() - started:.2f} s" + (f", {after:.3f} s behind {pattern}" if pattern else "")
    return process.returncode == -9, moment


def came_to(out):
    """All that a run has made, but for times and for what was left half-written."""
    last = max((out / "states").glob("[0-9]*"), key=lambda path: int(path.name) if path.name.isdigit() else -1)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    card = json.loads((out / "checkpoint/card.json").read_text())
    return {
        "weights": card["leaves"],
        "state": json.loads((last / "_CHECKPOINT_METADATA").read_text())["custom_metadata"]["sha256"],
        "figures": [{name: value for name, value in line.items() if name not in SPEEDS} for line in lines],
        "pictures": {path.name: path.read_bytes() for path in sorted(out.glob("heatmaps/*"))},
        "files": sorted(path.name for path in [*out.iterdir(), *(out / "states").iterdir()]),
    }


def main(times, seed=0):
    """Kill runs until it was done so many times; an AssertionError where one differs from one that nothing cut off."""
    home, draw = Path(tempfile.mkdtemp(prefix="cut_off_")), random.Random(seed)
    photos = make_photos(home / "photos")
    finish(begin(photos, home / "cold"))  # fills the cache of compiled programs
    began = time.monotonic()
    finish(begin(photos, home / "whole"))
    length, expected = time.monotonic() - began, came_to(home / "whole")
    print(f"nothing cut off: {length:.1f} s")
    kills = runs = 0
    while kills < times:
        runs += 1
        out = home / str(runs)
        for _ in range(5):
            pattern = draw.choice(HALF_WRITTEN) if kills % 2 else None
            after = draw.uniform(0, 0.1 if pattern else length)
            before = out / "metrics.jsonl"
            process = begin(photos, out)
            killed, moment = cut_off(process, out, after, pattern)
            if not killed:
                break
            kills += 1
            lines = before.read_text().splitlines() if before.exists() else []
            halves = [str(path.relative_to(out)) for each in HALF_WRITTEN for path in out.glob(each)]
            states = [path.name for path in (out / "states").glob("*")]
            print(f"run {runs}, kill {kills}: {moment}; lines of the log {len(lines)}, states {states}, left {halves}")
        told = finish(begin(photos, out))
        found = came_to(out)
        differing = [name for name in expected if found[name] != expected[name]]
        print(f"run {runs} ended; differing: {differing or 'nothing'}; it told: {told.splitlines()[0]}")
        assert "warning" not in told, told
        assert not differing, [(found[name], expected[name]) for name in differing if name != "pictures"]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
