"""The choice of a threshold, on training images."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxcam.card import Card
from jaxcam.checkpoints import write_card
from jaxcam.datasets import Dataset
from jaxcam.evaluation._steps import sweep
from jaxcam.evaluation.inputs import check_classes, check_network, check_threshold
from jaxcam.evaluation.passes import in_file, steps
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.summary import padded_boxes
from jaxcam.metrics import localized
from jaxcam.params import Params
from jaxcam.report.thresholds import Thresholds

THRESHOLDS = tuple(percent / 100 for percent in range(5, 96))


def choose_threshold(
    params: Params,
    dataset: Dataset,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    protocol: Protocol = Protocol(),
    batch_size: int = 64,
    limit: int | None = None,
    on_error: str = "stop",
    progress: bool = True,
) -> Thresholds:
    """GT-known of training images at every threshold, each map computed once; the best is meant for the card.

    Args:
        params: a network's.
        dataset: training images with boxes. Another split is refused: a threshold flatters on the images that it was
            chosen on.
        thresholds: shares of a map's maximum to try.
        protocol: as for `evaluate`, with another rule than release.
        batch_size: images a step.
        limit: use only so many images, evenly spaced over the data set and so over its classes.
        on_error: "stop" at an unreadable image, or "skip" it.
        progress: show images a second, time left and the best so far on stderr.

    Returns:
        Thresholds, whose `best` has the highest GT-known (the smallest of several).

    Raises:
        ValueError: for a split other than "train", a data set without boxes, or what `evaluate` refuses.

    >>> import jaxcam, jaxcam.datasets
    >>> dataset = jaxcam.datasets.tiny_imagenet("tiny-imagenet-200", split="train")  # doctest: +SKIP
    >>> choose_threshold(jaxcam.load("tiny_imagenet"), dataset, limit=10000).best  # doctest: +SKIP
    0.19
    """
    if dataset.split.partition("[")[0] not in ("train", ""):  # "train[:10%]" of TFDS
        raise ValueError(f"split: got {dataset.split!r}; a threshold is chosen on training images, split 'train'")
    if protocol.rule == "release":
        raise ValueError("rule: got release, which has levels of its own and no threshold to choose; use paper or wsol")
    params = protocol.settle(params)
    dataset = dataset if limit is None else dataset.spread(limit)
    if not any(example.boxes for example in dataset):
        raise ValueError("dataset: got no ground-truth boxes; a threshold is chosen on images that have them")
    values = tuple(sorted(check_threshold(value) for value in thresholds))
    if not values:
        raise ValueError("thresholds: got none; give at least one")
    check_classes(params.card, dataset)
    check_network(params, protocol, localize=True)
    right, boxed = np.zeros(len(values), np.int64), 0
    grid = protocol.grid(params.card.image_size)
    how: dict[str, Any] = {"protocol": protocol, "batch_size": batch_size, "on_error": on_error}
    passed = steps(params, dataset, sweep, np.array(values, np.float32), **how)
    with tqdm(total=len(dataset), unit=" images", disable=not progress) as bar:
        for batch, found in passed:
            rows = np.flatnonzero(batch.mask)
            targets, mask = padded_boxes([dataset[int(index)].boxes for index in batch.index[rows]])
            right += localized(in_file(found[rows], batch.sizes[rows], grid), targets, mask).sum(axis=0)
            boxed += int(mask.any(axis=1).sum())
            bar.set_postfix({"best gt_known": f"{100 * right.max() / max(boxed, 1):.1f}"}, refresh=False)
            bar.update(len(rows))
    if not boxed:
        raise ValueError("dataset: none of its images with boxes could be read")
    return Thresholds(values=values, gt_known=tuple((100 * right / boxed).tolist()), images=boxed)


def write_threshold(
    checkpoint: str | os.PathLike[str],
    card: Card,
    curve: Thresholds,
    *,
    dataset: str = "",
    protocol: Protocol = Protocol(),
) -> None:
    """Give a checkpoint's card the best threshold, and its record the images it was chosen on.

    Args:
        checkpoint: a bundled name, or a folder.
        card: the one it has.
        curve: from `choose_threshold`.
        dataset: the name of the training images.
        protocol: that it was chosen with.
    """
    chosen = {
        "value": curve.best,
        "dataset": dataset,
        "protocol": asdict(protocol),
        "images": curve.images,
        "gt_known": max(curve.gt_known),
    }
    write_card(checkpoint, replace(card, threshold=curve.best), record={"threshold": chosen})
