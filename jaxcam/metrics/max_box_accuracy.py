"""MaxBoxAcc and MaxBoxAccV2 of the WSOL benchmark: localization at the threshold that suits the evaluated set best.

An upper bound, since that threshold is chosen on the very images it is used for: report it beside a fixed one's.

Source: Choe, Oh, Lee, Chun, Akata and Shim, "Evaluating Weakly Supervised Object Localization Methods Right", CVPR
2020, arXiv 2001.07437; MaxBoxAccV2 in its extension arXiv 2007.04178.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxcam.arrays import type_of_array
from jaxcam.geometry import iou

OVERLAPS = (0.3, 0.5, 0.7)  # the IoU d that a box must have at least
FRAME = (224, 224)  # what the benchmark squashes every image to, in pixels


class MaxBoxCounts(NamedTuple):
    """How many images had a right box at each d of `OVERLAPS` and threshold; merge by `jax.tree.map(np.add, a, b)`.

    Attributes:
        images: images with a ground-truth box.
        largest: (d, t) those of them for which the box of the largest contour is right.
        contours: (d, t) those for which the box of any contour is.
    """

    images: type_of_array | np.integer | int
    largest: Int[type_of_array, "d t"]
    contours: Int[type_of_array, "d t"]


class BestAccuracy(NamedTuple):
    """An accuracy, and the threshold that it is reached at: one, or one for each d of `OVERLAPS`."""

    percent: float
    thresholds: tuple[float, ...]


def max_box_counts(
    largest: Float[np.ndarray, "t 4"],
    levels: Int[np.ndarray, "t"],
    contours: Float[np.ndarray, "n 4"],
    contour_levels: Int[np.ndarray, "n"],
    *,
    targets: Float[np.ndarray, "m 4"],
) -> MaxBoxCounts:
    """Count one image: a box is right if its IoU with any ground-truth box is d or more.

    All boxes are half-open (x0, y0, x1, y1) in the same pixels; the first four arguments are those of
    `jaxcam.box_rules.wsol_sweep.SweptBoxes`.

    Args:
        largest: (t, 4) the one box at each threshold.
        levels: (t,) which level each threshold cuts the map at, from 0.
        contours: (n, 4) the boxes of the contours at all levels.
        contour_levels: (n,) the level of each.
        targets: (m, 4) ground-truth boxes, as `benchmark_targets` gives them; an image without any counts for nothing.

    Returns:
        MaxBoxCounts.

    >>> full, half = np.array([[0.0, 0, 8, 8]]), np.array([[0.0, 0, 8, 4]])
    >>> counts = max_box_counts(half, np.array([0]), full, np.array([0]), targets=full)
    >>> counts.largest.tolist(), counts.contours.tolist()
    ([[1], [1], [0]], [[1], [1], [1]])
    """
    best = np.zeros(1 + max(levels.max(initial=0), contour_levels.max(initial=0)))
    np.maximum.at(best, contour_levels, _best_overlaps(contours, targets))
    least = np.array(OVERLAPS)[:, None]
    return MaxBoxCounts(
        images=int(len(targets) > 0),
        largest=(_best_overlaps(largest, targets)[None] >= least).astype(np.int64),
        contours=(best[levels][None] >= least).astype(np.int64),
    )


def benchmark_targets(
    boxes: Float[np.ndarray, "m 4"], size: tuple[int, int], *, frame: tuple[int, int] = FRAME
) -> Float[np.ndarray, "m 4"]:
    """Carry ground-truth boxes from an image file to the frame that the benchmark compares them in.

    As there, the corners are scaled as inclusive pixels and then truncated: x0' = floor(x0 W' / W) and
    x1' = floor((x1 - 1) W' / W) + 1 for half-open boxes, likewise for y. An enlarged box so loses most of
    its last pixel; none becomes empty, and a corner outside the image stays outside.

    Args:
        boxes: (m, 4) half-open (x0, y0, x1, y1) in pixels of the file.
        size: (height, width) of the file, in pixels.
        frame: (height, width) of the maps.

    Returns:
        float64 (m, 4), half-open, in pixels of the frame.

    Raises:
        ValueError: for a size or a frame below 1.

    >>> benchmark_targets(np.array([[10.0, 20.0, 100.0, 50.0]]), (50, 100))
    array([[ 22.,  89., 222., 220.]])
    """
    if min(*size, *frame) < 1:
        raise ValueError(f"size: got {size} and frame {frame}; give heights and widths of at least 1")
    one = np.array([0.0, 0.0, 1.0, 1.0])  # between a half-open and an inclusive corner
    # Multiplied before it is divided: only so is a quotient that is whole not truncated to the number below.
    lengths, sides = (np.array([width, height, width, height], np.float64) for height, width in (size, frame))
    return np.trunc((boxes.astype(np.float64) - one) * sides / lengths) + one


def _best_overlaps(boxes, targets):
    """The IoU of each box with the target it fits best, 0 without any."""
    # In float64, where a quotient of whole numbers that should be .3 or .7 is.
    boxes, targets = boxes.astype(np.float64), targets.astype(np.float64)
    return iou(boxes[:, None], targets[None]).max(axis=1, initial=0.0)


def max_box_acc(counts: MaxBoxCounts, thresholds: Sequence[float], *, least: float = 0.5) -> BestAccuracy:
    """MaxBoxAcc(d) = max over thresholds of the share of images whose largest contour's box has an IoU of d or more.

    Args:
        counts: the sum over the images.
        thresholds: (t,) those of the sweep.
        least: d, one of `OVERLAPS`.

    Returns:
        BestAccuracy, with the first of equally good thresholds.

    Raises:
        ValueError: if no image was counted, or for another d or number of thresholds.

    >>> counts = MaxBoxCounts(4, np.array([[4, 4], [1, 3], [0, 0]]), np.array([[4, 4], [1, 3], [2, 1]]))
    >>> max_box_acc(counts, (0.0, 0.5))
    BestAccuracy(percent=75.0, thresholds=(0.5,))
    """
    if least not in OVERLAPS:
        raise ValueError(f"least: got {least}; the counts are of {', '.join(map(str, OVERLAPS))}")
    return _best(counts.images, counts.largest[OVERLAPS.index(least)], thresholds)


def max_box_acc_v2(counts: MaxBoxCounts, thresholds: Sequence[float]) -> BestAccuracy:
    """MaxBoxAccV2 = mean over d of the best share of images for which any contour's box has an IoU of d or more.

    Args:
        counts: the sum over the images.
        thresholds: (t,) those of the sweep.

    Returns:
        BestAccuracy, with a threshold for each d.

    Raises:
        ValueError: if no image was counted, or for another number of thresholds.

    >>> counts = MaxBoxCounts(4, np.array([[4, 4], [1, 3], [0, 0]]), np.array([[4, 4], [1, 3], [2, 1]]))
    >>> max_box_acc_v2(counts, (0.0, 0.5))
    BestAccuracy(percent=75.0, thresholds=(0.0, 0.5, 0.0))
    """
    best = [_best(counts.images, right, thresholds) for right in counts.contours]
    return BestAccuracy(float(np.mean([each.percent for each in best])), sum((each.thresholds for each in best), ()))


def _best(images, right, thresholds):
    if images == 0:
        raise ValueError("counts: got no image with a ground-truth box; count at least one")
    if len(right) != len(thresholds):
        raise ValueError(f"thresholds: got {len(thresholds)} for counts at {len(right)}; give those of the sweep")
    place = int(np.argmax(right))
    return BestAccuracy(100 * int(right[place]) / int(images), (float(thresholds[place]),))
