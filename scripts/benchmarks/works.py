"""What is compared, a line of the table each: which function of which library does it, and the goal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from benchmarks.agreement import ROUNDED, alike, close, equal, losses, percentages, top_classes
from benchmarks.measuring import Contender, Work
from benchmarks.subjects import Subject

NEEDS = {
    "OpenCV": ("cv2",),
    "scikit-image": ("skimage",),
    "torch": ("torch", "torchvision"),
    "torch + OpenCV": ("torch", "torchvision", "torchcam", "cv2"),
    "torch-cam": ("torch", "torchvision", "torchcam"),
    "pytorch-grad-cam": ("torch", "torchvision", "pytorch_grad_cam"),
}
# Of maps that rounding alone changes: those of MobileNetV2 with drawn weights correlate by 0.9 in bfloat16 and float32.
ALIKE = 0.7


def _ours(where: str, **options: Any) -> Contender:
    return Contender("jaxcam", f"benchmarks.{where}", options)


def _peer(
    name: str, where: str, goal: float | None, agree: Callable[[Any, Any], str] = close, **options: Any
) -> Contender:
    return Contender(name, f"benchmarks.{where}", options, NEEDS[name], goal, agree)


def _agree(subject: Subject, agree: Callable[[Any, Any], str] = close) -> Callable[[Any, Any], str]:
    """How two libraries' maps agree; by default of one formula."""
    return agree if subject.exact else partial(alike, least=ALIKE, of=np.median)


def few(subject: Subject, count: int = 8) -> Subject:
    """The subject with fewer images, where a peer takes a minute for 32."""
    return replace(subject, batch_size=min(count, subject.batch_size))


def of_maps(subject: Subject) -> list[Work]:
    """Class activation maps of a network."""
    network, count, some, agree = subject.network, subject.batch_size, few(subject), _agree(subject)
    torch_cam, grad_cam = "with_torch:torch_cam", "with_torch:grad_cam"
    found = [
        Work(
            f"top-1 maps, {network}, {count}",
            count,
            "images",
            _ours("with_jaxcam:class_maps", subject=subject),
            (_peer("torch-cam", torch_cam, 1.0, agree, subject=subject),),
        ),
        Work(
            f"top-5 maps, {network}, {count}",
            count,
            "images",
            _ours("with_jaxcam:explained", subject=subject, top=5),
            (_peer("torch-cam", torch_cam, 1.0, agree, subject=subject, top=5),),
        ),
        Work(
            f"top-5 maps, {network}, {some.batch_size}",
            some.batch_size,
            "images",
            _ours("with_jaxcam:explained", subject=some, top=5),
            (_peer("pytorch-grad-cam", grad_cam, 10.0, _agree(subject, alike), subject=some, top=5),),
        ),
    ]
    return found if subject.dtype == "float32" else found[:2]  # pytorch-grad-cam refuses bfloat16


def of_overhead(subject: Subject) -> list[Work]:
    """Top-5 maps and boxes beside the forward pass that they are made from: at most 5% more."""
    alone = Contender("own forward pass", "benchmarks.with_jaxcam:forward_pass", {"subject": subject})
    agree = top_classes if subject.exact else partial(top_classes, within=ROUNDED)
    alone = replace(alone, goal=1 / 1.05, agree=agree)
    title = f"top-5 maps and boxes, {subject.network}, {subject.batch_size}"
    ours = _ours("with_jaxcam:explained", subject=subject, top=5, gives="labels")
    return [Work(title, subject.batch_size, "images", ours, (alone,))]


def of_gradients(subject: Subject) -> list[Work]:
    """Grad-CAM of a network, in float32: pytorch-grad-cam refuses bfloat16."""
    some, agree = few(subject), _agree(subject)
    goals = ((1, 1.0), (5, 2.5)) if subject.dtype == "float32" else ()
    return [
        Work(
            f"Grad-CAM top-{top}, {some.network}, {some.batch_size}",
            some.batch_size,
            "images",
            _ours("with_jaxcam:gradient_maps", subject=some, top=top),
            (_peer("pytorch-grad-cam", "with_torch:grad_cam", goal, agree, subject=some, top=top),),
        )
        for top, goal in goals
    ]


def of_masks(subject: Subject) -> list[Work]:
    """Score-CAM of one image, which is a forward pass for each of the network's last channels."""
    one, agree = few(subject, 1), _agree(subject, alike)
    peers = (
        _peer("torch-cam", "with_torch:torch_cam", 1.0, agree, subject=one, method="ScoreCAM"),
        _peer("pytorch-grad-cam", "with_torch:grad_cam", 1.0, agree, subject=one, method="ScoreCAM"),
    )
    return [
        Work(
            f"Score-CAM, {subject.network}, 1",
            1,
            "images",
            _ours("with_jaxcam:masked_maps", subject=one),
            peers if subject.dtype == "float32" else peers[:1],
        )
    ]


def of_boxes(count: int, *, threads: int) -> list[Work]:
    """Boxes of maps, from few cells and from many; the peers' in a plain loop, and OpenCV's by threads too."""
    found = []
    for cells in (7, 14):
        how: dict[str, Any] = {"count": count, "cells": cells}
        loops = (
            _peer("scikit-image", "with_opencv:scikit_image_boxes", 4.0, equal, **how, threads=1),
            _peer("OpenCV", "with_opencv:opencv_boxes", 3.0, equal, **how, threads=1),
            replace(
                _peer("OpenCV", "with_opencv:opencv_boxes", None, equal, **how, threads=threads),
                name=f"OpenCV, {threads} threads",
            ),
        )
        boxed = _ours("with_jaxcam_boxes:largest_boxes", **how)
        tenth = {"count": -(-count // 10), "cells": cells, "threads": threads}
        sweep, swept = (
            _peer("OpenCV", "with_opencv:opencv_sweep", 5.0, equal, **tenth),
            _ours("with_jaxcam_boxes:swept_accuracy", **tenth),
        )
        found += [
            Work(f"boxes, {cells}x{cells} cells", count, "maps", boxed, loops),
            # A tenth of them: at a thousand thresholds OpenCV takes a second for 16.
            Work(f"MaxBoxAcc, 1000 thresholds, {cells}x{cells} cells", tenth["count"], "maps", swept, (sweep,)),
        ]
    return found


def of_evaluation(subject: Subject, *, photos: str, labels: Sequence[int]) -> list[Work]:
    """From JPEG files to figures."""
    how: dict[str, Any] = {"subject": subject, "photos": photos, "labels": labels}
    count = len(labels)
    agree = partial(percentages, count=count, share=0.0 if subject.exact else ROUNDED)
    peer = _peer("torch + OpenCV", "with_torch_and_opencv:evaluation", 1.2, agree, **how)
    ours = _ours("with_jaxcam_evaluation:evaluation", **how)
    return [Work(f"evaluate, {subject.network}", count, "images", ours, (peer,))]


def of_training(subject: Subject) -> list[Work]:
    """A step of training; the losses of the first three are compared, and so what two updates did."""
    agree = losses if subject.exact else partial(losses, within=ROUNDED)
    peer = _peer("torch", "with_torch:training", 0.8, agree, subject=subject)
    title, ours = f"training step, {subject.network}", _ours("with_jaxcam_training:training", subject=subject)
    return [Work(title, subject.batch_size, "images", ours, (peer,), warm=3)]


def of_start(subject: Subject, *, folder: str) -> list[Work]:
    """A command that explains one photo, its second run: from a shell's prompt to pictures."""
    how: dict[str, Any] = {"subject": subject, "folder": folder}
    peer = _peer("torch-cam", "commands:torch_cam_script", 1.0, **how)
    ours = Contender("jaxcam", "benchmarks.commands:jaxcam_explain", how)
    return [Work(f"explain a photo, {subject.network}", 1, "photos", ours, (peer,))]
