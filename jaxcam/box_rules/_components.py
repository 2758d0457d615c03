"""The box of a mask's largest connected component: exact whatever the mask, batched, on the device.

A row is cut into its runs of set pixels. Of two runs that touch in neighbouring rows, the one that starts later has the
other as the first that it touches there. So two edges a run, to the first it touches above and the first it touches
below, join all that is connected. The edges up make a forest, whose roots pointer jumping finds in log2(h) steps; the
edges down then unite its trees, the root that is later in raster order always under the earlier one.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int

# Runs a row for which there is room, tried in this order before the most that a row can have. A map of c cells that
# was upsampled linearly has at most c / 2, rounded up: 4 for 7 cells, 8 for 16, 14 for 28.
CAPACITIES = (4, 8, 14)
UNROLLED = 8  # up to here the search for runs is compiled as one step, which is faster than a loop

IN_BOUNDS = "promise_in_bounds"  # every index here is the number of a run


def largest_box(masks: Bool[Array, "... h w"], *, reach: int) -> Int[Array, "... 4"]:
    """The half-open box (x0, y0, x1, y1) of each mask's largest component, (w, h, 0, 0) for an empty mask.

    Largest by pixel count; of equals, the one whose first pixel comes first in raster order. `reach` is 1 where
    diagonal neighbours are connected, else 0.
    """
    return over_masks(masks, partial(_boxes_of_runs, reach=reach))


def over_masks(masks: Bool[Array, "... h w"], boxes_of_edges: Callable[..., Int[Array, "n 4"]]) -> Int[Array, "... 4"]:
    """`boxes_of_edges(edges, width=..., capacity=...)` of all masks at once, by the branch with room for their runs."""
    height, width = masks.shape[-2:]

    # A user's vmap adds a leading axis and no more: `switch` would run all branches if its index were mapped.
    @custom_vmap
    def batched(masks):
        flat = masks.reshape(math.prod(masks.shape[:-2]), height, width)
        return _by_capacity(flat, boxes_of_edges).reshape(*masks.shape[:-2], 4)

    @batched.def_vmap
    def _(axis_size, in_batched, masks):
        return batched(masks), True

    return batched(masks)


def _by_capacity(masks, boxes_of_edges):
    """The boxes of masks (n, h, w), by the branch that has room for the row with the most runs among them."""
    width = masks.shape[2]
    edges = edges_of(masks)
    most = jnp.max(jnp.sum(lax.population_count(edges), axis=1, dtype=jnp.int32), initial=0) // 2
    full = (width + 1) // 2
    # To compile one more is worth it only where it saves much.
    capacities = [capacity for capacity in CAPACITIES if 4 * capacity <= full]
    branches = [partial(boxes_of_edges, width=width, capacity=capacity) for capacity in capacities]
    any_mask = partial(boxes_of_edges, width=width, capacity=full)
    # One mask after another, or the room for all the runs there could be would be 80 bytes a pixel, used or not.
    branches.append(partial(lax.map, lambda edges: any_mask(edges[None])[0]))
    return lax.switch(jnp.sum(most > jnp.array(capacities, jnp.int32), dtype=jnp.int32), branches, edges)


def edges_of(masks):
    """Where runs start and stop, as bits: pixel x of a row is bit x % 32 of its word x // 32. (n, words, h)."""
    n, height, width = masks.shape
    words = width // 32 + 1  # room for the stop of a run that ends with the row
    # The barriers here and below keep XLA from computing a thing anew for each of its uses.
    octets = lax.optimization_barrier(jnp.packbits(masks, axis=2, bitorder="little"))
    octets = jnp.pad(octets, ((0, 0), (0, 0), (0, 4 * words - octets.shape[2])))
    octets = octets.reshape(n, height, words, 4).astype(jnp.uint32)
    # Not by bitcast_convert_type, whose shape XLA cannot refine in programs exported for any batch size.
    rows = octets[..., 0] | octets[..., 1] << 8 | octets[..., 2] << 16 | octets[..., 3] << 24
    carried = jnp.pad(rows >> 31, ((0, 0), (0, 0), (1, 0)))[..., :-1]
    return jnp.moveaxis(rows ^ (rows << 1 | carried), 2, 1)


def _boxes_of_runs(edges, *, width, capacity, reach):
    """The boxes of masks whose rows have no more runs than `capacity`."""
    starts, stops, roots = label_runs(edges, width, capacity, reach)
    totals = sum_by_root(roots, (stops - starts).reshape(roots.shape))
    largest = jnp.argmax(totals, axis=1, keepdims=True)
    return box_around(starts, stops, roots == largest, width)


def label_runs(edges, width, capacity, reach):
    """Starts and stops of the runs, (n, h, capacity), width + 1 where there is none, and roots, (n, h * capacity).

    A root is the number of the first run, in raster order, that a run is connected with: its own where there is none.
    """
    starts, stops = _runs(edges, width, capacity)
    above, below = (_first_touched(starts, stops, width, reach, step) for step in (-1, 1))
    return starts, stops, _roots(above, below, doublings=(starts.shape[1] - 1).bit_length())


def sum_by_root(roots, areas):
    """The total of the areas (n, runs) under each root, at the root's place."""
    return jax.vmap(lambda x, root, area: x.at[root].add(area, mode=IN_BOUNDS))(jnp.zeros_like(areas), roots, areas)


def box_around(starts, stops, chosen, width):
    """The box (n, 4) around the runs that are chosen, (n, h * capacity), (w, h, 0, 0) around none."""
    n, height, _ = starts.shape
    inside = chosen.reshape(starts.shape) & (starts < width)
    left = jnp.min(jnp.where(inside, starts, width), axis=2)
    right = jnp.max(jnp.where(inside, stops, 0), axis=2)
    rows = lax.broadcasted_iota(jnp.int32, (n, height), 1)
    top = jnp.min(jnp.where(right > 0, rows, height), axis=1)
    bottom = jnp.max(jnp.where(right > 0, rows + 1, 0), axis=1)
    return jnp.stack([jnp.min(left, axis=1), top, jnp.max(right, axis=1), bottom], axis=1)


def _runs(edges, width, capacity):
    """Starts and stops of the first runs of each row, (n, h, capacity); width + 1 where there is none."""
    offsets = 32 * lax.broadcasted_iota(jnp.int32, edges.shape, 1)

    def next_edge(edges, _):
        lowest = edges & (~edges + 1)
        positions = jnp.where(edges > 0, offsets + 31 - lax.clz(lowest).astype(jnp.int32), width + 1)
        first = jnp.min(positions, axis=1, keepdims=True)
        return jnp.where(positions == first, edges & (edges - 1), edges), first[:, 0]

    unroll = 2 * capacity if capacity <= UNROLLED else 1
    positions = lax.scan(next_edge, edges, length=2 * capacity, unroll=unroll)[1]
    positions = jnp.moveaxis(positions, 0, -1)
    return lax.optimization_barrier((positions[..., ::2], positions[..., 1::2]))


def _first_touched(starts, stops, width, reach, step):
    """Number of the first run that each run touches in the row above (step -1) or below (1), its own where none."""
    n, height, capacity = starts.shape
    margins = ((0, 0), (max(-step, 0), max(step, 0)), (0, 0))
    crop = slice(max(step, 0), height + max(step, 0))
    other_starts, other_stops = (jnp.pad(x, margins, constant_values=width + 1)[:, crop] for x in (starts, stops))
    first = _count_up_to(starts - reach, other_stops)
    touches = (first < _count_up_to(stops + reach - 1, other_starts)) & (starts < width)
    rows, slots = (lax.broadcasted_iota(jnp.int32, starts.shape, axis) for axis in (1, 2))
    touched = jnp.where(touches, (rows + step) * capacity + first, rows * capacity + slots)
    return touched.reshape(n, height * capacity)


def _count_up_to(bounds, positions):
    """How many of a row's sorted positions are at most each bound."""
    capacity = positions.shape[2]
    if capacity <= max(CAPACITIES):  # comparing with all of a few is faster
        return sum((positions[..., slot, None] <= bounds).astype(jnp.int32) for slot in range(capacity))
    return jax.vmap(jax.vmap(partial(jnp.searchsorted, side="right")))(positions, bounds)


def _roots(above, below, doublings):
    """The first run of each run's component in raster order, given the edges up (a forest) and the edges down."""
    roots = above
    for _ in range(doublings):
        roots = lax.optimization_barrier(_take(roots, roots))
    ends = roots, _take(roots, below)

    def differ(state):
        _, (a, b) = state
        return jnp.any(a != b)

    def unite(state):
        trees, (a, b) = state
        hook = jax.vmap(lambda trees, higher, lower: trees.at[higher].min(lower, mode=IN_BOUNDS))
        trees = hook(trees, jnp.maximum(a, b), jnp.minimum(a, b))
        trees = lax.optimization_barrier(_take(trees, trees))
        return trees, (_take(trees, ends[0]), _take(trees, ends[1]))

    # A tree's label only sinks, and within its component: it is the first run's once all edges have equal labels.
    _, (labels, _) = lax.while_loop(differ, unite, (roots, ends))
    return labels


def _take(values, indices):
    return jnp.take_along_axis(values, indices, axis=1, mode=IN_BOUNDS)
