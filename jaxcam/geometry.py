"""Resizing as constant matrices, and the one box convention: half-open (x0, y0, x1, y1) in pixels."""

from collections.abc import Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxcam.arrays import Boxes, type_of_array

# The cubic parameter a of each two-sided kernel: OpenCV's and torch's cubic is -.75, Catmull-Rom's and MATLAB's -.5.
CUBIC = {"bicubic": -0.75, "catmull_rom": -0.5}
METHODS = ("bilinear", *CUBIC)


@lru_cache(maxsize=256)
def resize_matrix(
    source: int, target: int, method: str = "bilinear", antialias: bool = False
) -> Float[np.ndarray, "target source"]:
    """The matrix that resizes `source` samples to `target`, with half-pixel centres and edges clamped.

    Resizing is linear, so an image is resized by one such matrix along each axis: rows @ image @ columns.T.

    Args:
        source: number of samples given.
        target: number of samples wanted.
        method: "bilinear", "bicubic" (a = -0.75, as OpenCV and torch) or "catmull_rom" (a = -0.5).
        antialias: widen the kernel by source / target when shrinking, and renormalise it at the edges (as Pillow).

    Returns:
        float32 (target, source), read-only; each row sums to 1.

    Raises:
        ValueError: for a size below 1 or an unknown method.

    >>> resize_matrix(2, 4)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]], dtype=float32)
    """
    if source < 1 or target < 1:
        raise ValueError(f"size: got {source} -> {target}; give sizes of at least 1")
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}; use one of {', '.join(METHODS)}")
    stretch = max(source / target, 1.0) if antialias else 1.0
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    reach = int(np.ceil(stretch * (1 if method == "bilinear" else 2)))
    taps = np.floor(centres).astype(int)[:, None] + np.arange(1 - reach, reach + 1)
    weights = _kernel((taps - centres[:, None]) / stretch, method)
    if antialias:
        weights = weights * ((taps >= 0) & (taps < source))
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target)[:, None], np.clip(taps, 0, source - 1)), weights)
    matrix = matrix.astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _kernel(distance, method):
    x = np.abs(distance)
    if method == "bilinear":
        return np.maximum(1 - x, 0)
    a = CUBIC[method]
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def resize(
    array: Shaped[Array, "..."],
    size: Sequence[int],
    *,
    axis: int,
    method: str = "bilinear",
    antialias: bool = False,
) -> Shaped[Array, "..."]:
    """Resize consecutive axes, the first of them `axis`, to `size`.

    Args:
        array: floating-point array of any rank.
        size: the new length of each of those axes, in samples.
        axis: the first axis to resize, not negative.
        method: as for `resize_matrix`.
        antialias: as for `resize_matrix`.

    Returns:
        The array with those axes resized, of the same dtype.

    >>> resize(jnp.array([[0.0, 1.0]]), (4,), axis=1)
    Array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """
    for position, target in enumerate(size, start=axis):
        source = array.shape[position]
        if source == target:
            continue
        matrix = jnp.asarray(resize_matrix(source, target, method, antialias), array.dtype)
        resized = jnp.tensordot(array, matrix, axes=(position, 1), precision=jax.lax.Precision.HIGHEST)
        array = jnp.moveaxis(resized, -1, position)
    return array


def iou(a: Float[type_of_array, "... 4"], b: Float[type_of_array, "... 4"]) -> Float[type_of_array, "..."]:
    """Intersection over union of boxes, pair by pair (leading axes broadcast).

    IoU = |a and b| / |a or b|, 0 where the boxes are disjoint or both empty. NumPy in, NumPy out; else a JAX array.

    Args:
        a: (..., 4) half-open (x0, y0, x1, y1) in pixels.
        b: (..., 4), likewise.

    Returns:
        (...) in [0, 1].

    >>> float(iou(np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])))
    0.3333333333333333
    """
    xp = np if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else jnp
    a, b = xp.broadcast_arrays(a, b)
    low = xp.maximum(a[..., :2], b[..., :2])
    high = xp.minimum(a[..., 2:], b[..., 2:])
    overlap = xp.prod(xp.maximum(high - low, 0), axis=-1)
    union = box_area(a) + box_area(b) - overlap
    return xp.where(union > 0, overlap / xp.where(union > 0, union, 1), 0)


def box_area(boxes: Boxes) -> Float[type_of_array, "..."] | np.floating:
    """Area in square pixels of (..., 4) half-open boxes, 0 for an empty one.

    >>> float(box_area(np.array([0.0, 0, 4, 3])))
    12.0
    """
    return (boxes[..., 2] - boxes[..., 0]).clip(0) * (boxes[..., 3] - boxes[..., 1]).clip(0)


def scale_boxes(boxes: Boxes, source: tuple[int, int], target: tuple[int, int]) -> Boxes:
    """Carry boxes from a picture of (height, width) `source` to the same picture at `target`, without rounding.

    >>> scale_boxes(np.array([0.0, 0, 4, 4]), (8, 8), (16, 32))
    array([ 0.,  0., 16.,  8.])
    """
    y, x = target[0] / source[0], target[1] / source[1]
    return boxes * np.array([x, y, x, y], boxes.dtype).reshape((1,) * (boxes.ndim - 1) + (4,))
