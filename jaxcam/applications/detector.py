"""A detector of one concept: a linear SVM on pooled features of photos with and without it, and the concept's maps.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 4.2.
"""

import json
import os
from functools import partial
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.applications._same_checkpoint import same_checkpoint
from jaxcam.applications.svm import fit_svm
from jaxcam.arrays import Images, type_of_array
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.compilation import jit_network
from jaxcam.evaluation.inputs import check_threshold
from jaxcam.evaluation.origin import origin
from jaxcam.forward import check_images, forward
from jaxcam.methods.activation import cam_from_features
from jaxcam.methods.arguments import Size
from jaxcam.params import Params
from jaxcam.whole_files import whole_file

FORMAT = "jaxcam detector 1"


class Detector(NamedTuple):
    """One score a photo, kernel . f / |f| + bias of its pooled features f: above 0 where it shows the concept.

    Attributes:
        kernel: (k,) float64.
        bias: a number.
        penalty: C of the SVM, the weight of the training photos' losses.
        threshold: the share of a map's maximum from which on a pixel counts as the concept's, above 0 and at most 1.
        name: of the concept.
        image_size: (height, width) that the photos were squashed to in training; () where it is the checkpoint's own.
    """

    kernel: Float[np.ndarray, " k"]
    bias: float
    penalty: float
    threshold: float = 0.2
    name: str = ""
    image_size: tuple[int, ...] = ()

    def scores(self, features: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        """The SVM's decision function of each row of what `jaxcam.applications.pooled_features` gives."""
        if features.shape[1] != len(self.kernel):
            raise ValueError(
                f"features: got {features.shape[1]} a photo for a detector of {len(self.kernel)}; "
                "give those of the network that it was trained on"
            )
        return _divided(features @ self.kernel, np.linalg.norm(features, axis=1)) + self.bias


class Evidence(NamedTuple):
    """What `evidence` finds in a batch. mean(maps) + bias = scores, on cells.

    Attributes:
        scores: (b,) the decision function of each photo.
        maps: (b, h, w) for the concept where positive, raw and without the bias.
    """

    scores: Float[type_of_array, " b"]
    maps: Float[type_of_array, "b h w"]


def fit_detector(
    positives: Float[np.ndarray, "n k"], negatives: Float[np.ndarray, "m d"], *, name: str = "", threshold: float = 0.2
) -> Detector:
    """Train a detector on pooled features of photos with a concept and of others without it.

    Args:
        positives: (n, k) a row a photo with the concept; at least 2.
        negatives: (m, k) a row a photo without it; at least 2.
        name: of the concept.
        threshold: of the detector's maps.

    Returns:
        A Detector; its penalty is chosen by cross-validation on these very photos, see `jaxcam.applications.fit_svm`.

    Raises:
        ValueError: for fewer than two photos of a kind, features of different networks or with NaN or infinity, a
            threshold out of range, or without scikit-learn.

    >>> found = fit_detector(np.array([[1.0, 0.1], [2.0, 0.3]]), np.array([[0.1, 1.0], [0.0, 3.0]]), name="text")
    >>> found.scores(np.array([[5.0, 1.0], [1.0, 5.0]])) > 0
    array([ True, False])
    """
    threshold = check_threshold(threshold)
    for kind, features in (("positives", positives), ("negatives", negatives)):
        if len(features) < 2:
            raise ValueError(f"{kind}: got {len(features)}; give at least 2 photos, to choose C by cross-validation")
        if not np.isfinite(features).all():
            raise ValueError(f"{kind}: got features with NaN or infinity; are the network's weights in order?")
    if positives.shape[1] != negatives.shape[1]:
        raise ValueError(
            f"positives, negatives: got {positives.shape[1]} and {negatives.shape[1]} features a photo; "
            "give those of one network"
        )
    labels = np.repeat([0, 1], [len(negatives), len(positives)])
    svm = fit_svm(np.concatenate([negatives, positives]), labels)
    kernel = np.asarray(svm.kernel[:, 1], np.float64)
    return Detector(kernel, float(svm.bias[1]), float(svm.penalty), threshold, name)


def evidence(params: Params, images: Images, detector: Detector, *, size: Size = None) -> Evidence:
    """Scores and class maps of a detector's concept, from one forward pass.

    M(x, y) = sum_k w_k f_k(x, y) / |f|, with f the mean of the features over the cells, by whose length the SVM's
    features are divided; so mean(M) + bias = w . f / |f| + bias, the decision function.

    Args:
        params: the network's that the detector was trained on.
        images: (b, h, w, 3) as for `jaxcam.cam`.
        detector: of `fit_detector` or `load_detector`.
        size: of the maps: None for the images' (h, w), "cells" for no upsampling, or (height, width).

    Returns:
        Evidence.

    Raises:
        ValueError: for images of another shape or range, a network without cells, or of other features than the
            detector's.

    >>> import jaxcam
    >>> card = jaxcam.Card(("any",), image_size=(1, 2), preprocessing=jaxcam.Preprocessing(mean=(0.0,), std=(1.0,)))
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)), card=card)
    >>> red_and_black = np.array([[[[1.0, 0, 0], [0, 0, 0]]]])
    >>> found = evidence(params, red_and_black, Detector(np.array([1.0, 0, 0]), -0.5, 1.0))
    >>> found.maps.tolist(), found.scores.tolist()
    ([[[2.0, 0.0]]], [0.5])
    """
    images, _ = check_images(params, images)
    size = images.shape[1:-1] if size is None else size
    kernel, bias = jnp.asarray(detector.kernel, jnp.float32), jnp.float32(detector.bias)
    return _evidence(params, images, kernel, bias, size if isinstance(size, str) else tuple(size))


def save_detector(
    detector: Detector, path: str | os.PathLike[str], *, checkpoint: str, further: dict[str, Any] | None = None
) -> None:
    """Write a detector as one JSON file: all of its numbers to the last bit, and what it was made from.

    Args:
        detector: of `fit_detector`.
        path: the file; written beside and renamed, so that it is there whole or not at all.
        checkpoint: that the features are from.
        further: what else to write down, such as the photos it was trained on.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     save_detector(Detector(np.ones(3), -0.5, 10.0), f"{home}/text.json", checkpoint="tiny_imagenet")
    ...     load_detector(f"{home}/text.json", checkpoint="tiny_imagenet").kernel
    array([1., 1., 1.])
    """
    told = {"format": FORMAT, **detector._asdict(), "kernel": detector.kernel.tolist()}
    told |= {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin(), **(further or {})}
    with whole_file(path) as file:
        file.write(f"{json.dumps(told, indent=1, allow_nan=False)}\n".encode())


def load_detector(path: str | os.PathLike[str], *, checkpoint: str) -> Detector:
    """Read a detector that `save_detector` wrote.

    Args:
        path: the file.
        checkpoint: that it is to be used with.

    Returns:
        The Detector.

    Raises:
        ValueError: for a missing file, one that holds no detector, or one of another checkpoint.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a detector that was saved here before") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a detector: {error}") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f'{path}: holds no detector; expected a JSON file whose "format" is "{FORMAT}"')
    try:
        kernel = np.array([float(weight) for weight in told["kernel"]])
        numbers = [float(told[name]) for name in ("bias", "penalty", "threshold")]
        name, image_size = str(told["name"]), tuple(map(index, told["image_size"]))
        made_with = {entry: str(told[entry]) for entry in ("checkpoint", "checkpoint_sha256")}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: holds a damaged detector: {error!r}; train it again") from None
    if not (kernel.size and np.isfinite([*kernel, *numbers]).all() and len(image_size) in (0, 2)):
        raise ValueError(f"{path}: holds a detector without weights, or with numbers that are none; train it again")
    same_checkpoint(made_with, checkpoint, what=f"detector {path}")
    bias, penalty, threshold = numbers
    return Detector(kernel, bias, penalty, check_threshold(threshold), name, image_size)


@partial(jit_network, static_argnames="size")
def _evidence(params: Params, images: Array, kernel: Array, bias: Array, size: Size) -> Evidence:
    features, _ = forward(params, images)
    if features.ndim != 4:
        raise ValueError(f"params: got a network with features {features.shape}; maps need those of cells (b, y, x, k)")
    if features.shape[-1] != len(kernel):
        raise ValueError(
            f"detector: got one of {len(kernel)} features for a network of {features.shape[-1]}; "
            "use the network that it was trained on"
        )
    pooled = features.mean((1, 2))
    lengths = jnp.linalg.norm(pooled, axis=1)
    scores = jnp.where(lengths > 0, pooled @ kernel / jnp.where(lengths > 0, lengths, 1), 0) + bias
    maps = cam_from_features(features, kernel[:, None], jnp.zeros(len(features), jnp.int32), size=size)
    return Evidence(scores, maps / jnp.where(lengths > 0, lengths, 1)[:, None, None])


def _divided(values, lengths):
    """Where the length is zero, so are all features, and the value."""
    return values / np.where(lengths > 0, lengths, 1)
