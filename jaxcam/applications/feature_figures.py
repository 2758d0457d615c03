"""What linear SVMs make of stored features: a figure for each split of a data set."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from jaxcam.applications.feature_files import StoredFeatures
from jaxcam.applications.svm import FOLDS, PENALTIES, LinearSvm, fit_svm
from jaxcam.evaluation.journal import Journal
from jaxcam.metrics import average_precision
from jaxcam.whole_files import whole_file


@dataclass(frozen=True)
class FeatureFigures:
    """What `measure_features` found.

    Attributes:
        about: what the features are of: `about` and `further` of `StoredFeatures`.
        rule: how the data set was split, in words.
        measure: "accuracy", or "mean average precision" over attributes.
        values: of each split, in percent of the test images, or the mean over attributes.
        class_means: of each split, the mean of the classes' accuracies in percent; equal to `values` where each class
            has as many test images, and none for attributes.
        splits: of each split, the numbers of training and test images, the C that was chosen, and the attributes that
            were left out.
    """

    about: dict[str, Any]
    rule: str
    measure: str
    values: tuple[float, ...]
    class_means: tuple[float, ...]
    splits: tuple[dict[str, Any], ...]

    @property
    def mean(self) -> float:
        """The mean over the splits.

        >>> FeatureFigures({}, "", "accuracy", (60.0, 62.0), (), ()).mean
        61.0
        """
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over the splits; None for one split.

        >>> round(FeatureFigures({}, "", "accuracy", (60.0, 62.0), (), ()).spread, 2)
        1.41
        """
        return stdev(self.values) if len(self.values) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        told: dict[str, Any] = {
            "features": self.about,
            "rule": self.rule,
            "scaling": "each image's features divided by their length",
        }
        told |= {"classifier": f"linear SVM, C of {list(PENALTIES)} by {FOLDS}-fold cross-validation on training data"}
        told |= {"measure": self.measure, "mean": self.mean, "spread": self.spread}
        if self.class_means:
            told["mean_over_classes"] = fmean(self.class_means)
        return {**told, "splits": list(self.splits)}


def measure_features(
    stored: StoredFeatures, out: str | os.PathLike[str], *, progress: bool = True
) -> tuple[FeatureFigures, LinearSvm]:
    """Train linear SVMs on the training features of every split, and measure them on its test features.

    score_c(f) = w_c . f / |f| + b_c, with C chosen by cross-validation on training images alone.

    Args:
        stored: of `read_features`.
        out: folder for `svm-<hash>.jsonl`, a line a split, kept at once: interrupted, the same call goes on; and for
            `svm-<hash>.npz`, the first split's `kernel` (k, c), `bias` (c,), `classes` (c,) and `penalty`. Other
            features, or another rule, have another hash.
        progress: show it on stderr.

    Returns:
        The figures, and the SVM of the first split.

    Raises:
        ValueError: for a data set without splits, a split without images, fewer than two classes or two training images
            of a class, a damaged file in `out`, or without scikit-learn.

    Source: Zhou et al., CVPR 2016, arXiv 1512.04150, section 3.3.
    """
    out, pool = Path(out), stored.pool
    if not pool.splits:
        pool.split(0)  # raises
    settings = _settings(stored)
    name = f"svm-{hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]}"
    journal, first = Journal(out / f"{name}.jsonl", settings), out / f"{name}.npz"
    if not first.exists():
        journal.done.pop(0, None)
    for number in tqdm(range(pool.splits), "SVMs", unit=" splits", disable=not progress):
        if number not in journal.done:
            svm, line = _measure_split(stored, number)
            journal.done[number] = {"index": number, **line}
            if number == 0:
                with whole_file(first) as file:
                    np.savez(file, **svm._asdict())
            journal.append([journal.done[number]])
    lines = [journal.done[number] for number in range(pool.splits)]
    with np.load(first) as kept:
        svm = LinearSvm(kept["kernel"], kept["bias"], kept["classes"], float(kept["penalty"]))
    means = () if pool.attributes else tuple(line["class_mean"] for line in lines)
    measure = "mean average precision" if pool.attributes else "accuracy"
    values = tuple(line["value"] for line in lines)
    about = {**stored.about, **stored.further}
    return FeatureFigures(about, pool.told(), measure, values, means, tuple(lines)), svm


def _settings(stored):
    """All that the figure of a split depends on; not the number of splits, so that there may be more of them later."""
    pool = stored.pool
    listed = hashlib.sha256(json.dumps([pool.lists, dict(pool.attributes)]).encode()).hexdigest()
    settings = {"features_sha256": stored.sha256, "lists_sha256": listed, "penalties": PENALTIES, "folds": FOLDS}
    return {**settings, "train": pool.rule and pool.rule.train, "test": pool.rule and pool.rule.test}


def attribute_matrix(stored: StoredFeatures) -> Bool[np.ndarray, "n a"]:
    """Which image has which attribute."""
    matrix = np.zeros((len(stored.pool.dataset), len(stored.pool.attributes)), bool)
    for column, places in enumerate(stored.pool.attributes.values()):
        matrix[list(places), column] = True
    return matrix


def _measure_split(stored, number):
    train, test = stored.pool.split(number, usable=stored.readable)
    if not len(train) or not len(test):
        raise ValueError(f"split {number}: got {len(train)} training and {len(test)} test images that can be read")
    counts = {"train": len(train), "test": len(test)}
    if stored.pool.attributes:
        matrix = attribute_matrix(stored)
        svm, found = _attribute_svms(stored.values, matrix, train, test)
        names = list(stored.pool.attributes)
        lost = [name for column, name in enumerate(names) if column not in svm.classes]
        return svm, {"value": 100 * fmean(found), **counts, "attributes_left_out": lost}
    labels = np.array([example.label for example in stored.pool.dataset])
    svm = fit_svm(stored.values[train], labels[train])
    right, truth = svm.classes[svm.columns(stored.values[test])] == labels[test], labels[test]
    means = [right[truth == label].mean() for label in np.unique(truth)]
    shares = {"value": 100 * float(right.mean()), "class_mean": 100 * float(np.mean(means))}
    return svm, {**shares, "penalty": svm.penalty, **counts}


def _attribute_svms(
    values: Float[np.ndarray, "n k"], matrix: Bool[np.ndarray, "n a"], train: np.ndarray, test: np.ndarray
) -> tuple[LinearSvm, list[float]]:
    """An SVM an attribute, and its average precision; those too rare, or too common, to train and test are left out."""
    svms, kept, found = [], [], []
    for column, has in enumerate(matrix.T):
        counts = np.bincount(has[train], minlength=2)
        if counts.min() < 2 or not has[test].any():
            continue
        svm = fit_svm(values[train], has[train].astype(int), scoring="average_precision")
        svms.append(svm)
        kept.append(column)
        found.append(average_precision(svm.scores(values[test])[:, 1], has[test]))
    if not kept:
        raise ValueError("attributes: got none that at least 2 training images have, 2 have not, and a test image has")
    kernel, bias = (np.stack([getattr(svm, name)[..., 1] for svm in svms], -1) for name in ("kernel", "bias"))
    return LinearSvm(kernel, bias, np.array(kept), fmean(svm.penalty for svm in svms)), found
