"""Maps from gradients at the pixels: how strongly each moves the score of a class.

I is the image that the network is given: at its resolution, in [0, 1], before mean and std.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.methods.cut import Cut, RawMaps, Targets
from jaxcam.methods.map_method import map_method


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


def image_gradient(cut: Cut, target: Float[Array, "b c"]) -> Float[Array, "b *space channels"]:
    """The gradient of a score in the image."""
    how = cut.params.card.preprocessing
    # The network sees (scale * image - mean) / std: by the chain rule its gradient times this is the image's.
    factor = (how.scale / np.array(how.std, np.float32)).reshape((1,) * (cut.pixels.ndim - 1) + (-1,))
    return cut.pixel_gradient(target) * factor


def for_each_label(map_of: Callable[[Array], Array], targets: Targets) -> RawMaps:
    """The maps (b, *space) of each label's weights of classes (b, c)."""
    # Written out one after another: vmap would take n times a pass's memory, and in a device's loop (lax.map) XLA runs
    # convolutions twenty times slower on CPUs.
    return jnp.stack([map_of(target) for target in targets.swapaxes(0, 1)], axis=1)
