"""The pointing game: does a map's maximum lie on the object?

Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, arXiv 1608.00507.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxcam.arrays import type_of_array

Count = type_of_array | np.integer | int


class PointingCounts(NamedTuple):
    """How many images were asked for and hit; two of them merge by `jax.tree.map(jnp.add, a, b)`.

    Attributes:
        boxed: images with a ground-truth box.
        hits: those of them whose point lies in one.
    """

    boxed: Count
    hits: Count


def highest_points(maps: Float[type_of_array, "... h w"]) -> Float[type_of_array, "... 2"]:
    """The centre of each map's highest pixel: of equals the first in raster order, the corner for a constant map.

    Args:
        maps: (..., h, w) raw maps.

    Returns:
        float32 (..., 2), x + .5 and y + .5 in the maps' pixels, to be scaled like corners of boxes. NaN for a map with
        a NaN.

    >>> highest_points(np.array([[0.0, 1.0, 7.0], [0.0, 7.0, 0.0]]))
    array([2.5, 0.5], dtype=float32)
    """
    xp = np if isinstance(maps, np.ndarray) else jnp
    height, width = maps.shape[-2:]
    flat = maps.reshape(*maps.shape[:-2], height * width)
    first = flat.argmax(axis=-1)
    points = xp.stack([first % width, first // width], axis=-1).astype(np.float32) + 0.5
    return xp.where(xp.isnan(flat).any(axis=-1, keepdims=True), np.float32(np.nan), points)


def pointed(
    points: Float[type_of_array, "b 2"],
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    *,
    tolerance: float | int = 0,
) -> Bool[type_of_array, "b"]:
    """Whether each point lies in one of its image's boxes, or no further from one than `tolerance`, in its pixels.

    The distance is that of the point to the nearest point of the box, 0 inside: from the centre of a pixel 15 columns
    beside the box it is 14.5. A NaN point misses.

    >>> boxes, yes = np.array([[[10, 10, 20, 20]]], np.float32), np.array([[True]])
    >>> [bool(pointed(np.array([[6.5, 5.5]], np.float32), boxes, yes, tolerance=far)[0]) for far in (0, 5, 6)]
    [False, False, True]
    """
    xp = np if all(isinstance(array, np.ndarray) for array in (points, targets, target_mask)) else jnp
    points = points[:, None]
    outside = xp.maximum(xp.maximum(targets[..., :2] - points, points - targets[..., 2:]), 0)
    return ((xp.sum(outside**2, axis=-1) <= tolerance**2) & target_mask).any(axis=-1)


def pointing_counts(
    points: Float[type_of_array, "b 2"],
    *,
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    mask: Bool[type_of_array, "b"],
    tolerance: float | int = 0,
) -> PointingCounts:
    """Count a batch; it runs inside jit on JAX arrays, and on NumPy arrays as it is.

    Args:
        points: (b, 2) from `highest_points`, x and y in the pixels of the boxes.
        targets: (b, m, 4) ground-truth boxes, half-open (x0, y0, x1, y1), padded.
        target_mask: (b, m) True where there is one; an image without any is not counted.
        mask: (b,) False where the row is padding and counts for nothing.
        tolerance: how far from a box a point may lie, in pixels; 15 in the original.

    Returns:
        PointingCounts of scalars.

    Raises:
        ValueError: for a negative tolerance.

    >>> yes, target = np.array([True]), np.array([[[2, 0, 4, 4]]], np.float32)
    >>> counts = pointing_counts(np.array([[2.5, 0.5]], np.float32), targets=target, target_mask=yes[None], mask=yes)
    >>> int(counts.boxed), int(counts.hits)
    (1, 1)
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance: got {tolerance}; give a distance in pixels, 0 or more")
    boxed = target_mask.any(axis=-1) & mask
    hits = pointed(points, targets, target_mask, tolerance=tolerance) & mask
    return PointingCounts(boxed=boxed.sum(), hits=hits.sum())


def pointing_accuracy(counts: PointingCounts) -> float:
    """Hits in percent of the images with a box. The original takes the mean over classes of each class's share.

    Raises:
        ValueError: if no image with a box was counted.

    >>> pointing_accuracy(PointingCounts(boxed=4, hits=3))
    75.0
    """
    if int(counts.boxed) == 0:
        raise ValueError("counts: got no image with a box; count at least one")
    return 100 * int(counts.hits) / int(counts.boxed)
