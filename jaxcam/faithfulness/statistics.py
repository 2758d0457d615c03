"""How alike two maps are, and how concentrated one is: plain statistics, image by image."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxcam.faithfulness.shown import ImageMaps, scale

# Of Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
WINDOW, WINDOW_STD, LUMINANCE, CONTRAST = 11, 1.5, 0.01**2, 0.03**2


@jax.jit
def pearson(first: ImageMaps, second: ImageMaps) -> Float[Array, " b"]:
    """The correlation of two maps over their pixels; 0 if either is constant.

    >>> pearson(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[3.0, 2.0, 1.0]])).round(3)
    Array([-1.], dtype=float32)
    """
    first, second = (_centred(maps.reshape(len(maps), -1)) for maps in (first, second))
    return (first * second).sum(axis=1)


@jax.jit
def spearman(first: ImageMaps, second: ImageMaps) -> Float[Array, " b"]:
    """The correlation of two maps' ranks, equal pixels having the mean of theirs; 0 if either is constant.

    >>> spearman(jnp.array([[1.0, 2.0, 9.0]]), jnp.array([[0.0, 5.0, 5.0]])).round(2)
    Array([0.87], dtype=float32)
    """
    return pearson(*(jax.vmap(_ranks)(maps.reshape(len(maps), -1)) for maps in (first, second)))


@jax.jit
def structural_similarity(first: ImageMaps, second: ImageMaps) -> Float[Array, " b"]:
    """The SSIM of two maps, each scaled to [0, 1] by its least and largest value.

    Windows are Gaussians of 11 pixels and std 1.5 that lie inside the map, and variances those of a population, as
    scikit-image has it with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.

    Raises:
        ValueError: for maps of other than two dimensions, or of less than 11 pixels.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.

    >>> map = jnp.eye(16)[None]
    >>> structural_similarity(map, 2 * map + 1).round(3)
    Array([1.], dtype=float32)
    """
    if first.ndim != 3 or min(first.shape[1:]) < WINDOW:
        raise ValueError(f"maps: got shape {first.shape}; SSIM takes (b, h, w) of at least {WINDOW} pixels each way")
    a, b = scale(first, "minmax"), scale(second, "minmax")
    mean_a, mean_b = _windowed(a), _windowed(b)
    variances = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + LUMINANCE) * (2 * covariance + CONTRAST)
    return (above / ((mean_a**2 + mean_b**2 + LUMINANCE) * (variances + CONTRAST))).mean(axis=(1, 2))


@jax.jit
def gini(maps: ImageMaps) -> Float[Array, " b"]:
    """The Gini index of a map's absolute values: 0 if all are equal, 1 - 1 / n if one of n has all; NaN if all are 0.

    G = 1 - 2 sum over k of v_(k) / |v| (n - k + 1/2) / n, with v_(1) <= ... <= v_(n) and |v| their sum.

    >>> gini(jnp.array([[0.0, 0.0, -1.0, 0.0], [2.0, 2.0, 2.0, 2.0]]))
    Array([0.75, 0.  ], dtype=float32)
    """
    values = jnp.sort(jnp.abs(maps.reshape(len(maps), -1)), axis=1)
    n = values.shape[1]
    weights = jnp.asarray((n - np.arange(1, n + 1) + 0.5) / n, values.dtype)
    return 1 - 2 * (values / values.sum(axis=1, keepdims=True) * weights[None]).sum(axis=1)


def constant(maps: ImageMaps) -> Bool[Array, " b"]:
    """Which maps have one value everywhere.

    >>> constant(jnp.array([[1.0, 1.0], [1.0, 2.0]]))
    Array([ True, False], dtype=bool)
    """
    rows = maps.reshape(len(maps), -1)
    return (rows == rows[:, :1]).all(axis=1)


def _centred(rows: Float[Array, "b n"]) -> Float[Array, "b n"]:
    """Rows of mean 0 and norm 1; 0 for a constant one."""
    # The mean of equal values may be off by a rounding, which dividing by the norm would blow up.
    rows = jnp.where(constant(rows)[:, None], 0, rows - rows.mean(axis=1, keepdims=True))
    # The largest is taken out first, so that squares of small values do not become 0.
    largest = jnp.abs(rows).max(axis=1, keepdims=True)
    rows = rows / jnp.where(largest == 0, 1, largest)
    norms = jnp.sqrt((rows**2).sum(axis=1, keepdims=True))
    return rows / jnp.where(norms == 0, 1, norms)


def _ranks(row: Float[Array, " n"]) -> Float[Array, " n"]:
    """The place of each value among all, equal ones in the middle of theirs; NaN in a row with a NaN."""
    ordered = jnp.sort(row)
    below, upto = (jnp.searchsorted(ordered, row, side=side) for side in ("left", "right"))
    return jnp.where(jnp.isnan(row).any(), jnp.nan, (below + upto).astype(row.dtype) / 2)


def _windowed(maps: Float[Array, "b h w"]) -> Float[Array, "b y x"]:
    """Weighted means of all windows inside the maps."""
    weights = np.exp(-0.5 * (np.arange(WINDOW) - WINDOW // 2) ** 2 / WINDOW_STD**2)
    weights /= weights.sum()
    for axis in (1, 2):
        length = maps.shape[axis]
        rows = [np.eye(length - WINDOW + 1, length, k=k) * weight for k, weight in enumerate(weights)]
        matrix = jnp.asarray(sum(rows), maps.dtype)
        maps = jnp.moveaxis(jnp.tensordot(maps, matrix, axes=(axis, 1), precision="highest"), -1, axis)
    return maps
