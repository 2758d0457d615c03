"""Class activation maps merged from ten crops, as the CAM paper's released code makes them for localization.

Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, and the
MATLAB files that its authors released.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.arrays import Images, Kernel, LabelsLike, type_of_array
from jaxcam.forward import check_images, class_probabilities, forward_pixels, kernel_of, preprocess, whole_lengths
from jaxcam.geometry import resize
from jaxcam.methods.activation import cam_from_features
from jaxcam.methods.arguments import check_labels
from jaxcam.methods.cut import cells_of
from jaxcam.params import Params

CANVAS = (256, 256)
UPSAMPLE = "catmull_rom"  # MATLAB's bicubic


class TenCropMaps(NamedTuple):
    """What `ten_crop_cam` found; for one image given alone, everything is without b.

    Attributes:
        labels: (b, n) classes, the most probable first where they were not given; (b,) for labels (b,).
        probabilities: float32, theirs, the mean of the crops: the softmax over all classes, or probabilities given.
        maps: float32 (b, n, h, w), divided by their maximum.
    """

    labels: Int[Array, "*b_n"]
    probabilities: Float[Array, "*b_n"]
    maps: Float[Array, "*b_n h w"]


def ten_crop_cam(
    params: Params,
    images: Images,
    labels: LabelsLike | None = None,
    *,
    top: int | None = None,
    size: tuple[int, ...] | None = None,
    canvas: tuple[int, ...] = CANVAS,
) -> TenCropMaps:
    """Class probabilities and class activation maps from ten crops of each image, in one forward pass.

    M_c = sum over crops of |resized(CAM of the crop)|, each mirrored back and at its place, not divided by how many
    crops cover a pixel; then resized and divided by its maximum.

    Args:
        params: a network's that ends in global pooling and one linear layer.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels). They are squashed to the canvas;
            the crops have the card's size and stand in its corners and its middle, and mirrored.
        labels: (b,) or (b, n) classes; for one image a scalar or (n,); None for the `top` most probable.
        top: number n of classes where no labels are given; None for 5, or all where there are fewer.
        size: (height, width) of the maps; None for that of the given images.
        canvas: (height, width) that the images are squashed to, at least the card's size.

    Returns:
        `TenCropMaps`: labels, probabilities and maps. A map is at most 1, and 0 where there is nothing. NaN for a label
        that is out of range and could not be checked.

    Raises:
        ValueError: for wrong shapes, images or labels out of range, an option that does not fit, or a network without a
            kernel.

    Maps are resized bicubically with a = -0.5, as by MATLAB's `imresize`, but with edges clamped, not reflected.

    >>> import jax, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> found = ten_crop_cam(params, jnp.zeros((2, 64, 48, 3)), top=3)
    >>> found.labels.shape, found.probabilities.shape, found.maps.shape
    ((2, 3), (2, 3), (2, 3, 64, 48))
    """
    images, single = check_images(params, images)
    kernel = kernel_of(params)
    batch, num_classes = images.shape[0], kernel.shape[1]
    top = min(5, num_classes) if top is None else top
    if labels is None and not 1 <= top <= num_classes:
        raise ValueError(f"top: got {top}; this network has {num_classes} classes, give 1 to {num_classes}")
    if labels is not None:
        labels = check_labels(labels, batch=batch, single=single, num_classes=num_classes)
    lengths = check_lengths(images.shape[1:-1] if size is None else size)
    features, averaged = ten_crop_forward(params, images, canvas=canvas)
    labels = jax.lax.top_k(averaged, top)[1] if labels is None else labels
    maps = ten_crop_maps(features, kernel, labels, crop=params.card.image_size, size=lengths, canvas=canvas)
    found = TenCropMaps(labels, _probabilities_of(labels, averaged), maps)
    return TenCropMaps(*(part[0] for part in found)) if single else found


def ten_crop_forward(
    params: Params, images: Images, *, canvas: tuple[int, ...] = CANVAS
) -> tuple[Float[Array, "b 10 y x k"], Float[Array, "b c"]]:
    """The features of ten crops of each image, and the class probabilities averaged over them.

    p_c = mean over crops of softmax(logits of the crop)_c; of scores that are probabilities, the mean of these.

    Args:
        params: a network's.
        images: (b, h, w, channels), as `jaxcam.forward.check_images` lets them pass.
        canvas: (height, width) that the images are squashed to, at least the card's size.

    Returns:
        Features (b, 10, y, x, k), where they are tokens only those of cells, and float32 probabilities (b, c). The
        first five crops are those of the corners and the middle, the others their mirror images.

    Raises:
        ValueError: for a canvas that is smaller than the card's size.

    >>> import jax, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> features, probabilities = ten_crop_forward(params, jnp.zeros((2, 64, 48, 3)))
    >>> features.shape[:2], probabilities.shape
    ((2, 10), (2, 5))
    """
    corners = crop_corners(canvas, params.card.image_size)
    pixels = preprocess(params, images, image_size=canvas)
    crops = ten_crops(pixels, corners, params.card.image_size).swapaxes(0, 1)
    features, logits = forward_pixels(params, crops.reshape(-1, *crops.shape[2:]))
    probabilities = class_probabilities(params, logits).reshape(*crops.shape[:2], -1)
    cells = cells_of(features, params.network.token_grid)
    return cells.reshape(*crops.shape[:2], *cells.shape[1:]), probabilities.mean(axis=1)


def ten_crop_maps(
    features: Float[Array, "b 10 y x k"],
    kernel: Kernel,
    labels: LabelsLike,
    *,
    crop: tuple[int, ...],
    size: tuple[int, ...],
    canvas: tuple[int, ...] = CANVAS,
) -> Float[Array, "..."]:
    """Maps (b, h, w) or (b, n, h, w) of labels (b,) or (b, n) from the features of ten crops; see `ten_crop_cam`.

    Args:
        features: (b, 10, y, x, k) by `ten_crop_forward`.
        kernel: (k, c), a column of weights a class.
        labels: (b,) or (b, n) classes.
        crop: (height, width) of the crops.
        size: (height, width) of the maps.
        canvas: (height, width) that the images were squashed to.

    Returns:
        float32 maps, each divided by its maximum; 0 where it has nothing above zero, NaN for a label that is out of
        range and could not be checked.

    Raises:
        ValueError: for labels out of range or of another shape, or crops larger than the canvas.

    >>> cells = jnp.zeros((1, 10, 2, 2, 1)).at[0, 4].set(1.0)  # only the crop of the middle shows anything
    >>> maps = ten_crop_maps(cells, jnp.ones((1, 1)), jnp.array([0]), crop=(4, 4), size=(8, 8), canvas=(8, 8))
    >>> maps[0, :, 4]
    Array([0., 0., 1., 1., 1., 1., 0., 0.], dtype=float32)
    """
    batch = features.shape[0]
    labels = check_labels(labels, batch=batch, single=False, num_classes=kernel.shape[1])
    flat = features.reshape(-1, *features.shape[2:])
    maps = cam_from_features(flat, kernel, jnp.repeat(labels, 10, axis=0), size=crop, upsample=UPSAMPLE)
    return merge_crops(maps.reshape(batch, 10, *maps.shape[1:]).swapaxes(0, 1), tuple(size), tuple(canvas))


def ten_crops(
    images: Float[type_of_array, "*b_space channels"], corners: list[tuple[int, int]], crop: tuple[int, ...]
) -> Float[Array, "10 ..."]:
    """Crops of one image or a batch: those that begin at five corners, then their mirror images."""
    crops = jnp.stack([images[..., y : y + crop[0], x : x + crop[1], :] for y, x in corners])
    return jnp.concatenate([crops, crops[..., ::-1, :]])


def check_lengths(size: Any) -> tuple[int, ...]:
    """A size (height, width) as whole numbers."""
    lengths = whole_lengths(size, 2)
    if lengths is None:
        raise ValueError(f"size: got {size!r}; give (height, width) of at least 1, or None")
    return lengths


def crop_corners(canvas: tuple[int, ...], crop: tuple[int, ...]) -> list[tuple[int, int]]:
    """Rows and columns where the crops begin: the corners, and the middle, rounded as the released code does."""
    lengths = whole_lengths(canvas, 2)
    if lengths is None or len(crop) != 2 or min(np.subtract(lengths, crop)) < 0:
        raise ValueError(f"canvas: got {canvas!r} for crops of {crop}; give (height, width) of at least theirs")
    down, right = np.subtract(lengths, crop).tolist()
    return [(0, 0), (down, 0), (0, right), (down, right), ((down + 1) // 2, (right + 1) // 2)]


@partial(jax.jit, static_argnames=("size", "canvas"))
def merge_crops(maps: Array, size: tuple[int, ...], canvas: tuple[int, ...]) -> Array:
    """One map, at most 1, of ten (10, ..., h, w), those of `ten_crops`."""
    height, width = maps.shape[-2:]
    straight, mirrored = jnp.split(jnp.abs(maps), 2)
    both = straight + mirrored[..., ::-1]
    merged = jnp.zeros((*maps.shape[1:-2], *canvas), maps.dtype)
    for crop, (y, x) in zip(both, crop_corners(canvas, (height, width)), strict=True):
        merged = merged.at[..., y : y + height, x : x + width].add(crop)
    for axis, (given, wanted) in enumerate(zip(canvas, size, strict=True), start=merged.ndim - 2):
        # As MATLAB: the kernel is widened where pixels are lost, and only there.
        merged = resize(merged, (wanted,), axis=axis, method=UPSAMPLE, antialias=wanted < given)
    highest = merged.max(axis=(-2, -1), keepdims=True)
    # Not `highest <= 0`: XLA's maximum passes over NaN on some CPUs, and a NaN is to stay visible.
    nothing = (merged <= 0).all(axis=(-2, -1), keepdims=True)
    return jnp.where(nothing, jnp.zeros_like(merged), merged / jnp.where(nothing, jnp.ones_like(highest), highest))


@jax.jit
def _probabilities_of(labels: Array, probabilities: Array) -> Array:
    """Those of labels (b,) or (b, n) among (b, c); NaN for a label out of range."""

    def of_one(labels: Array, probabilities: Array) -> Array:
        return probabilities.at[labels].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)

    return jax.vmap(of_one)(labels, probabilities)
