"""The fine-grained recognition of the CAM paper: what a crop to the box of a map adds to a whole image.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 4.1.2.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxcam.applications.keeping import kept_boxes, kept_features
from jaxcam.applications.pooled import pooled_features
from jaxcam.applications.pools import check_pair
from jaxcam.applications.svm import LinearSvm, check_svm, fit_svm
from jaxcam.applications.svm_pictures import AT_ONCE, svm_samples
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_threshold
from jaxcam.evaluation.origin import origin
from jaxcam.geometry import iou
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample
from jaxcam.report.table import Figure, share_of
from jaxcam.whole_files import whole_file


class Recognition(NamedTuple):
    """What `recognize` measured on the test images.

    Attributes:
        figures: the accuracies "full_image", "cam_crop" and "ground_truth_crop", and "localized", the share of images
            whose CAM box has an IoU of at least .5 with the true one: in percent, with 95% bootstrap intervals. Without
            the last two where there are no true boxes.
        penalties: the C that was chosen for each of the three SVMs.
        threshold: of the CAM boxes, as a share of the map's maximum.
        image_size: (height, width) that images and crops were squashed to, in pixels.
        svm: that of full images, whose maps the boxes are of.
    """

    figures: dict[str, Figure]
    penalties: dict[str, float]
    threshold: float
    image_size: tuple[int, ...]
    svm: LinearSvm | None = None

    def heading(self) -> str:
        """How the figures were made."""
        size = "x".join(map(str, self.image_size))
        how = f'images and crops squashed to {size}; box rule "paper" at threshold {self.threshold:g}'
        if "localized" in self.figures:
            return f"{how}, right from IoU 0.5"
        return f"{how}; no ground-truth boxes, so nothing is cropped to them or compared with them"


def recognize(
    params: Params,
    train: Dataset,
    test: Dataset,
    *,
    threshold: float | None = None,
    batch_size: int = 64,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Recognition:
    """Accuracy of linear SVMs on a network's features of full images, of CAM-box crops and of ground-truth crops.

    An SVM is trained on the features of full images, pooled over the cells and divided by their length. In place of the
    network's linear layer it makes class maps, M_c(x, y) = sum_k w_k^c f_k(x, y) with c the class that it predicts, and
    the paper's rule makes boxes of them: for training and test images alike, so that no label of a test image and no
    ground-truth box is looked at. A second SVM is trained on the features of what these boxes hold, squashed to the
    network's size; a third one on those of the ground-truth boxes, where there are any. The paper does not say which
    class's map it takes.

    Args:
        params: any network's with a last feature map; its own classes and linear layer are not used.
        train: training images, at least two a class; one box an image, or none at all.
        test: test images of the same classes, with boxes as the training images.
        threshold: share of a map's maximum, above 0 and at most 1; None for the card's.
        batch_size: images a step.
        keep: a folder where features and boxes are kept as they are made, so that interrupted, the same call goes on;
            None to keep nothing.
        progress: show images a second and time left on stderr.

    Returns:
        A Recognition.

    Raises:
        ValueError: for data sets that do not fit together, an image with more or fewer boxes than one
            where any has one, a threshold out of range, an unreadable image, or without scikit-learn.

    >>> from jaxcam.datasets import cub  # doctest: +SKIP
    >>> train, test = cub("CUB_200_2011", split="train"), cub("CUB_200_2011", split="test")  # doctest: +SKIP
    >>> recognize(jaxcam.load("checkpoints/googlenet_gap"), train, test).figures["cam_crop"].value  # doctest: +SKIP
    """
    check_pair(train, test)
    threshold = check_threshold(params.card.threshold if threshold is None else threshold)
    parts, truth = (train, test), _true_boxes(train, test)
    labels = [np.array([example.label for example in part]) for part in parts]
    check_svm(labels[0])
    figures: dict[str, Figure] = {}
    penalties: dict[str, float] = {}
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}

    def measure(name: str, crops: Sequence[np.ndarray | None]) -> tuple[LinearSvm, list[np.ndarray]]:
        """Train an SVM on crops, note its accuracy, and tell which of its columns it chooses for each image."""
        features = [
            kept_features(params, part, keep, crops=boxes, **how) for part, boxes in zip(parts, crops, strict=True)
        ]
        svm = fit_svm(features[0], labels[0])
        columns = [svm.columns(each) for each in features]
        right = svm.classes[columns[1]] == labels[1]
        figures[name], penalties[name] = share_of(right.sum(), len(right)), svm.penalty
        return svm, columns

    svm, columns = measure("full_image", (None, None))
    found = [
        kept_boxes(params, part, keep, svm.kernel, chosen, threshold=threshold, **how)
        for part, chosen in zip(parts, columns, strict=True)
    ]
    measure("cam_crop", found)
    if truth is not None:
        measure("ground_truth_crop", truth)
        figures["localized"] = share_of(np.sum(iou(found[1], truth[1]) >= 0.5), len(test))
    return Recognition(figures, penalties, threshold, params.card.image_size, svm)


def show_recognition(params: Params, test: Dataset, found: Recognition, *, count: int = 24) -> tuple[Sample, ...]:
    """Test images, evenly spaced, with the maps and the boxes that they were cropped by.

    Args:
        params: as for `recognize`.
        test: its test images.
        found: what it found.
        count: how many images.

    Returns:
        A Sample an image, for `jaxcam.report.contact_sheet.save_contact_sheet`.
    """
    assert found.svm is not None
    shown = test.spread(count)
    columns = found.svm.columns(pooled_features(params, shown, batch_size=AT_ONCE, progress=False))
    names = [test.classes[label] for label in found.svm.classes]
    truth = [[test.classes[example.label]] for example in shown]
    return svm_samples(params, shown, found.svm, columns, names, truth, threshold=found.threshold)


def save_recognition(
    found: Recognition, path: str | os.PathLike[str], *, checkpoint: str, data: Mapping[str, Any] | None = None
) -> None:
    """Write what `recognize` found as JSON: figures and how they were made, the checkpoint's hash, and versions.

    Args:
        found: of `recognize`.
        path: the file; written beside and renamed, so that it is there whole or not at all.
        checkpoint: that the params are from.
        data: what is to be told of the images, as JSON values.

    >>> import tempfile
    >>> from pathlib import Path
    >>> found = Recognition({"localized": Figure(41.0, 39.8, 42.3, 5794)}, {"full_image": 10.0}, 0.2, (224, 224))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     save_recognition(found, f"{home}/net.json", checkpoint="tiny_imagenet")
    ...     json.loads(Path(home, "net.json").read_text())["figures"]["localized"]["value"]
    41.0
    """
    told = {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin(), **(data or {})}
    told |= {"image_size": found.image_size, "box_rule": "paper", "threshold": found.threshold}
    told |= {
        "figures": {name: figure._asdict() for name, figure in found.figures.items()},
        "penalties": found.penalties,
    }
    with whole_file(path) as file:
        file.write(f"{json.dumps(told, indent=1)}\n".encode())


def _true_boxes(*parts: Dataset) -> list[Float[np.ndarray, "n 4"]] | None:
    """The box of each image; None where no image has any."""
    if not any(example.boxes for part in parts for example in part):
        return None
    for example in (example for part in parts for example in part):
        if len(example.boxes) != 1:
            raise ValueError(
                f"{example.path}: got {len(example.boxes)} boxes; give one an image to crop it to, or none to any image"
            )
    return [np.array([example.boxes[0] for example in part], np.float32) for part in parts]
