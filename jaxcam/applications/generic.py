"""How good a network's features are for other data sets: linear SVMs on them.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 3.3.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxcam.applications._same_checkpoint import same_checkpoint
from jaxcam.applications.feature_figures import FeatureFigures, attribute_matrix, measure_features
from jaxcam.applications.feature_files import StoredFeatures, read_features, write_features
from jaxcam.applications.pooled import feature_rows, layer_width
from jaxcam.applications.pools import Pool
from jaxcam.applications.svm import LinearSvm
from jaxcam.applications.svm_pictures import svm_samples
from jaxcam.checkpoints import checkpoint_hash, describe, load
from jaxcam.datasets import inspect
from jaxcam.evaluation.origin import origin
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample, save_contact_sheet
from jaxcam.whole_files import whole_file

FIGURES, PICTURES = "svm.json", "heatmaps.png"


def extract_features(
    params: Params,
    pool: Pool,
    out: str | os.PathLike[str],
    *,
    checkpoint: str,
    name: str = "",
    layer: str = "gap",
    batch_size: int = 64,
    on_error: str = "stop",
    progress: bool = True,
) -> StoredFeatures:
    """Write a layer's features of every image of a data set; interrupted, the same call goes on.

    f_k = mean over (x, y) of f_k(x, y), for the layers "gap" and "average_pool".

    Args:
        params: a network's.
        pool: the images.
        out: folder for `features.npy` and `features.json`.
        checkpoint: that the params are from.
        name: of the data set.
        layer: "gap", "average_pool" or "fc7"; see `jaxcam.applications.pooled.layer_width`.
        batch_size: images a step.
        on_error: "stop" at an image that cannot be read, or "skip" it: its features are NaN.
        progress: show it on stderr.

    Returns:
        The features, as `jaxcam.applications.feature_files.read_features` reads them.

    Raises:
        ValueError: for a network without such a layer, an unreadable image that is not to be skipped, or a folder with
            features of another kind.
    """
    width = layer_width(params, layer)
    if not len(pool.dataset):
        raise ValueError("dataset: got no images")
    findings = inspect(pool.dataset, progress=progress)
    if findings.unreadable and on_error == "stop":
        raise ValueError(f"{findings}; --on-error skip leaves out what cannot be read")
    about: dict[str, Any] = {"dataset": name, "layer": layer, "image_size": list(params.card.image_size)}
    about |= {"checkpoint_sha256": checkpoint_hash(checkpoint), "network": describe(checkpoint)["network"]}
    further = {"checkpoint": checkpoint, **origin()}
    how: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error, "progress": progress}
    return write_features(
        out, pool, width, partial(feature_rows, params, layer=layer, **how), about=about, further=further
    )


def report_features(
    folder: str | os.PathLike[str],
    *,
    checkpoint: str | None = None,
    pictures: int = 24,
    threshold: float | None = None,
    progress: bool = True,
) -> FeatureFigures:
    """Measure stored features with linear SVMs, and show what the first split's SVM looks at in its test images.

    Args:
        folder: of `extract_features`; what is made lies beside the features: `svm.json` with the figures and how they
            were made, `svm-<hash>.jsonl` and `svm-<hash>.npz` (see `measure_features`), `heatmaps.png`.
        checkpoint: where the one is that the features are from, for the picture; None for where it was then.
        pictures: how many images the picture shows, evenly spaced over the test images; 0 for no picture. The layer fc7
            has no cells, and so no picture.
        threshold: of the boxes, as a share of a map's maximum; None for the card's.
        progress: show it on stderr.

    Returns:
        The figures.

    Raises:
        ValueError: for a folder without whole features, a checkpoint that has changed since or is elsewhere, or
            whatever `measure_features` refuses.
    """
    folder = Path(folder)
    stored = read_features(folder)
    params = None
    if pictures > 0 and has_maps(stored.about):
        params = load(same_checkpoint({**stored.about, **stored.further}, checkpoint, what=f"features {folder}"))
    figures, svm = measure_features(stored, folder, progress=progress)
    with whole_file(folder / FIGURES) as file:
        file.write(f"{json.dumps({**figures.as_json(), **origin()}, indent=1)}\n".encode())
    if params is not None:
        save_contact_sheet(folder / PICTURES, show_svm(params, stored, svm, count=pictures, threshold=threshold))
    return figures


def show_svm(
    params: Params, stored: StoredFeatures, svm: LinearSvm, *, count: int = 24, threshold: float | None = None
) -> tuple[Sample, ...]:
    """Test images of the first split, in the order of their classes and evenly spaced, with the SVM's maps of them.

    Args:
        params: that the features are from.
        stored: the features.
        svm: the first split's; see `measure_features`.
        count: how many images.
        threshold: as for `svm_samples`.
    """
    pool = stored.pool
    _, test = pool.split(0, usable=stored.readable)
    labels = np.array([example.label for example in pool.dataset])
    by_class = test[np.argsort(labels[test], kind="stable")]
    chosen = by_class[(2 * np.arange(min(count, len(test))) + 1) * len(test) // (2 * min(count, len(test)))]
    examples = pool.take(chosen)
    known = list(pool.attributes) or pool.dataset.classes
    names = [known[label] for label in svm.classes]
    if pool.attributes:
        matrix = attribute_matrix(stored)
        truth = [[known[column] for column in np.flatnonzero(matrix[place])] for place in chosen]
    else:
        truth = [[known[example.label]] for example in examples]
    return svm_samples(params, examples, svm, svm.columns(stored.values[chosen]), names, truth, threshold=threshold)


def has_maps(about: dict[str, Any]) -> bool:
    """Whether features, as `StoredFeatures` tells of them, are of a layer with cells.

    >>> has_maps({"layer": "gap"}), has_maps({"layer": "fc7"})
    (True, False)
    """
    return about["layer"] != "fc7"
