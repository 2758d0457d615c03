"""jaxcam.boxes against scikit-image and a plain flood, on hard masks too; every way to run it; mistakes."""

import hypothesis.extra.numpy as arrays
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcam.box_rules import BOX_RULES, _components, boxes
from tests.reference.boxes import paper_box, paper_boxes, plain_labels, scikit_image_labels

# Shapes with a connectivity, few since each compiles: a pixel, a column, a row, and widths about multiples of 32.
CASES = (((1, 1), 8), ((9, 1), 4), ((1, 32), 8), ((10, 31), 8), ((7, 6), 4), ((12, 64), 4))


def as_map(drawing):
    """A map (h, w) from rows of text: 1 for #, a half for +, 0 elsewhere."""
    return np.array([[{"#": 1.0, "+": 0.5}.get(sign, 0.0) for sign in row] for row in drawing.split()], np.float32)


def spiral(size):
    """A path one pixel wide, wound clockwise to the middle with one pixel between its turns."""
    mask = np.zeros((size, size), bool)
    place, step = np.array([0, 0]), np.array([0, 1])
    mask[0, 0] = True

    def free(spot):
        return (spot < 0).any() or (spot >= size).any() or not mask[tuple(spot)]

    for _ in range(2 * size * size):
        ahead = place + step
        if (ahead >= 0).all() and (ahead < size).all() and free(ahead) and free(ahead + step):
            place = ahead
            mask[tuple(place)] = True
        else:
            step = np.array([step[1], -step[0]])
    return mask


def hard_masks(size):
    """Masks with many runs a row, whose components are long, nested or many."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    wound = spiral(size)
    comb = (columns % 2 == 0) | (rows == size - 1)
    masks = [wound, wound.T, wound[::-1], comb, comb[::-1], comb.T, (rows + columns) % 2 == 0, rows % 2 == 0]
    masks += [np.maximum(abs(rows - size // 2), abs(columns - size // 2)) % 2 == 0, columns % 3 == 0]
    masks += [rng.random((size, size)) < share for share in (0.05, 0.35, 0.41, 0.5, 0.59, 0.65, 0.9)]
    cut = [wound & (rng.random((size, size)) < 0.99) for _ in range(5)]  # the larger part of a path cut in places
    return np.array(masks + cut, np.float32)


def with_runs(runs, width):
    """A mask whose rows have `runs` runs, the last of them the highest."""
    mask = np.zeros((4, width), np.float32)
    mask[:3, : 2 * runs : 2] = 1
    mask[3, 2 * runs - 2] = 1
    return mask


@st.composite
def made_maps(draw):
    """Rectangles and rings set and cleared one over the other, or noise, at a few levels; now and then a NaN."""
    (height, width), connectivity = draw(st.sampled_from(CASES))
    levels = np.array([-1.0, 0.0, 0.1, 0.2, 0.5, 1.0], np.float32)
    if draw(st.booleans()):
        elements = st.sampled_from(levels.tolist())
        return draw(arrays.arrays(np.float32, (height, width), elements=elements)), connectivity
    made = np.full((height, width), draw(st.sampled_from([-1.0, 0.0, 1.0])), np.float32)
    for _ in range(draw(st.integers(0, 8))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
        made[top:bottom, left:right] = draw(st.sampled_from(levels.tolist()))
        made[top + 1 : bottom - 1, left + 1 : right - 1] = draw(st.sampled_from(levels.tolist()))
    if draw(st.integers(0, 9)) == 0:
        made[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = np.nan
    return made, connectivity


@pytest.fixture
def branches_run(monkeypatch):
    """The capacity of each branch that runs, in order, for shapes that nothing else has compiled."""
    capacities = []
    plain = _components._boxes_of_runs

    def noted(edges, *, capacity, **options):
        jax.debug.callback(lambda: capacities.append(capacity))
        return plain(edges, capacity=capacity, **options)

    monkeypatch.setattr(_components, "_boxes_of_runs", noted)
    return capacities


@pytest.mark.core
@pytest.mark.parametrize(
    "drawing, connectivity, box",
    [
        ("....  .##.  .##.  ....", 8, (1, 1, 3, 3)),
        ("#...  .#..  ..#.  ##..", 8, (0, 0, 3, 4)),
        ("#...  .#..  ..#.  ##..", 4, (0, 3, 2, 4)),
        ("##..  ....  ..##", 8, (0, 0, 2, 1)),  # a tie: the first in raster order
        ("...#  #..#  #...", 8, (3, 0, 4, 2)),  # likewise: the first by its first pixel
        ("###.#  #.#.#  ###.#  ....#", 8, (0, 0, 3, 3)),  # a ring has its rim's pixels
        ("#.#.#.#.#  #.#.#.#.#  #########", 4, (0, 0, 9, 3)),
        ("+..#", 8, (0, 0, 1, 1)),
        ("#", 8, (0, 0, 1, 1)),
        ("..  ..", 8, (0, 0, 2, 2)),
        ("##  ##", 8, (0, 0, 2, 2)),
    ],
)
def test_drawn_maps(drawing, connectivity, box):
    np.testing.assert_array_equal(boxes(as_map(drawing), connectivity=connectivity), np.float32(box))


@pytest.mark.core
@settings(max_examples=150, deadline=None, derandomize=True)
@given(made_maps())
def test_made_maps_against_scikit_image(made_map):
    made, connectivity = made_map
    np.testing.assert_array_equal(boxes(made, connectivity=connectivity), paper_box(made, 0.2, connectivity))


@pytest.mark.parametrize("connectivity", [4, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("labels_of", [plain_labels, scikit_image_labels])
def test_hard_masks(connectivity, labels_of):
    masks = hard_masks(37)
    expected = paper_boxes(masks, connectivity=connectivity, labels_of=labels_of)
    np.testing.assert_array_equal(boxes(masks, connectivity=connectivity), expected)


ROOM = [(3, 6, 3), (4, 30, 15), (4, 31, 4), (5, 32, 16), (5, 63, 8), (9, 111, 14), (15, 112, 56)]
ROOM = [pytest.param(*case, marks=() if case[0] < 5 else pytest.mark.slow) for case in ROOM]


@pytest.mark.parametrize("runs, width, expected", ROOM)
def test_branch_has_room_for_all_runs(runs, width, expected, branches_run):
    masks = np.array([with_runs(1, width), with_runs(runs, width)])
    np.testing.assert_array_equal(boxes(masks), [[0, 0, 1, 4], [2 * runs - 2, 0, 2 * runs - 1, 4]])
    jax.effects_barrier()
    assert branches_run == [expected] * (2 if expected == (width + 1) // 2 else 1)  # the last goes mask by mask


def test_threshold_is_met_in_float32():
    share = np.float32(0.2)
    maps = np.array([[3, 0, share * np.float32(3)], [3, 0, np.nextafter(share * np.float32(3), np.float32(0))]])
    maps = np.concatenate([maps, maps], axis=1)[:, None].astype(np.float32)
    np.testing.assert_array_equal(boxes(maps), [[2, 0, 4, 1], [0, 0, 1, 1]])
    np.testing.assert_array_equal(boxes(maps, threshold=1), [[0, 0, 1, 1]] * 2)


def test_maps_without_a_box_and_with_inf():
    empty = np.zeros((3, 5), np.float32)
    broken, infinite, sunk = empty.copy(), empty.copy(), np.full_like(empty, -np.inf)
    broken[1, 2] = np.nan
    infinite[1, 2:4] = np.inf
    infinite[2, 0] = 1e30
    found = boxes(np.array([empty, empty - 1, broken, infinite, sunk, np.where(infinite > 1e30, np.inf, -np.inf)]))
    whole, nothing = [0, 0, 5, 3], [np.nan] * 4
    np.testing.assert_array_equal(found, np.float32([whole, whole, nothing, [2, 1, 4, 2], whole, [2, 1, 4, 2]]))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float64])
def test_other_floats(dtype):
    maps = hard_masks(9)  # one branch to compile
    found = boxes(maps.astype(dtype))
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, boxes(maps))


@pytest.fixture(scope="module")
def batch():
    """Maps (4, 3, 12, 15), a row of them noise, so that devices take different branches; and the boxes to be found."""
    rng = np.random.default_rng(1)
    maps = np.kron(rng.normal(size=(4, 3, 3, 5)), np.ones((4, 3))).astype(np.float32)
    maps[2] = rng.normal(size=(3, 12, 15))
    return maps, paper_boxes(maps)


def over_devices(maps, axis_type=AxisType.Auto):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
    return jax.device_put(maps, NamedSharding(mesh, PartitionSpec("batch")))


def shard_mapped(maps):
    maps, spec = over_devices(maps), PartitionSpec("batch")
    return jax.jit(jax.shard_map(boxes, mesh=maps.sharding.mesh, in_specs=spec, out_specs=spec))(maps)


WAYS = {
    "plain": boxes,
    "jit": jax.jit(boxes),
    "vmap": jax.vmap(boxes),
    "vmap-vmap": jax.jit(jax.vmap(jax.vmap(boxes))),
    "vmap-last": lambda maps: jnp.moveaxis(jax.vmap(boxes, 3, 1)(jnp.moveaxis(maps, 0, 3)), 1, 0),
    "pmap": jax.pmap(boxes),
    "map": lambda maps: jax.lax.map(boxes, maps),
    "sharded": lambda maps: jax.jit(boxes)(over_devices(maps)),
    "shard_map": shard_mapped,
}
MARKS = {"plain": pytest.mark.core, "vmap": pytest.mark.core, "jit": (), "pmap": ()}


@pytest.mark.parametrize("way", [pytest.param(way, marks=MARKS.get(way, pytest.mark.slow)) for way in WAYS])
def test_every_way_to_run_it(way, batch):
    maps, expected = batch
    np.testing.assert_array_equal(WAYS[way](maps), expected)


def test_no_leading_axes_and_empty_ones(batch):
    maps, expected = batch
    np.testing.assert_array_equal(boxes(maps[0, 0]), expected[0, 0])
    assert boxes(maps[:0]).shape == (0, 3, 4)
    assert boxes(maps[:, :0]).shape == (4, 0, 4)


@pytest.mark.core
def test_vmap_runs_one_branch_once(branches_run):
    maps = jnp.zeros((2, 3, 7, 34)).at[:, :, 2:4, 5:9].set(1.0)
    np.testing.assert_array_equal(jax.vmap(jax.vmap(boxes))(maps), jnp.full((2, 3, 4), jnp.array([5.0, 2, 9, 4])))
    jax.effects_barrier()
    assert branches_run == [min(_components.CAPACITIES)]


@pytest.mark.parametrize("share", [0.3, jnp.float32(0.3), np.float64(0.3), np.float32([0.3]), jnp.full((4, 1), 0.3)])
def test_threshold_of_any_kind(share, batch):
    maps, _ = batch
    np.testing.assert_array_equal(boxes(maps, threshold=share), paper_boxes(maps, 0.3))


def test_thresholds_along_an_axis_or_mapped(batch):
    maps, _ = batch
    shares = np.float32([0.1, 0.5, 0.9])
    expected = np.array([paper_boxes(maps[:, 0], share) for share in shares])
    np.testing.assert_array_equal(boxes(maps[:, 0], threshold=shares[:, None]), expected)
    mapped = jax.vmap(lambda share: boxes(maps[:, 0], threshold=share))(shares)
    np.testing.assert_array_equal(mapped, expected)


def test_thresholds_share_a_trace(monkeypatch):
    traces = []
    plain = _components.edges_of
    monkeypatch.setattr(_components, "edges_of", lambda masks: traces.append(masks.shape) or plain(masks))
    for share in (0.1, 0.2, np.float32(0.3), 1, jnp.float32(0.4)):
        boxes(np.ones((2, 5, 7), np.float32), threshold=share)
    sweep = jax.jit(lambda maps, shares: jax.lax.map(lambda share: boxes(maps, threshold=share), shares))
    for shares in ([0.1, 0.2], [0.3, 0.4]):
        sweep(np.ones((2, 5, 8), np.float32), np.float32(shares))
    assert traces == [(2, 5, 7), (2, 5, 8)]


@pytest.mark.slow
def test_gradient_is_zero(batch):
    maps = batch[0][..., :9]  # one branch to compile
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(boxes(x)) + jnp.sum(2 * x))(maps), np.full_like(maps, 2))
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(jax.vmap(boxes)(x)))(maps), np.zeros_like(maps))
    assert jax.grad(lambda share: jnp.sum(boxes(maps, threshold=share)))(0.3) == 0
    found, moved = jax.jvp(jax.jit(boxes), (maps,), (np.ones_like(maps),))
    np.testing.assert_array_equal(found, paper_boxes(maps))
    assert not moved.any()
    each = jax.vmap(jax.grad(lambda x: jnp.sum(boxes(x)) + jnp.sum(x)))(maps)
    np.testing.assert_array_equal(each, np.ones_like(maps))


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, np.nan])
def test_threshold_out_of_range(share):
    maps = np.ones((2, 3, 4), np.float32)
    for seen in (share, np.float32([[share]])):
        with pytest.raises(ValueError, match=r"threshold: got .*above 0 and at most 1"):
            boxes(maps, threshold=seen)
    assert np.isnan(boxes(maps, threshold=jnp.float32(share))).all()


@pytest.mark.parametrize(
    "maps, options, message",
    [
        (np.ones((3, 4), np.int32), {}, "maps: got int32; give floating-point"),
        (np.ones((3, 4), bool), {}, "maps: got bool; give floating-point"),
        (np.ones(4, np.float32), {}, r"maps: got shape \(4,\); give"),
        (np.ones((2, 0, 4), np.float32), {}, r"maps: got shape \(2, 0, 4\); give .* at least one pixel"),
        (np.ones((3, 4), np.float32), {"rule": "papers"}, "rule: got 'papers'; use one of paper"),
        (np.ones((3, 4), np.float32), {"connectivity": 6}, "connectivity: got 6; use 4 or 8"),
        (np.ones((2, 3, 4), np.float32), {"threshold": np.ones(3)}, r"threshold: got shape \(3,\) .* axes \(2,\)"),
    ],
)
def test_mistakes(maps, options, message):
    for run in (boxes, jax.jit(boxes, static_argnames=("rule", "connectivity"))):
        with pytest.raises(ValueError, match=message):
            run(maps, **options)


def test_rule_may_be_a_function():
    def corner(maps, *, threshold, connectivity):
        return jnp.array([0, 0, 1, connectivity], jnp.float32) + threshold

    np.testing.assert_array_equal(boxes(np.ones((3, 4), np.float32), rule=corner, threshold=1.0), [1, 1, 2, 9])
    maps = hard_masks(9)
    np.testing.assert_array_equal(boxes(maps, rule=BOX_RULES["paper"]), boxes(maps))
