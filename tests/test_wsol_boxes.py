"""Rule "wsol" and the sweep over thresholds against OpenCV: noise, cams, binary masks, holes, ties, borders."""

from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.box_rules import boxes
from jaxcam.box_rules.wsol import grey_boxes, grey_maps, wsol_boxes
from jaxcam.box_rules.wsol_sweep import THRESHOLDS, sweep_boxes
from tests.reference.wsol import contour_boxes, grey_map
from tests.test_box_rules import hard_masks


def cam_like(rng, size, cells):
    """A map of noise in cells, upsampled as the benchmark does."""
    return cv2.resize(rng.normal(size=cells), size[::-1], interpolation=cv2.INTER_CUBIC)


def made_greys(seed, size, count):
    """8-bit maps: noise, blurred noise, cams, masks of few and of many pixels, and cams of few levels."""
    rng = np.random.default_rng(seed)
    cells = tuple(max(1, side // 4) for side in size)
    kinds = [
        lambda: grey_map(rng.random(size)),
        lambda: grey_map(cv2.GaussianBlur(rng.random(size), (3, 3), 0.8)),
        lambda: grey_map(cam_like(rng, size, cells)),
        lambda: np.uint8(200) * (rng.random(size) < rng.choice([0.2, 0.4, 0.6, 0.8, 0.9])),
        lambda: grey_map(cam_like(rng, size, cells)) // np.uint8(50) * np.uint8(30),
    ]
    return np.array([kinds[number % len(kinds)]().reshape(size) for number in range(count)])


SIZES = [((1, 1), 10), ((1, 6), 100), ((6, 1), 100), ((6, 7), 1500)]
SIZES += [pytest.param(*case, marks=pytest.mark.slow) for case in (((3, 3), 300), ((12, 33), 500), ((40, 31), 200))]


@pytest.mark.parametrize("size, count", SIZES)
def test_same_greys_same_boxes_as_opencv(size, count):
    greys = made_greys(0, size, count)
    shares = np.random.default_rng(1).choice([0, 0.1, 0.25, 0.5, 0.7, 0.9, 1], count)
    expected = [contour_boxes(grey, share)[0] for grey, share in zip(greys, shares, strict=True)]
    np.testing.assert_array_equal(grey_boxes(greys, threshold=np.float32(shares)), np.float32(expected))


@pytest.mark.slow
def test_same_cams_same_boxes_as_opencv_at_the_benchmarks_size():
    rng = np.random.default_rng(2)
    greys = np.array([grey_map(cam_like(rng, (224, 224), (cells, cells))) for cells in (7, 14, 28) for _ in range(40)])
    for share in (0.05, 0.15, 0.3, 0.6):
        expected = [contour_boxes(grey, share)[0] for grey in greys]
        np.testing.assert_array_equal(grey_boxes(greys, threshold=np.float32(share)), np.float32(expected))


def test_hard_masks():
    masks = hard_masks(37)
    expected = [contour_boxes(grey_map(mask), 0.5)[0] for mask in masks]
    np.testing.assert_array_equal(boxes(masks, rule="wsol", threshold=0.5), np.float32(expected))


def as_map(drawing):
    return np.array([[float(sign == "#") for sign in row] for row in drawing.split()], np.float32)


@pytest.mark.core
@pytest.mark.parametrize(
    "drawing, box",
    [
        ("......  .##...  .##...  ......", (1, 1, 4, 4)),  # a pixel too far
        ("......  ......  ...###  ...###", (3, 2, 6, 4)),  # but not at the border
        ("##....  ##....  ....##  ....##", (4, 2, 6, 4)),  # a tie: the last in raster order
        ("###...  #.#.##  ###.##  ......", (0, 0, 4, 4)),  # a ring counts as if it were full
        ("#####.  .....#  .##..#  .##.#.", (1, 2, 4, 4)),  # area, not pixels: a thin line has none
        (".#....  #.#...  .#.#..  ....##", (0, 0, 6, 4)),  # diagonal neighbours are connected
        (".#....  #.#.##  .#..##  ......", (0, 0, 4, 4)),  # 2 against 1
        ("......  ......  ......  ......", (0, 0, 1, 1)),
        ("######  ######  ######  ######", (0, 0, 1, 1)),  # constant
    ],
)
def test_drawn_maps(drawing, box):
    np.testing.assert_array_equal(boxes(as_map(drawing), rule="wsol"), np.float32(box))
    assert contour_boxes(grey_map(as_map(drawing)), 0.2)[0] == box


def test_maps_that_are_not_finite():
    for bad in (np.nan, np.inf, -np.inf):
        maps = np.arange(12, dtype=np.float32).reshape(3, 4)
        maps[1, 2] = bad
        np.testing.assert_array_equal(boxes(maps, rule="wsol", threshold=0), np.float32([0, 0, 1, 1]))
        assert not grey_maps(maps).any()


@pytest.mark.slow
def test_raw_maps_against_float64():
    """The share of maps whose box differs is at most 1 in 1000, and of pixels 1 in 10,000, by one level."""
    rng = np.random.default_rng(3)
    maps = np.array([cam_like(rng, (32, 32), (7, 7)) for _ in range(1000)], np.float32)
    expected = np.array([grey_map(values) for values in maps])
    differences = np.abs(np.asarray(grey_maps(maps)).astype(int) - expected)
    assert differences.max() <= 1
    assert differences.mean() < 1e-4
    largest = [contour_boxes(grey, 0.2)[0] for grey in expected]
    assert (boxes(maps, rule="wsol") != np.float32(largest)).any(axis=1).mean() <= 1e-3


@pytest.mark.parametrize("scale, shift", [(1e-30, 0), (1e30, 0), (1, -1e4), (-3, 7)])
def test_highest_pixel_is_255_whatever_the_range(scale, shift):
    maps = np.random.default_rng(4).normal(size=(50, 9, 9)).astype(np.float32) * np.float32(scale) + np.float32(shift)
    found = np.asarray(grey_maps(maps))
    assert (found.max(axis=(1, 2)) == 255).all()
    assert (found.min(axis=(1, 2)) == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        lambda rule, maps: rule(maps),
        lambda rule, maps: jax.jit(rule)(maps),
        lambda rule, maps: jax.jit(jax.vmap(jax.vmap(rule)))(maps),
        pytest.param(lambda rule, maps: jax.pmap(rule)(maps), marks=pytest.mark.slow),
    ],
    ids=["plain", "jit", "vmap-vmap", "pmap"],
)
def test_every_way_to_run_it(run):
    rng = np.random.default_rng(5)
    maps = np.array([[cam_like(rng, (12, 15), (3, 4)) for _ in range(3)] for _ in range(4)], np.float32)
    maps[2] = rng.normal(size=(3, 12, 15))
    expected = [[contour_boxes(grey_map(values), 0.2)[0] for values in row] for row in maps]
    np.testing.assert_array_equal(run(partial(boxes, rule="wsol"), maps), np.float32(expected))


@pytest.mark.slow
def test_thresholds_along_an_axis_traced_and_out_of_range():
    maps = np.random.default_rng(6).normal(size=(3, 8, 9)).astype(np.float32)
    shares = np.float32([0, 0.5, 1])
    expected = np.float32([[contour_boxes(grey_map(values), share)[0] for values in maps] for share in shares])
    np.testing.assert_array_equal(boxes(maps, rule="wsol", threshold=shares[:, None]), expected)
    np.testing.assert_array_equal(boxes(maps, rule=wsol_boxes, threshold=shares[:, None]), expected)
    found = jax.jit(partial(boxes, rule="wsol"))(maps, threshold=jnp.array([[-0.1], [0.0], [1.1]]))
    np.testing.assert_array_equal(found, np.stack([np.full((3, 4), np.nan), expected[0], np.full((3, 4), np.nan)]))


@pytest.mark.slow
def test_gradient_is_zero():
    maps = np.random.default_rng(7).normal(size=(2, 8, 9)).astype(np.float32)
    total = jax.grad(lambda x, share: jnp.sum(boxes(x, rule="wsol", threshold=share)), argnums=(0, 1))
    np.testing.assert_array_equal(total(maps, 0.3)[0], np.zeros_like(maps))
    assert total(maps, 0.3)[1] == 0


@pytest.mark.parametrize("options", [{"threshold": -0.1}, {"threshold": 1.1}, {"connectivity": 4}])
def test_mistakes(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        boxes(np.ones((3, 4), np.float32), rule="wsol", **options)


def assert_swept(grey, thresholds):
    """All boxes of the sweep are those of OpenCV, threshold by threshold."""
    swept = sweep_boxes(grey, thresholds=thresholds)
    for place, threshold in enumerate(thresholds):
        largest, contours = contour_boxes(grey, threshold)
        assert tuple(swept.largest[place]) == largest
        found = swept.contours[swept.contour_levels == swept.levels[place]]
        assert sorted(map(tuple, found)) == contours


@pytest.mark.parametrize("size, count", [((1, 1), 4), ((1, 6), 10), ((6, 1), 10), ((6, 7), 200), ((12, 33), 40)])
def test_sweep_against_opencv(size, count):
    for grey in made_greys(8, size, count):
        assert_swept(grey, (0.0, 0.1, 0.25, 0.5, 0.51, 0.9, 1.0, 0.3))


def test_sweep_of_all_levels():
    every = np.random.default_rng(9).permutation(256).astype(np.uint8).reshape(16, 16)
    assert_swept(every, np.minimum(np.arange(256) / 255 + 1e-9, 1))
    for grey in made_greys(10, (21, 22), 5):
        assert_swept(grey, THRESHOLDS)


def test_sweep_of_hard_masks_and_constants():
    for mask in hard_masks(37):
        assert_swept(grey_map(mask), (0.0, 0.5))
    for constant in (0, 7, 255):
        assert_swept(np.full((5, 6), constant, np.uint8), (0.0, 0.5, 1.0))


@pytest.mark.slow
def test_sweep_at_the_benchmarks_size():
    rng = np.random.default_rng(11)
    for cells in (7, 14, 28):
        assert_swept(grey_map(cam_like(rng, (224, 224), (cells, cells))), THRESHOLDS)


def test_sweep_is_the_rule_at_each_threshold():
    grey = made_greys(12, (20, 21), 3)[2]
    shares = np.arange(0, 1, 0.01)
    found = grey_boxes(grey, threshold=np.float32(shares))
    np.testing.assert_array_equal(sweep_boxes(grey, thresholds=shares).largest, found)


@pytest.mark.parametrize("shape, thresholds", [((0, 3), (0.5,)), ((2, 2), ()), ((2, 2), (0.5, 1.1)), ((2, 2), (-0.1,))])
def test_mistakes_in_a_sweep(shape, thresholds):
    with pytest.raises(ValueError, match=r"thresholds|grey_map"):
        sweep_boxes(np.zeros(shape, np.uint8), thresholds=thresholds)


@pytest.mark.slow
@pytest.mark.parametrize("rule, box", [("paper", [np.nan] * 4), ("wsol", [0, 0, 1, 1])])
def test_a_nan_in_a_large_map_is_not_passed_over(rule, box):
    maps = np.random.default_rng(0).normal(size=(8, 224, 224)).astype(np.float32)
    maps[:7, 100, 100] = np.nan
    found = np.asarray(boxes(maps, rule=rule))
    np.testing.assert_array_equal(found[:7], np.float32([box] * 7))
    assert not np.array_equal(found[7], np.float32(box), equal_nan=True)
