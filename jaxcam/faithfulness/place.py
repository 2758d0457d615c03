"""Whether maps lie on the object: the pointing game, and IoU with boxes and masks."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from jaxcam.arrays import type_of_array
from jaxcam.box_rules import boxes
from jaxcam.faithfulness.record import Record, Sums, sums
from jaxcam.faithfulness.shown import MapsLike, MaskLike, scale
from jaxcam.geometry import iou
from jaxcam.metrics import highest_points, pointed


def box_measures(
    maps: MapsLike,
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    *,
    mask: MaskLike = None,
    tolerance: float | int = 0,
    threshold: float = 0.2,
    rule: str = "paper",
) -> Record:
    """The pointing game, and the IoU of the box around the map with the best of the image's boxes.

    Args:
        maps: (b, h, w) raw maps.
        targets: (b, m, 4) half-open (x0, y0, x1, y1) in the maps' pixels, padded.
        target_mask: (b, m) True where there is one; an image without any is not counted.
        mask: (b,) False where the row counts for nothing.
        tolerance: how far from a box the highest point may lie, in pixels; see `jaxcam.metrics.pointing_counts`.
        threshold: of the box rule, a share of the map's maximum.
        rule: of `jaxcam.boxes`, one that gives one box a map.

    Returns:
        `Sums` of "pointing_game" and "box_iou", as shares.

    >>> box = jnp.array([[[0.0, 0.0, 2.0, 1.0]]])
    >>> record = box_measures(jnp.array([[[1.0, 0.0], [0.0, 0.0]]]), box, jnp.array([[True]]))
    >>> float(record["pointing_game"].total), float(record["box_iou"].total)
    (1.0, 0.5)
    """
    maps, targets, target_mask = (jnp.asarray(array) for array in (maps, targets, target_mask))
    mask = np.ones(len(maps), bool) if mask is None else mask
    return _box_measures(maps, targets, target_mask, mask, tolerance, threshold, rule)


def mask_iou(
    maps: MapsLike,
    truth: Integer[type_of_array, "b h w"],
    *,
    mask: MaskLike = None,
    threshold: float = 0.2,
    scaling: str = "max",
) -> Record:
    """The IoU of the map's pixels from the threshold on with the object's.

    IoU = |S and T| / |S or T| over pixels that are not ignored, with S = {p: M(p) >= threshold} of the scaled map M.

    Args:
        maps: (b, h, w) raw maps.
        truth: (b, h, w) 1 on the object, 0 beside it; pixels of any other value, 255 by convention, are left out. An
            image without any pixel of an object is not counted.
        mask: (b,) False where the row counts for nothing.
        threshold: in (0, 1].
        scaling: "max", or "minmax", as for `jaxcam.normalize`.

    Returns:
        `Sums` of "mask_iou".

    >>> record = mask_iou(jnp.array([[[1.0, 0.5, 0.0, 0.0]]]), jnp.array([[[1, 0, 1, 255]]]))
    >>> round(float(record["mask_iou"].total), 3)
    0.333
    """
    if maps.shape != truth.shape:
        raise ValueError(f"truth: got shape {truth.shape} for maps {maps.shape}; give masks of the maps' size")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: got {threshold}; give a share of the maximum above 0 and at most 1")
    mask = np.ones(len(maps), bool) if mask is None else mask
    return {"mask_iou": _mask_iou(jnp.asarray(maps, jnp.float32), jnp.asarray(truth), mask, threshold, scaling)}


@partial(jax.jit, static_argnums=(3, 4))
def _mask_iou(maps: Array, truth: Array, mask: Array, threshold: float, scaling: str) -> Sums:
    scaled = scale(maps, scaling)
    known, on, axes = (truth == 0) | (truth == 1), truth == 1, (1, 2)
    shown = (scaled >= threshold) & known
    both = (shown & on).sum(axis=axes, dtype=jnp.float32)
    either = (shown | on).sum(axis=axes, dtype=jnp.float32)
    # A map with a NaN shows nothing, and is seen.
    shares = jnp.where(jnp.isnan(scaled).any(axis=axes), jnp.nan, both / jnp.maximum(either, 1))
    return sums(shares, on.any(axis=axes) & mask)


@partial(jax.jit, static_argnums=(4, 5, 6))
def _box_measures(
    maps: Array, targets: Array, target_mask: Array, mask: Array, tolerance: float | int, threshold: float, rule: str
) -> Record:
    points: Any = highest_points(maps)
    # A map with a NaN points nowhere, and its box, of NaN, has an IoU of 0: let both be seen.
    hits: Any = pointed(points, targets, target_mask, tolerance=tolerance)
    hits = jnp.where(jnp.isnan(points).any(axis=1), jnp.nan, hits.astype(jnp.float32))
    found = boxes(maps, rule=rule, threshold=threshold)
    best = jnp.where(target_mask, iou(found[:, None], targets), 0).max(axis=1)
    best = jnp.where(jnp.isnan(found).any(axis=1), jnp.nan, best)
    return {
        "pointing_game": sums(hits, target_mask.any(axis=1) & mask),
        "box_iou": sums(best, target_mask.any(axis=1) & mask),
    }
