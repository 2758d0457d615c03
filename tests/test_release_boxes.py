"""The released box generator against a plain restatement and OpenCV's contours; its quirks by hand; ways to run it."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy import ndimage

from jaxcam.box_rules import boxes
from jaxcam.box_rules.release import boxes_on_host, contour_rectangles, five_box_guesses, release_boxes
from tests.reference import release
from tests.reference.release import opencv_contours, plain_contours


def smooth_map(rng, shape, cells):
    """Noise of a network's grid of cells, upsampled as its class activation map would be; at times mostly negative."""
    noise = rng.normal(rng.choice([-1.0, 0.0, 1.0]), 1, (cells, cells))
    rows, columns = (np.linspace(0, cells - 1, size) for size in shape)
    return ndimage.map_coordinates(noise, np.meshgrid(rows, columns, indexing="ij"), order=1).astype(np.float32)


def steps_map(rng, shape):
    """Rectangles one over the other, at levels about the thresholds, so that many areas are equal."""
    values = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 7)):
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        bottom, right = top + rng.integers(1, shape[0]), left + rng.integers(1, shape[1])
        values[top:bottom, left:right] = rng.choice([0, 0.05, 20 / 255, 0.3, 100 / 255, 0.42, 0.45, 1])
    return values


def noisy_mask(rng):
    shape, blur = rng.integers(1, 30, 2), rng.choice([0, 0.7, 1.5])
    return ndimage.gaussian_filter(rng.normal(size=shape), blur) > rng.choice([-0.2, 0.0, 0.1])


@pytest.mark.parametrize("contours_of", [plain_contours, opencv_contours])
def test_contours_and_their_order(contours_of):
    """The order too, which is that of OpenCV's RETR_CCOMP."""
    rng = np.random.default_rng(0)
    for _ in range(60 if contours_of is plain_contours else 1500):
        mask = noisy_mask(rng)
        assert contour_rectangles(mask) == contours_of(mask)


def test_contours_of_nested_rings():
    """Each ring an outer contour and a hole; what is diagonal to a hole does not open it, and a border closes none."""
    drawing = "#######.  #.....#.  #.###.#.  #.#.#.##  #.###.#.  #.....#.  #######.  .......#  ##.....#"
    mask = np.array([[sign == "#" for sign in row] for row in drawing.split()])
    outer, hole = (0, 0, 8, 9), (0, 0, 7, 7)
    assert contour_rectangles(mask) == [(0, 8, 2, 1), (2, 2, 3, 3), (2, 2, 3, 3), outer, hole]
    assert opencv_contours(mask) == contour_rectangles(mask)
    assert contour_rectangles(np.ones((3, 4), bool)) == [(0, 0, 4, 3)]


@pytest.mark.core
@pytest.mark.parametrize("contours_of", [plain_contours, pytest.param(opencv_contours, marks=pytest.mark.slow)])
def test_maps_against_the_plain_restatement(contours_of):
    rng = np.random.default_rng(1)
    for index in range(30 if contours_of is plain_contours else 150):
        shape = tuple(rng.integers(6, 25 if contours_of is plain_contours else 45, 2))
        cells = int(rng.integers(2, 6))
        noise = rng.normal(size=shape).astype(np.float32)
        values = (smooth_map(rng, shape, cells), steps_map(rng, shape), noise)[index % 3]
        expected = release.release_boxes(values, contours_of=contours_of)
        np.testing.assert_array_equal(release_boxes(values), expected)
        expected = release.release_boxes(values, inclusive_corners=True, contours_of=contours_of)
        found = release_boxes(values, inclusive_corners=True)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_maps_of_the_size_of_photos():
    rng = np.random.default_rng(2)
    for cells in (7, 11, 13, 14):
        for shape in ((224, 224), (256, 256), (150, 210)):
            values = smooth_map(rng, shape, cells)
            np.testing.assert_array_equal(release_boxes(values), release.release_boxes(values))


def block(shape, *blocks):
    """A map of rectangles ((left, top, right, bottom), value), later ones over earlier ones."""
    values = np.zeros(shape, np.float32)
    for (left, top, right, bottom), value in blocks:
        values[top:bottom, left:right] = value
    return values


@pytest.mark.core
@pytest.mark.parametrize(
    "values, loose, tight",
    [
        # One block at all levels: the second is deleted, the third not examined, and so stays.
        (block((30, 40), ((5, 6, 20, 15), 1)), (5, 6, 20, 15), (5, 6, 20, 15)),
        # A small one within a large one that is above level 20 alone.
        (block((30, 40), ((5, 6, 30, 25), 0.2), ((10, 10, 20, 15), 1)), (5, 6, 30, 25), (10, 10, 20, 15)),
        # Half of the larger area is shared and no more: kept. One column more: deleted, and the third taken instead.
        (
            block((30, 40), ((4, 4, 24, 14), 0.2), ((4, 4, 14, 14), 0.42), ((5, 5, 7, 7), 1)),
            (4, 4, 24, 14),
            (4, 4, 14, 14),
        ),
        (
            block((30, 40), ((4, 4, 24, 14), 0.2), ((4, 4, 15, 14), 0.42), ((5, 5, 7, 7), 1)),
            (4, 4, 24, 14),
            (5, 5, 7, 7),
        ),
        # A ring at all levels: three times its outline, three times its hole's.
        (block((30, 40), ((5, 5, 25, 25), 1), ((7, 7, 23, 23), 0)), (5, 5, 25, 25), (5, 5, 25, 25)),
        # All of the map: clipped to five pixels from the right and lower border.
        (np.ones((30, 40), np.float32), (0, 0, 35, 25), (0, 0, 35, 25)),
        # In the margin on the right, w = 40 - 37 - 5 < 0 from x = 35: the corners swap.
        (block((30, 40), ((37, 5, 39, 9), 1)), (33, 5, 35, 9), (33, 5, 35, 9)),
        # Just before it w = 0; in the lower right corner both are negative, and their product is an area again.
        (block((30, 40), ((35, 5, 36, 9), 1)), (35, 5, 35, 9), (35, 5, 35, 9)),
        (block((30, 40), ((37, 27, 39, 29), 1)), (33, 23, 35, 25), (33, 23, 35, 25)),
        # Equal areas: the later component in raster order is found first.
        (block((30, 40), ((3, 3, 8, 8), 1), ((20, 10, 25, 15), 1)), (20, 10, 25, 15), (3, 3, 8, 8)),
    ],
)
def test_by_hand(values, loose, tight):
    np.testing.assert_array_equal(release_boxes(values), np.float32([loose, tight]))
    np.testing.assert_array_equal(release.release_boxes(values), np.float32([loose, tight]))
    wider = np.float32([0, 0, 1, 1])
    np.testing.assert_array_equal(release_boxes(values, inclusive_corners=True), np.float32([loose, tight]) + wider)


@pytest.mark.parametrize(
    "grey, loose, tight",
    [
        (20.49, (12, 9, 18, 15), (12, 9, 18, 15)),
        (20.5, (4, 4, 30, 20), (12, 9, 18, 15)),
        (100.49, (4, 4, 30, 20), (12, 9, 18, 15)),
        (100.5, (4, 4, 30, 20), (12, 9, 18, 15)),  # twice: the second is deleted, and the third not examined
        (110.5, (4, 4, 30, 20), (4, 4, 30, 20)),  # thrice: so the third is the same again
    ],
)
def test_levels_are_exceeded_in_rounded_8_bits(grey, loose, tight):
    values = block((30, 40), ((4, 4, 30, 20), grey / 255), ((12, 9, 18, 15), 1))
    np.testing.assert_array_equal(release_boxes(values), np.float32([loose, tight]))


def test_distances_are_rounded_half_up():
    """Column x of a strip is x from its only empty one: of 170, 7 is 10.5 of 255, which rounds to 11."""
    strip = np.ones((8, 171), np.float32)
    strip[:, 0] = 0
    np.testing.assert_array_equal(release_boxes(strip), np.float32([[7, 0, 166, 3]] * 2))


@pytest.mark.parametrize("side, box", [(47, (3, 5, 57, 52)), (49, (11, 6, 58, 53))])
def test_distances_are_scaled_by_the_largest(side, box):
    """Pixels one from the outside go where the largest distance is 25: 255 / 24 rounds to 11, 255 / 25 to 10."""
    values = block((70, 80), ((10, 5, 10 + side, 5 + side), 1), ((3, 5, 10, 6), 1))
    np.testing.assert_array_equal(release_boxes(values), np.float32([box, box]))


def test_maps_without_a_box_and_with_inf():
    empty = np.zeros((8, 9), np.float32)
    broken, infinite = empty.copy(), empty.copy()
    broken[1, 2] = np.nan
    infinite[1:3, 1:4] = np.inf
    infinite[5, 1:3] = 1e30, -np.inf
    tiny = np.where(infinite > 0, np.float32(1e-45), np.float32(-3e38))
    found = release_boxes(np.array([empty, empty - 1, broken, infinite, tiny, empty - np.inf]))
    whole, nothing = [[0, 0, 9, 8]] * 2, [[np.nan] * 4] * 2
    first, second = [[1, 1, 4, 3]] * 2, np.asarray(release_boxes((tiny > 0).astype(np.float32)))
    np.testing.assert_array_equal(found, np.float32([whole, whole, nothing, first, second, whole]))
    np.testing.assert_array_equal(release_boxes(empty, inclusive_corners=True), np.float32(whole))
    # As `--box-grid image` has them of files of a few pixels.
    for side in (1, 5):
        np.testing.assert_array_equal(boxes_on_host(np.ones((side, 9))), [[0, 0, 9, side]] * 2)


@pytest.fixture(scope="module")
def batch():
    """Maps (4, 3, 20, 30), of values that float16 holds too."""
    rng = np.random.default_rng(3)
    maps = np.array([smooth_map(rng, (20, 30), 4) for _ in range(12)]).reshape(4, 3, 20, 30)
    maps = maps.astype(np.float16).astype(np.float32)
    return maps, np.array([[release.release_boxes(one) for one in row] for row in maps])


def find(maps):
    return boxes(maps, rule="release")


def sharded(maps):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    return jax.jit(find)(jax.device_put(maps, NamedSharding(mesh, PartitionSpec("batch"))))


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(find, marks=pytest.mark.core),
        lambda maps: find(jnp.asarray(maps)),
        pytest.param(jax.jit(find), marks=pytest.mark.core),
        jax.vmap(find),
        jax.jit(jax.vmap(jax.vmap(find))),
        lambda maps: jnp.moveaxis(jax.vmap(find, in_axes=3, out_axes=1)(jnp.moveaxis(maps, 0, 3)), 1, 0),
        jax.pmap(find),
        lambda maps: jax.lax.map(find, maps),
        lambda maps: find(maps.astype(np.float16)),
        lambda maps: find(maps.astype(np.float64)),
        sharded,
    ],
    ids=["NumPy", "device", "jit", "vmap", "vmap-vmap", "vmap-last", "pmap", "map", "float16", "float64", "sharded"],
)
def test_every_way_to_run_it(run, batch):
    maps, expected = batch
    found = run(maps)
    assert isinstance(found, jax.Array)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, expected)


def test_empty_batches_and_gradients(batch):
    maps, expected = batch
    for run in (find, jax.jit(find)):
        assert run(maps[:0]).shape == (0, 3, 2, 4)
        np.testing.assert_array_equal(run(maps[1, 2]), expected[1, 2])
    gradient = jax.grad(lambda maps: jnp.sum(find(maps)) + jnp.sum(2 * maps))(maps)
    np.testing.assert_array_equal(gradient, np.full_like(maps, 2))


def test_large_maps_inside_a_compiled_function():
    """What a callback gets is large enough here that JAX must not wait for itself to copy it."""
    maps = np.zeros((64, 5, 100, 100), np.float32)
    maps[..., 20:40, 30:60] = 1
    found = jax.jit(lambda maps: find(2 * maps))(maps)
    np.testing.assert_array_equal(found, np.broadcast_to(np.float32([30, 20, 60, 40]), found.shape))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no choice of cores on this system")
def test_large_maps_on_one_core():
    # There a program and its callback have one thread for all that they wait for.
    program = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, numpy as np
from jaxcam.box_rules import boxes
find = jax.jit(lambda maps: boxes(2 * maps, rule="release"))
for seed in range(3):
    print(np.asarray(find(np.random.default_rng(seed).uniform(size=(4, 160, 200)).astype(np.float32))).shape)
"""
    alone = {**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=4", "device_count=1")}
    options = {"env": alone, "capture_output": True, "text": True, "timeout": 200}
    assert subprocess.run([sys.executable, "-c", program], check=True, **options).stdout == "(4, 2, 4)\n" * 3


@pytest.mark.parametrize(
    "shape, options, message",
    [
        ((2, 5, 9), {}, r"maps: got shape \(2, 5, 9\); the rule release .* at least 6 x 6 pixels"),
        ((9, 5), {}, r"maps: got shape \(9, 5\)"),
        ((9, 9), {"threshold": 0.2}, "threshold, connectivity: got .* and 8; the rule release has three levels"),
        ((9, 9), {"connectivity": 4}, "threshold, connectivity: got None and 4; the rule release"),
    ],
)
def test_mistakes(shape, options, message):
    for run in (boxes, jax.jit(boxes, static_argnames=("rule", "connectivity"))):
        with pytest.raises(ValueError, match=message):
            run(np.ones(shape, np.float32), rule="release", **options)


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_five_box_guesses(convert):
    guesses, found = np.arange(8).reshape(2, 4), np.arange(64, dtype=np.float32).reshape(2, 4, 2, 4)
    for run in (five_box_guesses, jax.jit(five_box_guesses)):
        labels, spent = run(convert(guesses), convert(found))
        for image in range(2):
            loose, tight = found[image, :, 0], found[image, :, 1]
            np.testing.assert_array_equal(labels[image], guesses[image][[0, 0, 1, 1, 2]])
            np.testing.assert_array_equal(spent[image], [loose[0], tight[0], loose[1], tight[1], loose[2]])
    with pytest.raises(ValueError, match="labels: got 2 classes an image; give at least 3"):
        five_box_guesses(guesses[:, :2], found[:, :2])
