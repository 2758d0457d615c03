"""Class activation maps: features weighed by the linear layer behind them."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.compilation import on_auto_axes
from jaxcam.forward import ImageSize, check_images, forward, kernel_of
from jaxcam.geometry import resize
from jaxcam.methods.arguments import (
    Size,
    check_rank,
    check_size,
    check_targets,
    check_upsample,
    class_weights,
    label_axes,
)
from jaxcam.methods.cut import Cut, RawMaps, Targets, cells_of, weighed
from jaxcam.params import Params


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
        labels: (b,) or (b, n) classes; for one image a scalar or (n,); None for the predicted class. Or floats, weights
            of all classes (b, c) or (b, n, c), whose maps are then summed.
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
        labels = check_targets(labels, batch=images.shape[0], single=single, num_classes=kernel.shape[1])
    size, upsample = check_size(size, images.shape[1:-1]), check_upsample(upsample)
    features, scores = forward(params, images, image_size=image_size)
    labels = scores.argmax(-1) if labels is None else labels
    maps = _weigh(cells_of(features, params.network.token_grid), kernel, labels, size, upsample)
    return maps[0] if single else maps


def cells_cam(cut: Cut, targets: Targets) -> RawMaps:
    """`cam` of a forward pass that is made already, cut at the network's last stage."""
    return weighed(cut.cells, jnp.einsum("kc,bnc->bnk", kernel_of(cut.params), targets, precision="highest"))


def cam_from_features(
    features: Shaped[type_of_array, "..."],
    kernel: Shaped[type_of_array, "..."],
    labels: LabelsLike,
    *,
    size: Size = None,
    upsample: str = "bilinear",
    rank: int = 2,
) -> Float[Array, "..."]:
    """Class activation maps of anyone's features and linear layer, such as an SVM's `coef_.T`.

    M_c(x, y) = sum_k w_k^c f_k(x, y).

    Args:
        features: (b, y, x, k) or one (y, x, k), before pooling; NumPy or JAX.
        kernel: (k, c), a column of weights a class.
        labels: (b,) or (b, n) classes; for one image a scalar or (n,). Or weights of classes, as for `cam`.
        size: (height, width) to upsample to; None or "cells" for the maps as they are.
        upsample: "bilinear", "bicubic" (a = -0.75) or "catmull_rom" (a = -0.5).
        rank: axes of space that features and maps have: 1 for signals, (b, x, k); 3 for volumes.

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
    single = features.ndim == rank + 1
    fits = kernel.ndim == 2 and kernel.shape[0] == features.shape[-1] and 0 not in features.shape
    if rank < 1 or not (single or features.ndim == rank + 2) or not fits:
        space = "y, x" if rank == 2 else ", ".join(["n"] * rank)
        raise ValueError(
            f"features, kernel: got shapes {tuple(features.shape)} and {tuple(kernel.shape)}; "
            f"give (b, {space}, k) or ({space}, k), and (k, c); rank= is the number of their axes of space"
        )
    features = jnp.asarray(features, jnp.float32)
    features = features[None] if single else features
    labels = check_targets(labels, batch=features.shape[0], single=single, num_classes=kernel.shape[1])
    size = "cells" if size is None else size
    size = check_size(size, features.shape[1:-1])
    maps = _weigh(features, jnp.asarray(kernel, jnp.float32), labels, size, check_upsample(upsample))
    return maps[0] if single else maps


@partial(jax.jit, static_argnames=("size", "upsample"))
def _weigh(features: Array, kernel: Array, labels: Array, size: tuple[int, ...] | None, upsample: str) -> Array:
    if features.ndim < 3:
        raise ValueError(f"features: got {features.shape[1:]}, which has no cells; take what comes before it")

    def weigh(features, kernel, labels):
        return weighed(features.astype(jnp.float32), _columns(kernel, labels))

    maps = on_auto_axes(weigh, features, kernel, labels)
    # Weighing and resizing are both linear, so weighing first is exact and k times cheaper.
    if size is not None:
        check_rank(size, features.ndim - 2)
        maps = resize(maps, size, axis=2, method=upsample)
    return maps.reshape(*label_axes(labels), *maps.shape[2:])


def _columns(kernel: Array, labels: Array) -> Array:
    """The weights (b, n, k) of each label."""
    if jnp.issubdtype(labels.dtype, jnp.floating):
        return jnp.einsum("kc,bnc->bnk", kernel, class_weights(labels, kernel.shape[1]), precision="highest")
    # A label out of range becomes NaN, never another class's map. Taken one by one: a product would touch all classes.
    rows = labels.reshape(labels.shape[0], -1)
    return kernel.T.at[rows].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
