"""What a network sees best is hidden from it in training, so that it finds the rest of the object as well."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxcam.methods.scaling import normalize


def hide_and_seek(
    key: Key[Array, ""],
    image: Float[Array, "h w k"],
    *,
    probability: float,
    grids: Sequence[int] = (0, 16, 32, 44, 56),
) -> Float[Array, "h w k"]:
    """Patches of an image hidden at random, on a grid that is itself drawn at random.

    A hidden pixel becomes 0, which is the training set's mean if the pixels are normalized, as they must be here: with
    another value the network would see other statistics in training than afterwards.

    Args:
        key: of this image.
        image: (h, w, k), normalized: minus the training set's mean.
        probability: of each patch to be hidden, from 0 to 1; the paper's is 0.5.
        grids: sides of the patches in pixels, one of which is drawn; 0 hides nothing. Patches at the right and lower
            edges are cut off where the side does not divide the image's. The default is the paper's for 224 pixels.

    Returns:
        (h, w, k).

    Raises:
        ValueError: for a probability out of range, or sides below 0, or none.

    Source: Kumar Singh and Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and
    Action Localization", ICCV 2017, arXiv 1704.04232.

    >>> hide_and_seek(jax.random.key(2), jnp.ones((4, 4, 1)), probability=0.5, grids=(2,))[..., 0]
    Array([[1., 1., 1., 1.],
           [1., 1., 1., 1.],
           [0., 0., 1., 1.],
           [0., 0., 1., 1.]], dtype=float32)
    """
    _check_share("probability", probability)
    if not grids or min(grids) < 0:
        raise ValueError(f"grids: got {tuple(grids)}; give sides in pixels, or 0 to hide nothing")
    grid_key, hide_key = jax.random.split(key)
    height, width, _ = image.shape
    smallest = min((side for side in grids if side), default=max(height, width))
    hidden = jax.random.bernoulli(hide_key, probability, (-(-height // smallest), -(-width // smallest)))
    drawn = jax.random.choice(grid_key, jnp.array(grids))
    side = jnp.maximum(drawn, 1)
    # A larger side uses fewer of the patches drawn; one of 0 uses none, and may index as it likes.
    hidden = hidden[jnp.arange(height) // side][:, jnp.arange(width) // side] & (drawn > 0)
    return jnp.where(hidden[..., None], jnp.zeros_like(image), image)


def attention_dropout(
    key: Key[Array, ""], features: Float[Array, "y x k"], *, drop_rate: float, threshold: float
) -> Float[Array, "y x k"]:
    """Features without their strongest cells, or else all of them weighed by their strength (ADL).

    With the attention A = mean_k f_k, features are multiplied by the drop mask [A <= threshold max A] with the
    probability `drop_rate`, otherwise by the importance map sigmoid(A).

    Args:
        key: of this image and layer.
        features: (y, x, k), not negative, as after a ReLU.
        drop_rate: from 0 to 1; the paper's is 0.75.
        threshold: share of the largest attention above which a cell is dropped, from 0 to 1.

    Returns:
        (y, x, k).

    Raises:
        ValueError: for a rate or a threshold out of range.

    Source: Choe and Shim, "Attention-based Dropout Layer for Weakly Supervised Object Localization", CVPR 2019,
    arXiv 1908.10028.

    >>> features = jnp.array([1.0, 2.0, 4.0]).reshape(1, 3, 1)
    >>> attention_dropout(jax.random.key(0), features, drop_rate=1.0, threshold=0.8).ravel()
    Array([1., 2., 0.], dtype=float32)
    """
    _check_share("drop_rate", drop_rate)
    _check_share("threshold", threshold)
    attention = features.mean(-1, keepdims=True)
    kept = (attention <= threshold * attention.max()).astype(features.dtype)
    return features * jnp.where(jax.random.bernoulli(key, drop_rate), kept, jax.nn.sigmoid(attention))


def erase_seen(
    features: Float[Array, "b y x k"], maps: Float[Array, "b y x"], *, threshold: float
) -> Float[Array, "b y x k"]:
    """Features without the cells where a first classifier saw the class, for a second one to find others (ACoL).

    f'(y, x) = f(y, x) [M(y, x) < threshold], with the map M scaled to [0, 1].

    Args:
        features: (b, y, x, k).
        maps: (b, y, x) raw maps of the true classes; each is scaled by its own minimum and maximum. One that is
            constant saw nothing, and erases nothing. The erased region is a constant: no gradient goes through it.
        threshold: above 0 and at most 1.

    Returns:
        (b, y, x, k).

    Raises:
        ValueError: for a threshold out of range.

    Source: Zhang et al., "Adversarial Complementary Learning for Weakly Supervised Object Localization", CVPR 2018,
    arXiv 1804.06962.

    >>> features, maps = jnp.ones((1, 1, 3, 1)), jnp.array([[[-2.0, 0.0, 2.0]]])
    >>> erase_seen(features, maps, threshold=0.6).ravel()
    Array([1., 1., 0.], dtype=float32)
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: got {threshold}; give a number above 0, at most 1")
    seen = normalize(maps, method="minmax") >= threshold
    return jnp.where(seen[..., None], jnp.zeros_like(features), features)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: got {value}; give a number from 0 to 1")
