"""The WSOL benchmark's boxes at all thresholds of a sweep at once, as its MaxBoxAcc and MaxBoxAccV2 ask for.

Source: Choe, Oh, Lee, Chun, Akata and Shim, "Evaluating Weakly Supervised Object Localization Methods Right", CVPR
2020, arXiv 2001.07437; MaxBoxAccV2 in its extension arXiv 2007.04178; and the evaluation code published with them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

THRESHOLDS = tuple(number / 1000 for number in range(1000))


class SweptBoxes(NamedTuple):
    """The boxes of one map at every threshold, half-open (x0, y0, x1, y1) in its pixels.

    A threshold cuts the 8-bit map at a level, and many thresholds cut it at the same.

    Attributes:
        largest: (t, 4) the box of the rule "wsol" at each threshold.
        levels: (t,) the number of the level of each threshold, from 0.
        contours: (n, 4) the boxes of all contours, those around holes too, of all levels.
        contour_levels: (n,) the number of the level of each of these. None is without one: where nothing is above a
            level, there is the one pixel (0, 0).
    """

    largest: Float[np.ndarray, "t 4"]
    levels: Int[np.ndarray, "t"]
    contours: Float[np.ndarray, "n 4"]
    contour_levels: Int[np.ndarray, "n"]


def sweep_boxes(
    grey_map: UInt8[np.ndarray, "h w"], *, thresholds: tuple[float, ...] | Float[np.ndarray, "t"] = THRESHOLDS
) -> SweptBoxes:
    """The boxes of the largest contour and of every contour of {M > floor(t max M)}, for every threshold t.

    Exactly OpenCV's, by walking each contour of each level once. The first call takes some seconds to compile.

    Args:
        grey_map: (h, w), as `grey_maps` of `jaxcam.box_rules.wsol` makes it, on the host.
        thresholds: from 0 to 1, in any order.

    Returns:
        SweptBoxes, in float64.

    Raises:
        ValueError: for a map without pixels, and for thresholds that are none or out of range.

    >>> grey_map = np.uint8([[0, 9, 0, 0, 0], [9, 9, 0, 0, 5]])
    >>> swept = sweep_boxes(grey_map, thresholds=(0.0, 0.1, 0.9))
    >>> swept.largest[2], swept.levels
    (array([0., 0., 3., 2.]), array([0, 0, 1]))
    >>> swept.contours[swept.contour_levels == 0]
    array([[0., 0., 3., 2.],
           [4., 1., 5., 2.]])
    """
    from jaxcam.box_rules._contours import walk_all  # slow to import

    shares = np.asarray(thresholds, np.float64)
    if not (shares.size and np.all((shares >= 0) & (shares <= 1))):
        got = f"{shares.min()} to {shares.max()}" if shares.size else "none"
        raise ValueError(f"thresholds: got {got}; give shares of the maximum, from 0 to 1")
    if grey_map.size == 0:
        raise ValueError(f"grey_map: got shape {grey_map.shape}; give (h, w) with at least one pixel")
    distinct, levels = np.unique((shares * grey_map.max()).astype(np.int64), return_inverse=True)
    # A pixel is above level number k where more than k levels are below it.
    below = np.searchsorted(distinct, np.arange(256)).astype(np.uint8)
    rows, largest = walk_all(np.pad(below[grey_map], 1))
    height, width = grey_map.shape
    # The benchmark's inclusive corners are a pixel too far away from the border, as in `wsol_boxes`.
    contours = np.minimum(rows[:, 1:] + np.array([0, 0, 2, 2]), [width, height, width, height])
    empty = np.flatnonzero(largest[: len(distinct)] < 0)
    contours = np.concatenate([contours, np.tile([0, 0, 1, 1], (len(empty), 1))]).astype(np.float64)
    largest[empty] = len(rows) + np.arange(len(empty))
    return SweptBoxes(contours[largest[levels]], levels, contours, np.concatenate([rows[:, 0], empty]))
