"""The choice of a threshold, on training images."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from jaxcam.card import Card
from jaxcam.checkpoints import write_card
from jaxcam.datasets import Dataset
from jaxcam.evaluation._steps import sweep, total_over
from jaxcam.evaluation.inputs import check_classes, check_network, check_threshold
from jaxcam.params import Params
from jaxcam.report.table import Thresholds

THRESHOLDS = tuple(percent / 100 for percent in range(5, 96))


def choose_threshold(
    params: Params,
    dataset: Dataset,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    batch_size: int = 64,
    limit: int | None = None,
    progress: bool = True,
) -> Thresholds:
    """GT-known of training images at every threshold, each map computed once; the best is meant for the card.

    Args:
        params: a network's.
        dataset: training images with boxes. Another split is refused: a threshold flatters on the images that it was
            chosen on.
        thresholds: shares of a map's maximum to try.
        batch_size: images a step.
        limit: use only so many images, evenly spaced over the data set and so over its classes.
        progress: show images a second, time left and the best so far on stderr.

    Returns:
        Thresholds, whose `best` has the highest GT-known (the smallest of several).

    Raises:
        ValueError: for a split other than "train", a data set without boxes, or what `evaluate` refuses.

    >>> import jaxcam, jaxcam.datasets
    >>> dataset = jaxcam.datasets.tiny_imagenet("tiny-imagenet-200", split="train")  # doctest: +SKIP
    >>> choose_threshold(jaxcam.load("tiny_imagenet"), dataset, limit=10000).best  # doctest: +SKIP
    0.26
    """
    if dataset.split not in ("train", ""):
        raise ValueError(f"split: got {dataset.split!r}; a threshold is chosen on training images, split 'train'")
    dataset = dataset if limit is None else dataset.spread(limit)
    if not any(example.boxes for example in dataset):
        raise ValueError("dataset: got no ground-truth boxes; a threshold is chosen on images that have them")
    thresholds = tuple(sorted(map(check_threshold, thresholds)))
    if not thresholds:
        raise ValueError("thresholds: got none; give at least one")
    check_classes(params.card, dataset)
    check_network(params, localize=True)

    def accuracies(total):
        right, boxed = map(np.asarray, total)
        return tuple((100 * right / max(boxed, 1)).tolist())

    total = total_over(
        partial(sweep, params, thresholds=np.array(thresholds, np.float32)),
        params.card,
        dataset,
        batch_size=batch_size,
        progress=progress,
        figures=lambda total: {"best gt_known": max(accuracies(total))},
    )
    return Thresholds(values=thresholds, gt_known=accuracies(total), images=int(total[1]))


def write_threshold(checkpoint: str | os.PathLike[str], card: Card, curve: Thresholds, *, dataset: str = "") -> None:
    """Give a checkpoint's card the best threshold, and its record the images it was chosen on.

    Args:
        checkpoint: a bundled name, or a folder.
        card: the one it has.
        curve: from `choose_threshold`.
        dataset: the name of the training images.
    """
    chosen = {"value": curve.best, "dataset": dataset, "images": curve.images, "gt_known": max(curve.gt_known)}
    write_card(checkpoint, replace(card, threshold=curve.best), record={"threshold": chosen})
