"""Class activation maps: features weighed by the linear layer behind them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.forward import ImageSize, check_images, forward, kernel_of, whole_lengths
from jaxcam.geometry import METHODS, resize
from jaxcam.params import Params

Size = str | tuple[int, ...] | None


def cam(
    params: Params,
    images: Images,
    labels: LabelsLike | None = None,
    *,
    size: Size = None,
    upsample: str = "bilinear",
    image_size: ImageSize = None,
) -> Float[Array, "..."]:
    """Class activation maps: raw evidence for a class at every pixel, from one forward pass however many the labels.

    M_c(x, y) = sum_k w_k^c f_k(x, y), without the bias, so that on cells mean(M_c) + b_c is the class score.

    Args:
        params: a network's that ends in global pooling and one linear layer.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels). They are resized on the device to
            the card's size.
        labels: (b,) or (b, n) classes; for one image a scalar or (n,); None for the predicted class.
        size: of the maps: None for the given images' (h, w), "cells" for no upsampling, or (height, width).
        upsample: "bilinear", "bicubic" (a = -0.75; both equal OpenCV's and torch's) or "catmull_rom" (a = -0.5).
        image_size: feed the network at another (height, width), or "native" for the images' own.

    Returns:
        float32 maps (b, h, w), or (b, n, h, w) for (b, n) labels; without b for one image. Not normalised, and negative
        where a region speaks against the class. NaN for a label that is out of range and could not be checked.

    Raises:
        ValueError: for wrong shapes, images or labels out of range, an unknown option, or a network without a kernel.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> images = jnp.zeros((2, 64, 48, 3))
    >>> jaxcam.cam(params, images, jnp.array([3, 1])).shape
    (2, 64, 48)
    >>> jaxcam.cam(params, images, jnp.array([[3, 1, 0], [1, 2, 4]]), size="cells").shape
    (2, 3, 7, 7)
    """
    images, single = check_images(params, images)
    kernel = kernel_of(params)
    if labels is not None:
        labels = check_labels(labels, batch=images.shape[0], single=single, num_classes=kernel.shape[1])
    size, upsample = check_size(size, images.shape[1:-1]), check_upsample(upsample)
    features, scores = forward(params, images, image_size=image_size)
    labels = scores.argmax(-1) if labels is None else labels
    maps = _weigh(features, kernel, labels, size, upsample)
    return maps[0] if single else maps


def cam_from_features(
    features: Shaped[type_of_array, "..."],
    kernel: Shaped[type_of_array, "..."],
    labels: LabelsLike,
    *,
    size: Size = None,
    upsample: str = "bilinear",
) -> Float[Array, "..."]:
    """Class activation maps of anyone's features and linear layer, such as an SVM's `coef_.T`.

    M_c(x, y) = sum_k w_k^c f_k(x, y).

    Args:
        features: (b, y, x, k) or one (y, x, k), before pooling; NumPy or JAX.
        kernel: (k, c), a column of weights a class.
        labels: (b,) or (b, n) classes; for one image a scalar or (n,).
        size: (height, width) to upsample to; None or "cells" for the maps as they are.
        upsample: "bilinear", "bicubic" (a = -0.75) or "catmull_rom" (a = -0.5).

    Returns:
        float32 maps (b, y, x) or (b, n, y, x), without b for one image; of `size` where it is given.

    Raises:
        ValueError: for shapes that do not fit together, labels out of range, or an unknown option.

    Source: Zhou et al., CVPR 2016, arXiv 1512.04150.

    >>> import numpy as np, jaxcam
    >>> features = np.arange(8.0).reshape(2, 2, 2)  # one image, 2x2 cells, two channels
    >>> jaxcam.cam_from_features(features, np.array([[1.0], [-1.0]]), 0)
    Array([[-1., -1.],
           [-1., -1.]], dtype=float32)
    """
    if features.ndim < 3 or 0 in features.shape or kernel.ndim != 2 or kernel.shape[0] != features.shape[-1]:
        raise ValueError(
            f"features, kernel: got shapes {tuple(features.shape)} and {tuple(kernel.shape)}; "
            "give (b, y, x, k) or (y, x, k), and (k, c)"
        )
    single = features.ndim == 3
    features = jnp.asarray(features, jnp.float32)
    features = features[None] if single else features
    labels = check_labels(labels, batch=features.shape[0], single=single, num_classes=kernel.shape[1])
    size = "cells" if size is None else size
    size = check_size(size, features.shape[1:-1])
    maps = _weigh(features, jnp.asarray(kernel, jnp.float32), labels, size, check_upsample(upsample))
    return maps[0] if single else maps


def check_labels(labels: LabelsLike, *, batch: int, single: bool, num_classes: int) -> Array:
    """Labels as (b,) or (b, n) integers; values are checked where they can be seen (NumPy and Python numbers)."""
    seen = not isinstance(labels, jax.Array)
    values: Any = np.asarray(labels) if seen else labels
    if not jnp.issubdtype(values.dtype, jnp.integer):
        raise ValueError(f"labels: got {values.dtype}; give integer classes from 0 to {num_classes - 1}")
    if single and (values.ndim > 1 or 0 in values.shape):
        raise ValueError(f"labels: got shape {values.shape} for one image; give one class, or one row (n,) of classes")
    if not single and (values.ndim not in (1, 2) or values.shape[0] != batch or 0 in values.shape):
        raise ValueError(
            f"labels: got shape {values.shape} for a batch of {batch} images; "
            "give one class (b,), or one row of classes (b, n), per image"
        )
    if seen and values.size and (values.min() < 0 or values.max() >= num_classes):
        raise ValueError(
            f"labels: got classes from {values.min()} to {values.max()}; this network has 0 to {num_classes - 1}"
        )
    values = jnp.asarray(values.astype(np.int32) if seen else labels)
    return values[None] if single else values


def check_size(size: Size, space: tuple[int, ...]) -> tuple[int, ...] | None:
    """The size of the maps to make: `space` for None, None for "cells" (no upsampling)."""
    if size is None:
        return tuple(space)
    if isinstance(size, str) and size == "cells":
        return None
    lengths = whole_lengths(size, len(space))
    if lengths is None:
        raise ValueError(f'size: got {size!r}; give {len(space)} lengths of at least 1, "cells", or None')
    return lengths


def check_upsample(upsample: str) -> str:
    if upsample not in METHODS:
        raise ValueError(f"upsample: got {upsample!r}; use one of {', '.join(METHODS)}")
    return upsample


@partial(jax.jit, static_argnames=("size", "upsample"))
def _weigh(features: Array, kernel: Array, labels: Array, size: tuple[int, ...] | None, upsample: str) -> Array:
    batch, *cells, k = features.shape
    rows = labels.reshape(batch, -1)
    # A label out of range becomes NaN, never another class's map.
    weights = kernel.T.at[rows].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    flat = features.reshape(batch, -1, k)
    maps = jnp.einsum("bpk,bnk->bnp", flat, weights, precision=jax.lax.Precision.HIGHEST)
    maps = maps.reshape(batch, rows.shape[1], *cells)
    # Weighing and resizing are both linear, so weighing first is exact and k times cheaper.
    if size is not None:
        maps = resize(maps, size, axis=2, method=upsample)
    return maps.reshape(*labels.shape, *maps.shape[2:]).astype(jnp.float32)
