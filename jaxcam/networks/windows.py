"""The cells that moving windows see, a slice for each place in the window."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def cells_by_place(
    x: Array | np.ndarray, axis: int, *, window: int, stride: int, before: int, count: int, fill: float
) -> list[Array]:
    """For each place in the windows along one axis, the cells that they have there.

    The padding is that of slices, which XLA fuses with what is done to them: x is not copied for it.

    Args:
        x: an array.
        axis: along which the windows move.
        window: its places.
        stride: from one window to the next.
        before: places of the first window in front of x.
        count: windows.
        fill: what stands outside of x.

    Returns:
        `window` arrays like x, `count` long along the axis.

    >>> cells_by_place(jnp.arange(1, 6), 0, window=3, stride=2, before=1, count=3, fill=0.0)
    [Array([0, 2, 4], dtype=int32), Array([1, 3, 5], dtype=int32), Array([2, 4, 0], dtype=int32)]
    """
    return [_cells(x, axis, place - before, stride, count, fill) for place in range(window)]


def _cells(x, axis, start, stride, count, fill):
    """x[start], x[start + stride], ... along an axis, where it may start and end outside of x."""
    first = min(max(0, -(start // stride)), count)
    last = max(min(count, -(-(x.shape[axis] - start) // stride)), first)
    begin, end = (start + first * stride, start + (last - 1) * stride + 1) if last > first else (0, 0)
    inside = jax.lax.slice_in_dim(x, begin, end, stride, axis)
    padding = [(first, count - last, 0) if i == axis % x.ndim else (0, 0, 0) for i in range(x.ndim)]
    return jax.lax.pad(inside, jnp.asarray(fill, x.dtype), padding)
