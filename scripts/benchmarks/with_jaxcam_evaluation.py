"""What is timed of jaxcam from files to figures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from benchmarks.made_maps import THRESHOLD
from benchmarks.subjects import Subject, photos_in
from benchmarks.with_jaxcam import params_of

import jaxcam
from jaxcam.batches import batches
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation import Protocol
from jaxcam.evaluation._steps import look
from jaxcam.evaluation.passes import steps
from jaxcam.evaluation.summary import summarize


def made_labels(subject: Subject, *, photos: str, count: int) -> tuple[int, ...]:
    """Classes for the photos in a folder: of every second one what the network says, of the others any."""
    params = params_of(subject)
    labels = np.random.default_rng(3).integers(len(params.card.classes), size=count)
    dataset = dataset_of(params, photos, labels.tolist())
    for batch in batches(dataset, batch_size=subject.batch_size, image_size=params.card.image_size):
        said = np.asarray(jaxcam.logits(params, batch.images)).argmax(axis=1)
        chosen = batch.mask & (batch.index % 2 == 0)
        labels[batch.index[chosen]] = said[chosen]
    return tuple(labels.tolist())


def dataset_of(params: jaxcam.Params, photos: str, labels: Sequence[int]) -> Dataset:
    """The photos in a folder, with the network's classes."""
    examples = tuple(Example(photo.path, photo.label, (photo.box,)) for photo in photos_in(photos, labels))
    return Dataset(examples, params.card.classes, params.card.class_ids)


def evaluation(subject: Subject, *, photos: str, labels: Sequence[int]) -> Callable[[], np.ndarray]:
    """Percent of the photos in a folder: top-5 classification and localization, GT-known, MaxBoxAcc."""
    params = params_of(subject)
    dataset = dataset_of(params, photos, labels)

    def run() -> np.ndarray:
        report = jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False)
        names = ("top5_accuracy", "top5_localization", "gt_known", "max_box_acc")
        return np.array([report.figures[name].value for name in names])

    return run


def evaluation_stages(subject: Subject, *, photos: str, labels: Sequence[int]) -> dict[str, Callable[[], Any]]:
    """What an evaluation is made of: its files, and the compiled step on batches that are there already."""
    params = params_of(subject)
    dataset = dataset_of(params, photos, labels)
    options: dict[str, Any] = {"batch_size": subject.batch_size, "image_size": params.card.image_size}
    read = list(batches(dataset, **options))
    passed = partial(steps, params, dataset, look, np.array(THRESHOLD, np.float32), protocol=Protocol(), localize=True)
    report = jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False)
    return {
        "decode and squash": lambda: list(batches(dataset, **options)),
        "network": lambda: [jax.block_until_ready(jaxcam.logits(params, batch.images)) for batch in read],
        "decode, network, maps and boxes": lambda: list(passed(batch_size=subject.batch_size)),
        "figures of what was found": lambda: summarize(report.predictions, dataset, params.card.classes),
        "all": lambda: jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False),
    }
