"""How jaxcam's cost grows: with labels, image size, batch and devices."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import medians
from benchmarks.subjects import Subject

LABELS, SIZES, BATCHES, DEVICES = (1, 5, 20, 1000), (112, 224, 448), (1, 4, 16, 32), (1, 2, 4)


@dataclass(frozen=True)
class Line:
    """One line of the picture.

    Attributes:
        title: what is done.
        axis: what grows.
        steps: to how much.
        milliseconds: median of each step, an image.
    """

    title: str
    axis: str
    steps: tuple[int, ...]
    milliseconds: tuple[float, ...]


def of_maps(subject: Subject, *, rounds: int) -> list[Line]:
    """Maps against labels, as they are and where only boxes are wanted; against image size; against batch."""
    from benchmarks import with_jaxcam

    few = replace(subject, batch_size=min(4, subject.batch_size))
    network = subject.network

    def line(title: str, axis: str, steps: Sequence[int], runs: list[tuple[Callable[[], Any], int]]) -> Line:
        found = medians(
            {str(step): run for step, (run, _) in zip(steps, runs, strict=True)}, rounds=rounds, title=title
        )
        each = (1e3 * seconds / images for seconds, (_, images) in zip(found.values(), runs, strict=True))
        return Line(f"{title}, {network}", axis, tuple(steps), tuple(each))

    kept, alone = (
        [(with_jaxcam.explained(few, top=top, maps=maps), few.batch_size) for top in LABELS] for maps in (True, False)
    )
    sizes = [(with_jaxcam.class_maps(replace(few, size=size)), few.batch_size) for size in SIZES]
    batches = [(with_jaxcam.class_maps(replace(subject, batch_size=count)), count) for count in BATCHES]
    return [
        line("maps and boxes", "classes an image", LABELS, kept),
        line("boxes alone", "classes an image", LABELS, alone),
        line("top-1 maps", "pixels a side", SIZES, sizes),
        line("top-1 maps", "images a batch", BATCHES, batches),
    ]


def of_evaluation(subject: Subject, *, photos: str, labels: Sequence[int], rounds: int) -> Line:
    """An evaluation on fake devices, which share the same cores: what sharing itself costs."""
    program = "import sys; from benchmarks import growth; growth.evaluate_here(*sys.argv[1:])"
    told = json.dumps(asdict(subject))
    found = []
    for devices in DEVICES:
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        done = subprocess.run(
            [sys.executable, "-c", program, told, photos, json.dumps(labels), str(rounds)],
            env={**os.environ, "XLA_FLAGS": flags},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found.append(float(done.stdout.split()[-1]))
    return Line(f"evaluate, {subject.network}", "fake devices", DEVICES, tuple(found))


def evaluate_here(subject: str, photos: str, labels: str, rounds: str) -> None:
    """Print the milliseconds an image on the devices that this process has."""
    from benchmarks import with_jaxcam_evaluation

    classes = json.loads(labels)
    run = with_jaxcam_evaluation.evaluation(Subject(**json.loads(subject)), photos=photos, labels=classes)
    print(1e3 * medians({"evaluate": run}, rounds=int(rounds), title="evaluate")["evaluate"] / len(classes))
