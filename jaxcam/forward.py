"""From images to features and logits: checked, preprocessed and run by one compiled forward pass."""

import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.arrays import Images, Pixels
from jaxcam.card import Preprocessing
from jaxcam.compilation import jit_network, on_auto_axes
from jaxcam.geometry import resize
from jaxcam.params import Params

ImageSize = str | tuple[int, ...] | None


def logits(params: Params, images: Images) -> Float[Array, "*b c"]:
    """Class scores before the softmax.

    Args:
        params: a network's.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels).

    Returns:
        (b, c) float32; (c,) for one image.

    Raises:
        ValueError: for images of another rank, channels or range.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> jaxcam.logits(params, jnp.zeros((2, 64, 64, 3))).shape
    (2, 5)
    """
    images, single = check_images(params, images)
    scores = forward(params, images)[1]
    return scores[0] if single else scores


def features(params: Params, images: Images, *, stage: str | None = None) -> Float[Array, "*b_cells k"]:
    """The output of a stage of the network.

    Args:
        params: a network's.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels).
        stage: a name of the network's `stages`; the last one by default.

    Returns:
        (b, y, x, k); (y, x, k) for one image.

    Raises:
        ValueError: for images of another rank, channels or range, or an unknown stage.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> jaxcam.features(params, jnp.zeros((2, 64, 64, 3)), stage="layer3").shape
    (2, 14, 14, 32)
    """
    images, single = check_images(params, images)
    if stage is None:
        output = forward(params, images)[0]
    else:
        output = _run_to(params.network, params.variables, preprocess(params, images), stage)
    return output[0] if single else output


def forward(
    params: Params, images: Images, *, image_size: ImageSize = None
) -> tuple[Float[Array, "b *cells k"], Float[Array, "b c"]]:
    """Features (b, y, x, k) and logits (b, c) of a checked batch (b, h, w, channels), from one forward pass.

    Called plainly it is two programs, preprocessing (one a photo size) and the network (one a batch size), so that a
    new photo size does not compile the network again.
    """
    return forward_pixels(params, preprocess(params, images, image_size=image_size))


def forward_pixels(params: Params, pixels: Pixels) -> tuple[Float[Array, "b *cells k"], Float[Array, "b c"]]:
    """The same of a batch that is preprocessed already."""
    return _run(params.network, params.variables, pixels)


def class_probabilities(params: Params, scores: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
    """Class scores as probabilities: their softmax, or themselves where `with_probabilities` has made them so."""
    network: Any = params.network
    return scores if network.gives_probabilities else jax.nn.softmax(scores)


def kernel_of(params: Params) -> Float[Array, "k c"]:
    """The weights (k, c) that class activation maps are made of; a ValueError for a network that has none."""
    kernel: Any = params.network.apply(params.variables, method="kernel")
    if kernel is None:
        raise ValueError(
            "params: this network has no linear layer over pooled features (no kernel), so no class activation maps; "
            "use grad_cam"
        )
    return jnp.asarray(kernel, jnp.float32)


def preprocess(params: Params, images: Images, *, image_size: ImageSize = None) -> Pixels:
    """A batch resized to the card's size (or `image_size`, or as it is for "native") and normalised for the network."""
    return _preprocess(images, params.card.preprocessing, fed_size(params, images.shape[1:-1], image_size))


def fed_size(params: Params, space: tuple[int, ...], image_size: ImageSize) -> tuple[int, ...]:
    """The size that images of size `space` are fed to the network at: the card's, `image_size`, or "native"."""
    card = params.card
    if isinstance(image_size, str) and image_size == "native":
        image_size = space
    size = whole_lengths(card.image_size if image_size is None else image_size, len(card.image_size))
    if size is None:
        expected = ", ".join(["height", "width"] if len(card.image_size) == 2 else ["n"] * len(card.image_size))
        raise ValueError(f'image_size: got {image_size!r}; give ({expected}), "native", or None for {card.image_size}')
    return size


def resized_images(params: Params, images: Images, size: tuple[int, ...]) -> Float[Array, "*b_space channels"]:
    """One image or a batch as float32 in [0, 1] of another size, resized as the network's are; not yet normalised."""
    return _resized(images, params.card.preprocessing, size)


def whole_lengths(size: Any, rank: int) -> tuple[int, ...] | None:
    """A size of `rank` whole numbers of at least 1 as a tuple; None where it is anything else."""
    try:
        lengths = tuple(operator.index(length) for length in size)
    except TypeError:
        return None
    return lengths if len(lengths) == rank and min(lengths) >= 1 else None


def check_images(params: Params, images: Images, *, name: str = "images") -> tuple[Array, bool]:
    """Images as a batch, and whether one image was given without a batch axis.

    Shapes are always checked; the range of values for NumPy images only, since a device array is not waited for.
    """
    if not isinstance(images, np.ndarray | jax.Array):
        raise ValueError(f"{name}: got a {type(images).__name__}; give one NumPy or JAX array, stacked to a batch")
    card = params.card
    rank = len(card.image_size)
    space = "h, w" if rank == 2 else ", ".join(["n"] * rank)
    if images.ndim not in (rank + 1, rank + 2) or images.shape[-1] != card.channels or 0 in images.shape:
        raise ValueError(
            f"{name}: got shape {tuple(images.shape)}; "
            f"give (b, {space}, {card.channels}) or one ({space}, {card.channels})"
        )
    if images.dtype != np.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"{name}: got {images.dtype}; give uint8 in 0..255 or floating point in [0, 1]")
    if isinstance(images, np.ndarray) and images.dtype != np.uint8:
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):  # false for NaN too
            raise ValueError(f"{name}: got values from {low} to {high}; give floats in [0, 1], or uint8 in 0..255")
        images = images.astype(np.float32)
    single = images.ndim == rank + 1
    return jnp.asarray(images)[None] if single else jnp.asarray(images), single


@partial(jax.jit, static_argnames=("preprocessing", "size"))
def _preprocess(images: Array, preprocessing: Preprocessing, size: tuple[int, ...]) -> Array:
    return normalize_channels(_resized(images, preprocessing, size), preprocessing)


@partial(jax.jit, static_argnames=("preprocessing", "size"))
def _resized(images: Array, preprocessing: Preprocessing, size: tuple[int, ...]) -> Array:
    pixels = images.astype(jnp.float32)
    if images.dtype == jnp.uint8:
        pixels = pixels / 255
    axis = pixels.ndim - 1 - len(size)
    return resize(pixels, size, axis=axis, method=preprocessing.interpolation, antialias=preprocessing.antialias)


def normalize_channels(pixels: Float[Array, "*b_space channels"], preprocessing: Preprocessing) -> Array:
    """(scale * pixels - mean) / std in the network's channel order, for pixels in [0, 1]."""
    if preprocessing.channel_order == "BGR":
        pixels = pixels[..., ::-1]
    shape = (1,) * (pixels.ndim - 1) + (-1,)
    mean = jnp.array(preprocessing.mean, jnp.float32).reshape(shape)
    std = jnp.array(preprocessing.std, jnp.float32).reshape(shape)
    if not {mean.size, std.size} <= {1, pixels.shape[-1]}:
        raise ValueError(
            f"preprocessing: got {mean.size} means and {std.size} stds for images of {pixels.shape[-1]} channels; "
            "give one a channel, or one for all"
        )
    return (preprocessing.scale * pixels - mean) / std


@partial(jit_network, static_argnums=0)
def _run(network: Any, variables: Any, pixels: Array) -> tuple[Array, Array]:
    def run(pixels, variables):
        maps = network.apply(variables, pixels, method="features")
        return maps, network.apply(variables, maps, method="logits").astype(jnp.float32)

    return on_auto_axes(run, pixels, variables)


@partial(jit_network, static_argnums=(0, 3))
def _run_to(network: Any, variables: Any, pixels: Array, stage: str) -> Array:
    return on_auto_axes(lambda pixels, of: network.apply(of, pixels, stage, method="features"), pixels, variables)
