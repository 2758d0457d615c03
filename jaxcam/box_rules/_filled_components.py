"""The box of a mask's largest component by the area of its outer contour, as OpenCV measures it: holes filled.

The contour joins the centres of pixels. Its area is the number of 2 x 2 windows that the filled component covers, and
half the number of those that it covers but for one pixel.

Only a component that lies in no other's hole can be the largest. Those, filled, are what is left of the plane when the
background that touches the mask's border is taken away.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from jaxcam.box_rules._components import box_around, edges_of, label_runs, over_masks, sum_by_root


def largest_filled_box(masks: Bool[Array, "... h w"]) -> Int[Array, "... 4"]:
    """The half-open box (x0, y0, x1, y1) of each mask's 8-connected component of the largest contour area.

    Of equals, the one whose first pixel comes last in raster order. Of no meaning for an empty mask.
    """
    frame = [(0, 0)] * (masks.ndim - 2) + [(1, 1), (1, 1)]
    return over_masks(~jnp.pad(masks, frame), _boxes_in_backgrounds) - 1


def _boxes_in_backgrounds(edges, *, width, capacity):
    """The boxes of masks with a frame, of whose complements these are the edges."""
    starts, stops, roots = label_runs(edges, width, capacity, reach=0)
    outside = (roots == 0).reshape(starts.shape)  # connected with the frame, whose run is the first
    filled = lax.optimization_barrier(~_paint(starts, stops, outside, width))
    starts, stops, roots = label_runs(edges_of(filled), width, capacity, reach=1)
    totals = sum_by_root(roots, _window_sums(filled, starts, stops).reshape(roots.shape))
    numbers = lax.broadcasted_iota(jnp.int32, roots.shape, 1)
    totals = jnp.where((roots == numbers) & (starts < width).reshape(roots.shape), totals, -1)
    last = roots.shape[1] - 1 - jnp.argmax(totals[:, ::-1], axis=1, keepdims=True).astype(jnp.int32)
    return box_around(starts, stops, roots == last, width)


def _paint(starts, stops, chosen, width):
    """The mask (n, h, w) of the runs that are chosen."""
    columns = jnp.arange(width, dtype=jnp.int32)[None, None, None]
    covered = (starts[..., None] <= columns) & (columns < stops[..., None])
    return jnp.any(covered & chosen[..., None], axis=2)


def _window_sums(filled, starts, stops):
    """Twice the contour area in the windows whose lower pixels meet a run, whose component has all their pixels."""
    pixels = filled.astype(jnp.int32)
    covered = pixels[:, 1:, 1:] + pixels[:, :-1, 1:] + pixels[:, 1:, :-1] + pixels[:, :-1, :-1]
    # Window (y, x) has pixel (y, x) at its lower right, and sums are over the windows before x.
    sums = jnp.pad(jnp.cumsum(jnp.maximum(covered - 2, 0), axis=2), ((0, 0), (1, 0), (2, 0)))
    first, end = (jnp.take_along_axis(sums, x, axis=2, mode="clip") for x in (starts, stops + 1))
    return end - first
