"""Maps from gradients at the pixels: how strongly each moves the score of a class.

I is the image that the network is given: at its resolution, in [0, 1], before mean and std.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.forward import normalize_channels
from jaxcam.methods.cut import Cut, RawMaps, Targets
from jaxcam.methods.map_method import map_method

# How the values of a pixel's channels become one.
CHANNELS: dict[str, Callable[[Array], Array]] = {
    "sum": lambda values: values.sum(axis=-1),
    "absolute": lambda values: jnp.abs(values).sum(axis=-1),
    "max": lambda values: jnp.abs(values).max(axis=-1),
}


@map_method(on_pixels=True, takes_stage=False)
def saliency(cut: Cut, targets: Targets) -> RawMaps:
    """Saliency maps: the gradient of a class score, from one forward pass and one backward pass a label.

    M(p) = max over channels of |dS / dI(p)|, with S the score before the softmax.

    Args:

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
    return for_each_label(lambda target: jnp.abs(image_gradient(cut, target)).max(axis=-1), targets)


@map_method(on_pixels=True, takes_stage=False)
def input_x_gradient(cut: Cut, targets: Targets, *, channels: str = "sum") -> RawMaps:
    """Input times gradient: what each pixel adds to a class score, if the score is linear in the image.

    M(p) = sum over channels of I(p) dS / dI(p).

    Args:
        channels: "sum" of signed values, "absolute" for the sum of absolute ones, "max" for the largest of these.

    Source: Shrikumar et al., "Not Just a Black Box: Learning Important Features Through Propagating Activation
    Differences", 2016, arXiv 1605.01713, which compares with it.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.input_x_gradient(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    changes = cut.pixels - pixels_of(cut, jnp.zeros(cut.pixels.shape[1:], jnp.float32))
    # A change of the network's pixels times their gradient is that of the image times its own: scales cancel.
    return for_each_label(lambda target: over_channels(changes * cut.pixel_gradient(target), channels), targets)


def image_gradient(cut: Cut, target: Float[Array, "b c"]) -> Float[Array, "b *space channels"]:
    """The gradient of a score in the image."""
    return cut.pixel_gradient(target) * pixel_scale(cut)


def pixel_scale(cut: Cut) -> Float[np.ndarray, "..."]:
    """How much the network's pixels (scale * image - mean) / std change with the image."""
    how = cut.params.card.preprocessing
    return (how.scale / np.array(how.std, np.float32)).reshape((1,) * (cut.pixels.ndim - 1) + (-1,))


def pixels_of(cut: Cut, image: Float[Array, "*space channels"]) -> Float[Array, "1 *space channels"]:
    """One image of the network's resolution, as the network sees it."""
    return normalize_channels(image[None], cut.params.card.preprocessing)


def over_channels(values: Float[Array, "*b_space channels"], channels: str) -> Float[Array, "*b_space"]:
    """One value a pixel."""
    if channels not in CHANNELS:
        raise ValueError(f"channels: got {channels!r}; use one of {', '.join(CHANNELS)}")
    return CHANNELS[channels](values)


def for_each_label(map_of: Callable[[Array], Array], targets: Targets) -> RawMaps:
    """The maps (b, *space) of each label's weights of classes (b, c)."""
    # Written out one after another: vmap would take n times a pass's memory, and in a device's loop (lax.map) XLA runs
    # the gradients of convolutions twenty times slower on CPUs.
    return jnp.stack([map_of(target) for target in targets.swapaxes(0, 1)], axis=1)
