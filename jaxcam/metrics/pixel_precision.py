"""PxAP: how well the scores of single pixels tell the object from the rest, over all thresholds and images at once.

Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, arXiv 2001.07437, and the
evaluator that comes with it (clovaai/wsolevaluation).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from jaxcam.arrays import type_of_array

# Half-open bins that start at each threshold; the last one holds a score of exactly 1, which a map's maximum has.
BINS = np.append(np.arange(1000) * 0.001, 1.0)
LIMB = 4096


class PixelCounts(NamedTuple):
    """Histograms of scores; two of them merge by `jax.tree.map(jnp.add, a, b)`.

    A data set has more pixels than int32 counts to, and devices have no int64 by default. So a count n is kept as
    n % 4096 and n // 4096: the sum over 500,000 batches still fits, and up to 8e12 pixels, without a carry.

    Attributes:
        foreground: (1001, 2) pixels of the object with scores in [0, .001), [.001, .002) ... [.999, 1) and 1.
        background: (1001, 2) likewise of the other pixels.
    """

    foreground: Int[type_of_array, "bins limbs"]
    background: Int[type_of_array, "bins limbs"]


def pixel_counts(
    maps: Float[type_of_array, "b h w"],
    truth: Integer[type_of_array, "b h w"],
    *,
    mask: Bool[type_of_array, "b"],
) -> PixelCounts:
    """Count a batch: each map scaled by (M - min M) / (max M - min M), its pixels sorted into bins by score.

    It runs inside jit on JAX arrays, and on NumPy arrays as it is. In float64 the bins are those of the benchmark to
    the pixel; in float32 a score within rounding of a threshold may fall on its other side.

    Args:
        maps: (b, h, w) raw maps. A constant one, or one with a NaN or an infinity, scores 0 everywhere.
        truth: (b, h, w) 1 on the object, 0 beside it; pixels of any other value, 255 by convention, are left out.
        mask: (b,) False where the row is padding and counts for nothing.

    Returns:
        PixelCounts.

    Raises:
        ValueError: for a batch of 2^31 pixels or more.

    >>> maps = np.array([[[0.0, 2.0], [3.0, 4.0]]])
    >>> counts = pixel_counts(maps, np.array([[[0, 1], [255, 1]]]), mask=np.array([True]))
    >>> counts.foreground[:, 0].nonzero()[0], counts.background[:, 0].nonzero()[0]
    (array([ 500, 1000]), array([0]))
    """
    if maps.size >= 2**31:
        raise ValueError(f"maps: got {maps.shape}, more pixels than int32 counts to; give smaller batches")
    xp = np if isinstance(maps, np.ndarray) and isinstance(truth, np.ndarray) else jnp
    classes = xp.where(mask[:, None, None] & ((truth == 0) | (truth == 1)), truth, 2)
    numbers = _bins(xp, maps) + len(BINS) * classes.astype(np.int32)
    total = 3 * len(BINS)
    counts = xp.bincount(numbers.reshape(-1), **({"minlength": total} if xp is np else {"length": total}))
    limbs = xp.stack([counts % LIMB, counts // LIMB], axis=-1)
    return PixelCounts(foreground=limbs[len(BINS) : 2 * len(BINS)], background=limbs[: len(BINS)])


def _bins(xp, maps):
    """Number of the bin of each pixel's score."""
    maps = xp.asarray(maps, np.float64 if maps.dtype == np.float64 else np.float32)
    maps = xp.where(xp.isfinite(maps).all(axis=(1, 2), keepdims=True), maps, 0)
    lowest, highest = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    varies = highest > lowest
    scores = (maps - lowest) / xp.where(varies, highest - lowest, 1)
    # A compiler may divide by multiplying with a reciprocal, and then the maximum is not quite 1.
    scores = xp.where(varies & (maps == highest), 1, scores)
    # The bin by rounding down is at most one away from the one whose edges hold the score.
    edges = xp.asarray(BINS, maps.dtype)
    guess = (scores * 1000).astype(np.int32)
    guess = guess - (edges[guess] > scores).astype(np.int32)
    above = xp.minimum(guess + 1, 1000)
    return xp.where(edges[above] <= scores, above, guess)


def pixel_average_precision(counts: PixelCounts) -> float:
    """PxAP in percent: sum over thresholds, from 1 down to 0, of precision times the recall that each one adds.

    Precision and recall at threshold t are those of the pixels with scores >= t, over all images together.

    Args:
        counts: the sum over a data set.

    Returns:
        In [0, 100]: 100 where every object pixel scores higher than every other, and about the share of object pixels
        for scores that say nothing.

    Raises:
        ValueError: if no pixel of an object was counted, or a count has overflowed.

    >>> limbs = np.zeros((1001, 2), int)
    >>> foreground, background = limbs.copy(), limbs.copy()
    >>> foreground[[1000, 200], 0], background[700, 0] = 1, 1  # two object pixels, and one between them that is not
    >>> round(pixel_average_precision(PixelCounts(foreground, background)), 3)
    83.333
    """
    foreground, background = (whole_counts(limbs)[::-1].cumsum() for limbs in counts)
    if foreground[-1] == 0:
        raise ValueError("counts: got no pixel of an object; give images with masks")
    precision = foreground / np.maximum(foreground + background, 1)
    recall = foreground / foreground[-1]
    return float(100 * (precision * np.diff(recall, prepend=0)).sum())


def whole_counts(limbs: Int[type_of_array, "bins limbs"]) -> Int[np.ndarray, "bins"]:
    """The counts themselves, in int64."""
    limbs = np.asarray(limbs, np.int64)
    if (limbs < 0).any():
        raise ValueError("counts: got more batches or pixels than fit; merge at most 500,000 batches")
    return limbs[:, 0] + LIMB * limbs[:, 1]
