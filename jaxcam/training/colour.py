"""Brightness, contrast and saturation changed at random: each is a blend of an image with a plainer one."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def jitter_colour(key: Key[Array, ""], image: Float[Array, "h w 3"], *, strength: float) -> Float[Array, "h w 3"]:
    """An image with its brightness, contrast and saturation changed, in random order.

    Each change is f image + (1 - f) plain, clipped to [0, 1], with f uniform in [1 - strength, 1 + strength]; "plain"
    is black for brightness, the mean grey for contrast, and each pixel's own grey for saturation. The changes do not
    commute, since they clip: so a fixed order would never show some of the colours.

    Args:
        key: of this image.
        image: (h, w, 3) in [0, 1], red, green, blue.
        strength: from 0, which changes nothing, to 1.

    Returns:
        (h, w, 3) in [0, 1].

    Raises:
        ValueError: for a strength out of range.

    Source: Howard, "Some Improvements on Deep Convolutional Neural Network Based Image Classification", ICLR 2014,
    arXiv 1312.5402, where the strength is 0.5.

    >>> image = jnp.full((2, 2, 3), 0.5)
    >>> jitter_colour(jax.random.key(0), image, strength=0.0)[0, 0]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: got {strength}; give a number from 0 to 1")
    order_key, factor_key = jax.random.split(key)
    order = jax.random.permutation(order_key, 3)
    factors = jax.random.uniform(factor_key, (3,), jnp.float32, minval=1 - strength, maxval=1 + strength)
    for place in range(3):
        own = grey(image)
        plain = jnp.select([order[place] == 0, order[place] == 1], [jnp.zeros_like(own), own.mean()], own)
        image = blend(plain, image, factors[place])
    return image


def grey(image: Float[Array, "h w 3"]) -> Float[Array, "h w 1"]:
    """Luma of red, green and blue, as ITU-R BT.601 weighs them."""
    return 0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:]


def blend(
    plain: Float[Array, "#h #w #k"], image: Float[Array, "h w k"], factor: Float[Array, ""]
) -> Float[Array, "h w k"]:
    """`plain` at factor 0, the image itself at 1 and more than that beyond, clipped to [0, 1]."""
    return jnp.clip((1 - factor) * plain + factor * image, 0, 1)
