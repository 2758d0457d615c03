"""What is timed of jaxcam where maps are there already: their boxes, and a sweep over thresholds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from benchmarks.made_maps import OVERLAP, THRESHOLD, THRESHOLDS, made_maps, made_targets

import jaxcam
from jaxcam.box_rules.wsol import grey_maps
from jaxcam.box_rules.wsol_sweep import sweep_boxes
from jaxcam.metrics import max_box_counts
from jaxcam.metrics.max_box_accuracy import OVERLAPS


def largest_boxes(count: int, *, cells: int) -> Callable[[], np.ndarray]:
    """Boxes of maps that are on the device already."""
    maps = jax.device_put(made_maps(count, cells=cells))
    return lambda: np.asarray(jaxcam.boxes(maps, threshold=THRESHOLD))


def swept_accuracy(count: int, *, cells: int, threads: int) -> Callable[[], np.ndarray]:
    """The share of maps whose largest contour has a fitting box at each threshold, as `jaxcam.evaluate` takes it."""
    maps, targets = jax.device_put(made_maps(count, cells=cells)), made_targets(count)
    pool = ThreadPoolExecutor(threads)

    def right_at_each(grey: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        counts = max_box_counts(*sweep_boxes(grey, thresholds=THRESHOLDS), targets=boxes)
        return np.asarray(counts.largest)[OVERLAPS.index(OVERLAP)]

    def run() -> np.ndarray:
        return np.mean(list(pool.map(right_at_each, np.asarray(grey_maps(maps)), targets)), axis=0)

    return run
