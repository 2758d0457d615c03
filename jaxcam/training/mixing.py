"""Images mixed in pairs, and their targets with them: MixUp and CutMix.

The rows of a batch come shuffled, so a row's neighbour is a random other image: row 2j is mixed with row 2j + 1, and
the other way round. Where devices share the rows, an even number each, both of a pair are on the same one.
"""

from collections.abc import Callable
from functools import partial
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped
from scipy.special import betaincinv

Mixed = tuple[Float[Array, "b h w k"], Float[Array, "b c"]]


def mixup(
    keys: Key[Array, "b"], images: Float[Array, "b h w k"], targets: Float[Array, "b c"], *, alpha: float
) -> Mixed:
    """Each image blended with its neighbour, and its target likewise.

    x_i' = l x_i + (1 - l) x_j, y_i' = l y_i + (1 - l) y_j, where l ~ Beta(alpha, alpha) is row i's own.

    Args:
        keys: one an image.
        images: (b, h, w, k), b even.
        targets: (b, c) shares of the classes.
        alpha: above 0; a small one mostly leaves one image or the other, 1 draws l uniformly.

    Returns:
        The images (b, h, w, k) and the targets (b, c).

    Raises:
        ValueError: for an odd number of rows, or alpha out of range.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    arXiv 1710.09412.

    >>> images = jnp.arange(2.0).reshape(2, 1, 1, 1)
    >>> mixed, targets = mixup(jax.random.split(jax.random.key(0), 2), images, jnp.eye(2), alpha=1.0)
    >>> bool((mixed[:, 0, 0, 0] == targets[:, 1]).all())
    True
    """
    _check_alpha("alpha", alpha)
    return _mix_pairs(partial(_mixup_shares, alpha=alpha), keys, images, targets)


def cutmix(
    keys: Key[Array, "b"], images: Float[Array, "b h w k"], targets: Float[Array, "b c"], *, alpha: float
) -> Mixed:
    """A rectangle of each image replaced by that of its neighbour, and its target by the share of pixels.

    With l ~ Beta(alpha, alpha) the rectangle is sqrt(1 - l) of the image's height and width, in whole pixels, about a
    uniformly random pixel and clipped to the image: y_i' = (1 - a) y_i + a y_j for the share a that it really covers.

    Args:
        keys: one an image.
        images: (b, h, w, k), b even.
        targets: (b, c) shares of the classes.
        alpha: above 0; the paper's is 1, which draws l uniformly.

    Returns:
        The images (b, h, w, k) and the targets (b, c).

    Raises:
        ValueError: for an odd number of rows, or alpha out of range.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
    ICCV 2019, arXiv 1905.04899.

    >>> images = jnp.tile(jnp.arange(2.0).reshape(2, 1, 1, 1), (1, 8, 8, 1))
    >>> mixed, targets = cutmix(jax.random.split(jax.random.key(0), 2), images, jnp.eye(2), alpha=1.0)
    >>> bool((mixed.mean((1, 2, 3)) == targets[:, 1]).all())
    True
    """
    _check_alpha("alpha", alpha)
    return _mix_pairs(partial(_cutmix_shares, alpha=alpha), keys, images, targets)


def mix(
    keys: Key[Array, "b"],
    images: Float[Array, "b h w k"],
    targets: Float[Array, "b c"],
    *,
    mixup_alpha: float,
    cutmix_alpha: float,
) -> Mixed:
    """`mixup`, `cutmix`, each row one of them at random, or neither.

    Args:
        keys: one an image.
        images: (b, h, w, k), b even unless nothing is mixed.
        targets: (b, c) shares of the classes.
        mixup_alpha: of `mixup`; 0 for none.
        cutmix_alpha: of `cutmix`; 0 for none.

    Returns:
        The images (b, h, w, k) and the targets (b, c).

    Raises:
        ValueError: for an odd number of rows, or an alpha below 0.

    >>> keys, images = jax.random.split(jax.random.key(0), 2), jnp.ones((2, 4, 4, 3))
    >>> _, targets = mix(keys, images, jnp.eye(2), mixup_alpha=0.2, cutmix_alpha=1.0)
    >>> jnp.allclose(targets.sum(1), 1)
    Array(True, dtype=bool)
    """
    if mixup_alpha == 0 and cutmix_alpha == 0:
        return images, targets
    if cutmix_alpha == 0:
        return mixup(keys, images, targets, alpha=mixup_alpha)
    if mixup_alpha == 0:
        return cutmix(keys, images, targets, alpha=cutmix_alpha)
    _check_alpha("mixup_alpha", mixup_alpha)
    _check_alpha("cutmix_alpha", cutmix_alpha)

    def either(key: Array, space: tuple[int, int]) -> Array:
        kind_key, key = jax.random.split(key)
        blended, cut = _mixup_shares(key, space, alpha=mixup_alpha), _cutmix_shares(key, space, alpha=cutmix_alpha)
        return jnp.where(jax.random.bernoulli(kind_key), blended, cut)

    return _mix_pairs(either, keys, images, targets)


def _mixup_shares(key: Array, space: tuple[int, int], *, alpha: float) -> Float[Array, "h w"]:
    """What is kept of each pixel: the same of all."""
    return jnp.full(space, _draw_beta(key, alpha))


def _cutmix_shares(key: Array, space: tuple[int, int], *, alpha: float) -> Float[Array, "h w"]:
    """What is kept of each pixel: all, or nothing in the rectangle."""
    share_key, place_key = jax.random.split(key)
    side = jnp.sqrt(1 - _draw_beta(share_key, alpha))
    lengths = (side * jnp.array(space, jnp.float32)).astype(jnp.int32)
    start = jax.random.randint(place_key, (2,), 0, jnp.array(space)) - lengths // 2
    rows, columns = (
        (start[axis] <= jnp.arange(length)) & (jnp.arange(length) < start[axis] + lengths[axis])
        for axis, length in enumerate(space)
    )
    return 1.0 - (rows[:, None] & columns[None, :]).astype(jnp.float32)


def _draw_beta(key: Array, alpha: float) -> Float[Array, ""]:
    """From Beta(alpha, alpha), by its quantiles between which it is taken to be uniform.

    JAX's own sampler rejects: it takes seconds to compile, and rows that are shared among devices wait for each other.
    """
    levels = np.linspace(0, 1, 4097)
    quantiles = jnp.asarray(betaincinv(alpha, alpha, levels), jnp.float32)
    return jnp.interp(jax.random.uniform(key, (), jnp.float32), jnp.asarray(levels, jnp.float32), quantiles)


def _mix_pairs(
    draw_shares: Callable[[Array, tuple[int, int]], Array],
    keys: Key[Array, "b"],
    images: Float[Array, "b h w k"],
    targets: Float[Array, "b c"],
) -> Mixed:
    if images.shape[0] % 2:
        raise ValueError(f"images: got {images.shape[0]} rows; rows are mixed in pairs, so give an even number")

    def mix_one(key: Array, image: Array, target: Array, other_image: Array, other_target: Array) -> tuple:
        height, width, _ = image.shape
        shares = draw_shares(key, (height, width))
        share = shares.mean().astype(target.dtype)
        shares = shares[..., None].astype(image.dtype)
        return shares * image + (1 - shares) * other_image, share * target + (1 - share) * other_target

    return jax.vmap(mix_one)(keys, images, targets, _neighbours(images), _neighbours(targets))


def _neighbours(rows: Shaped[Array, "b *rest"]) -> Shaped[Array, "b *rest"]:
    """Rows 1, 0, 3, 2, ..., which is no gather, so that devices that share the rows need not speak to each other."""
    pairs = rows.reshape(-1, 2, *rows.shape[1:])
    return pairs[:, ::-1].reshape(rows.shape)


def _check_alpha(name: str, alpha: float) -> None:
    if not 0 < alpha < inf:
        raise ValueError(f"{name}: got {alpha}; give a number above 0")
