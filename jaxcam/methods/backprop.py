"""Saliency maps by backpropagation: how strongly each pixel moves the score of a class."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.arrays import Images, LabelsLike, Pixels
from jaxcam.forward import ImageSize, check_images, forward_pixels, preprocess
from jaxcam.geometry import resize
from jaxcam.methods.activation import Size, check_labels, check_size, check_upsample
from jaxcam.params import Params


def saliency(
    params: Params,
    images: Images,
    labels: LabelsLike | None = None,
    *,
    size: Size = None,
    upsample: str = "bilinear",
    image_size: ImageSize = None,
) -> Float[Array, "..."]:
    """Saliency maps: the gradient of a class score, from one forward pass and one backward pass a label.

    M_c(x, y) = max over channels of |d S_c / d I(x, y)|, with S_c the score before the softmax, and I the image that
    the network is given: at its resolution, in [0, 1], before mean and std.

    Args:
        params: any network's; it needs no kernel.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels). They are resized on the device to
            the card's size.
        labels: (b,) or (b, n) classes; for one image a scalar or (n,); None for the predicted class.
        size: of the maps: None for the given images' (h, w), "cells" for that of the network's input, or
            (height, width). Antialiased where they shrink.
        upsample: "bilinear", "bicubic" (a = -0.75) or "catmull_rom" (a = -0.5).
        image_size: feed the network at another (height, width), or "native" for the images' own.

    Returns:
        float32 maps (b, h, w), or (b, n, h, w) for (b, n) labels; without b for one image. Not normalised; from 0 up,
        but for what a cubic `upsample` overshoots. NaN for a label that is out of range and could not be checked.

    Raises:
        ValueError: for wrong shapes, images or labels out of range, or an unknown option.

    Source: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
    and Saliency Maps", ICLR 2014 workshop, arXiv 1312.6034.

    >>> import jax.numpy as jnp, jaxcam
    >>> as_is = jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))
    >>> center = jaxcam.from_functions(  # a network that looks at the colours of one pixel
    ...     lambda weights, images: images[:, 1:2, 1:2],
    ...     lambda weights, features: features.mean((1, 2)) @ weights,
    ...     variables=jnp.diag(jnp.array([0.1, 0.2, -0.3])),
    ...     card=jaxcam.Card(("red", "green", "blue"), image_size=(3, 3), preprocessing=as_is),
    ... )
    >>> jaxcam.saliency(center, jnp.zeros((3, 3, 3)), 2)
    Array([[0. , 0. , 0. ],
           [0. , 0.3, 0. ],
           [0. , 0. , 0. ]], dtype=float32)
    """
    images, single = check_images(params, images)
    size, upsample = check_size(size, images.shape[1:-1]), check_upsample(upsample)
    pixels = preprocess(params, images, image_size=image_size)
    if labels is not None:
        num_classes = jax.eval_shape(partial(forward_pixels, params), pixels)[1].shape[1]
        labels = check_labels(labels, batch=images.shape[0], single=single, num_classes=num_classes)
    maps = _run(params, pixels, labels, size, upsample)
    return maps[0] if single else maps


def forward_with_saliency(
    params: Params, pixels: Pixels
) -> tuple[Float[Array, "b c"], Callable[[Int[Array, "b n"]], Float[Array, "b n *space"]]]:
    """The logits of a preprocessed batch, and a function from labels to saliency maps.

    One forward pass serves both, so that labels may be chosen by the logits. The maps are those of `saliency`, at
    the batch's resolution.

    Args:
        params: any network's.
        pixels: (b, h, w, channels) by `jaxcam.forward.preprocess`.

    Returns:
        Logits (b, c), and a function from labels (b, n) to maps (b, n, h, w) from 0 up; NaN for a label out of range.

    >>> import jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> logits, maps_of = forward_with_saliency(params, jnp.zeros((2, 32, 24, 3)))
    >>> logits.shape, maps_of(logits.argsort(axis=1)[:, -3:]).shape
    ((2, 5), (2, 3, 32, 24))
    """
    logits, pull_back = jax.vjp(lambda pixels: forward_pixels(params, pixels)[1], pixels)
    how = params.card.preprocessing
    # The network sees (scale * image - mean) / std: by the chain rule its gradient times this is the image's.
    factor = (how.scale / np.array(how.std, np.float32)).reshape((1,) * (pixels.ndim - 1) + (-1,))

    def of_one(labels: Array) -> Array:
        (gradient,) = pull_back(jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype))
        return jnp.abs(gradient * factor).max(axis=-1)

    def maps_of(labels: Array) -> Array:
        # Written out one after another: vmap would take n times a pass's memory, and in a device's loop (lax.map) XLA
        # runs convolutions twenty times slower on CPUs.
        maps = jnp.stack([of_one(column) for column in labels.T], axis=1)
        known = ((labels >= 0) & (labels < logits.shape[1])).reshape(*labels.shape, *[1] * (maps.ndim - 2))
        return jnp.where(known, maps, jnp.nan)

    return logits, maps_of


@partial(jax.jit, static_argnames=("size", "upsample"))
def _run(params: Params, pixels: Array, labels: Array | None, size: tuple[int, ...] | None, upsample: str) -> Array:
    logits, maps_of = forward_with_saliency(params, pixels)
    labels = logits.argmax(axis=-1) if labels is None else labels
    maps = maps_of(labels.reshape(len(pixels), -1))
    if size is not None:
        maps = resize(maps, size, axis=2, method=upsample, antialias=True)
    return maps.reshape(*labels.shape, *maps.shape[2:])
