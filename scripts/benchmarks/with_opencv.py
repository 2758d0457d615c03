"""Boxes by OpenCV and by scikit-image, a map at a time, as their users find them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from benchmarks.made_maps import OVERLAP, THRESHOLD, THRESHOLDS, made_maps, made_targets


def opencv_boxes(count: int, *, cells: int, threads: int) -> Callable[[], np.ndarray]:
    """Boxes of the largest components of maps, over `threads` threads."""
    maps = made_maps(count, cells=cells)
    cv2.setNumThreads(1)
    run = over_threads(threads)
    return lambda: np.stack(list(run(opencv_box, maps)))


def over_threads(threads: int) -> Callable[..., Iterable[Any]]:
    """The built-in `map`, or one over a pool of threads."""
    return map if threads == 1 else ThreadPoolExecutor(threads).map


def opencv_box(values: np.ndarray) -> np.ndarray:
    """The box (x0, y0, x1, y1) of the largest component of what reaches the threshold; the whole map without any."""
    highest = values.max()
    if highest <= 0:
        return np.array([0, 0, *values.shape[::-1]])
    mask = (values >= np.float32(THRESHOLD) * highest).astype(np.uint8)
    statistics = cv2.connectedComponentsWithStats(mask, connectivity=8)[2]
    x, y, width, height, _ = statistics[1 + statistics[1:, cv2.CC_STAT_AREA].argmax()]
    return np.array([x, y, x + width, y + height])


def scikit_image_boxes(count: int, *, cells: int, threads: int) -> Callable[[], np.ndarray]:
    """The same by labels and the properties of their regions."""
    maps, run = made_maps(count, cells=cells), over_threads(threads)
    return lambda: np.stack(list(run(scikit_image_box, maps)))


def scikit_image_box(values: np.ndarray) -> np.ndarray:
    from skimage.measure import label, regionprops

    regions = regionprops(label(values >= np.float32(THRESHOLD) * values.max(), connectivity=2))
    y0, x0, y1, x1 = max(regions, key=lambda region: region.area).bbox
    return np.array([x0, y0, x1, y1])


def opencv_sweep(count: int, *, cells: int, threads: int) -> Callable[[], np.ndarray]:
    """The WSOL benchmark's share of maps whose largest contour has a fitting box, at each of a thousand thresholds."""
    maps, targets = made_maps(count, cells=cells), made_targets(count)
    cv2.setNumThreads(1)
    run = over_threads(threads)
    return lambda: np.mean(list(run(right_at_each, maps, targets)), axis=0)


def right_at_each(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether the box at each threshold fits a true box."""
    values = values.astype(np.float64)
    grey = ((values - values.min()) / (values.max() - values.min()) * 255).astype(np.uint8)
    boxes = np.array([contour_box(grey, threshold) for threshold in THRESHOLDS])
    return overlaps(boxes, targets).max(axis=1) >= OVERLAP


def contour_box(grey: np.ndarray, threshold: float) -> tuple[int, int, int, int]:
    """The benchmark's box of the largest contour, half-open."""
    mask = cv2.threshold(grey, int(threshold * grey.max()), 255, cv2.THRESH_BINARY)[1]
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not contours:
        return 0, 0, 1, 1
    x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    return x, y, min(x + width, grey.shape[1] - 1) + 1, min(y + height, grey.shape[0] - 1) + 1


def overlaps(boxes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """IoU (n, m) of half-open boxes (n, 4) and true boxes (m, 4)."""
    low, high = np.maximum(boxes[:, None, :2], targets[:, :2]), np.minimum(boxes[:, None, 2:], targets[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas, true_areas = ((corners[:, 2:] - corners[:, :2]).prod(axis=1) for corners in (boxes, targets))
    return shared / (areas[:, None] + true_areas - shared)
