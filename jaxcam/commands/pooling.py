"""`jaxcam features`: what a network's pooled features of a whole data set are, on disk."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.pools import POOL, read_pool


def features(
    dataset: Annotated[tyro.conf.Positional[str], POOL],
    *,
    data_dir: Path,
    out: Path,
    checkpoint: str = "tiny_imagenet",
    layer: Literal["gap", "average_pool", "fc7"] = "gap",
    split: str | None = None,
    train: float | None = None,
    test: int | None = None,
    splits: int | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    batch_size: int = 64,
) -> int:
    """Pool a network's features of every image of a data set into a file, for linear classifiers on them.

    Rows are written as they come: interrupted, the same command goes on. `scripts/generic_features.py` trains linear
    SVMs on the features, and shows where in the images they look.

    Args:
        dataset: one of those that the paper measures features on, in its distributed layout; or any other: of those
            with two parts, both are taken, such as DATA_DIR/train and DATA_DIR/test of class folders.
        data_dir: the data set's folder, as it is distributed.
        out: folder for features.npy, and features.json with images, labels, splits and hashes.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        layer: gap is the mean over the last cells of a network that ends in global average pooling; average_pool that
            mean of any network; fc7 the second fully connected layer of AlexNet and VGG.
        split: take this part of the data set alone.
        train: where splits are drawn at random: images of each class to train on; below 1, the share of them.
        test: at most so many of the others to test on.
        splits: how many splits are drawn.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were.
        batch_size: images a step.
    """
    from jaxcam.applications.generic import extract_features
    from jaxcam.checkpoints import load

    params = load(checkpoint)
    pool = read_pool(dataset, data_dir, split=split, train=train, test=test, splits=splits, on_error=on_error)
    how: dict[str, Any] = {
        "layer": layer,
        "checkpoint": checkpoint,
        "name": dataset,
        "batch_size": batch_size,
        "on_error": on_error,
    }
    found = extract_features(params, pool, out, **how)
    lost = len(found.readable) - int(found.readable.sum()) + len(pool.dataset.skipped)
    if lost:
        print(f"warning: images that could not be read, and have no features: {lost}", file=sys.stderr)
    print(f"{layer} of {found.about['network']}: {found.values.shape[1]} features of {len(pool.dataset)} images")
    print(f"splits: {pool.told()}", f"in {out}: features.npy, features.json", sep="\n")
    return 0
