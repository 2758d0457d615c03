"""jaxcam.metrics.pointing: points and hits against a mask of pixels, by hand, merged, under jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.metrics import PointingCounts, highest_points, pointed, pointing_accuracy, pointing_counts

NAMES = ("maps", "targets", "target_mask", "mask")


def counted(maps, targets, target_mask, mask, tolerance=0):
    points = highest_points(maps)
    return pointing_counts(points, targets=targets, target_mask=target_mask, mask=mask, tolerance=tolerance)


compiled = jax.jit(counted, static_argnames="tolerance")


def random_batch(seed, *, images=300, height=24, width=30, most=3):
    """Maps of few levels, so that many have several maxima; whole-pixel boxes; some images without any."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 300, (images, height, width)).astype(np.float32)
    maps[rng.random(images) < 0.1, 3, 4] = np.nan
    low = rng.integers(0, (width - 8, height - 8), (images, most, 2))
    targets = np.concatenate([low, low + rng.integers(1, 8, low.shape)], axis=-1).astype(np.float32)
    target_mask = np.arange(most) < rng.integers(0, most + 1, (images, 1))
    return dict(zip(NAMES, (maps, targets, target_mask, rng.random(images) < 0.8), strict=True))


def by_reference(batch, tolerance):
    """One image after another: the distance from the first maximum's centre to each box, by what side it lies on."""
    boxed = hits = 0
    for values, targets, target_mask, counts in zip(*(batch[name] for name in NAMES), strict=True):
        if not counts or not target_mask.any():
            continue
        boxed += 1
        if np.isnan(values).any():
            continue
        y, x = min(zip(*np.nonzero(values == values.max()), strict=True))
        hit = False
        for x0, y0, x1, y1 in targets[target_mask]:
            nearest = min(max(x + 0.5, x0), x1), min(max(y + 0.5, y0), y1)
            hit = hit or np.hypot(x + 0.5 - nearest[0], y + 0.5 - nearest[1]) <= tolerance
        hits += hit
    return boxed, hits


def as_integers(counts):
    return tuple(map(int, counts))


@pytest.mark.core
@pytest.mark.parametrize("tolerance", [0, 3, 5.5, 15])
def test_counts_equal_the_reference_on_numpy_and_under_jit(tolerance):
    batch = random_batch(0)
    boxed, hits = by_reference(batch, tolerance)
    assert 0 < hits < boxed
    assert as_integers(counted(**batch, tolerance=tolerance)) == (boxed, hits)
    assert as_integers(counted(**jax.tree.map(jnp.asarray, batch), tolerance=tolerance)) == (boxed, hits)
    assert as_integers(compiled(**batch, tolerance=tolerance)) == (boxed, hits)


def test_without_tolerance_the_pixel_itself_is_in_the_box():
    batch = random_batch(1)
    hits = 0
    for values, targets, target_mask, counts in zip(*(batch[name] for name in NAMES), strict=True):
        inside = np.zeros(values.shape, bool)
        for x0, y0, x1, y1 in targets[target_mask].astype(int):
            inside[y0:y1, x0:x1] = True
        hits += counts and not np.isnan(values).any() and inside.flat[values.argmax()]
    assert int(counted(**batch).hits) == hits > 0


def one_map(*highest, size=(40, 60), value=1.0):
    values = np.zeros((1, *size), np.float32)
    for y, x in highest:
        values[0, y, x] = value
    return values


BOX = (20, 10, 30, 18)  # columns 20 to 29, rows 10 to 17


@pytest.mark.parametrize(
    "maps, boxes, tolerance, hit",
    [
        (one_map((10, 20)), [BOX], 0, True),  # the first pixel of the box
        (one_map((17, 29)), [BOX], 0, True),  # its last
        (one_map((17, 30)), [BOX], 0, False),  # half-open: one column on
        (one_map((18, 29)), [BOX], 0, False),
        (one_map((12, 19)), [BOX], 0, False),
        (one_map((12, 19)), [BOX], 1, True),
        (one_map((12, 5)), [BOX], 15, True),  # 15 columns before the first
        (one_map((12, 4)), [BOX], 15, False),
        (one_map((12, 44)), [BOX], 15, True),  # 15 columns past the last
        (one_map((12, 45)), [BOX], 15, False),
        (one_map((7, 16)), [BOX], 4.3, False),  # a corner away: 2.5 rows and 3.5 columns, 4.3012
        (one_map((7, 16)), [BOX], 4.31, True),
        (one_map((0, 0)), [BOX, (0, 0, 1, 1)], 0, True),  # any of several boxes will do
        (one_map((12, 22), (30, 5)), [BOX], 0, True),  # of two maxima the first counts
        (one_map((12, 22), (2, 5)), [BOX], 0, False),
        (one_map((12, 22), (12, 5)), [BOX], 0, False),  # in one row, the left one
        (one_map((12, 22)) - 2, [BOX], 0, True),  # all negative: a maximum all the same
        (one_map(), [BOX], 0, False),  # a constant map points at its corner
        (one_map(), [(0, 0, 3, 3)], 0, True),
        (one_map((12, 22), value=np.nan), [BOX], 15, False),
        (one_map((12, 22), value=np.inf), [BOX], 0, True),
    ],
)
def test_verdicts_checked_by_hand(maps, boxes, tolerance, hit):
    targets, yes = np.array([boxes], np.float32), np.array([True])
    arguments = maps, targets, np.ones((1, len(boxes)), bool), yes
    assert as_integers(counted(*arguments, tolerance=tolerance)) == (1, hit)
    assert as_integers(compiled(*arguments, tolerance=tolerance)) == (1, hit)


def test_points_of_many_maps_an_image():
    maps = np.random.default_rng(2).normal(size=(3, 4, 5, 6)).astype(np.float32)
    maps[1, 2, 0, 0] = np.nan
    expected = np.empty((3, 4, 2), np.float32)
    for place in np.ndindex(3, 4):
        y, x = np.unravel_index(maps[place].argmax(), (5, 6))
        expected[place] = np.nan if place == (1, 2) else (x + 0.5, y + 0.5)
    np.testing.assert_array_equal(highest_points(maps), expected)
    np.testing.assert_array_equal(jax.jit(highest_points)(maps), expected)


def test_points_scale_like_corners():
    """The middle of a squashed map is the middle of the file's image, whatever its shape."""
    point = highest_points(one_map((2, 2), size=(5, 5))) * np.array([600 / 5, 40 / 5], np.float32)
    assert point.tolist() == [[300, 20]]


def test_images_without_boxes_and_padded_rows_count_for_nothing():
    batch = random_batch(3)
    batch["target_mask"][:] = False
    assert as_integers(counted(**batch, tolerance=50)) == (0, 0)
    batch = random_batch(3)
    batch["mask"][:] = False
    assert as_integers(counted(**batch, tolerance=50)) == (0, 0)


def test_a_padded_target_is_no_target():
    point, box = np.array([[1.5, 1.5]], np.float32), np.array([[[0, 0, 4, 4]]], np.float32)
    assert pointed(point, box, np.array([[True]])).all()
    assert not pointed(point, box, np.array([[False]])).any()


def test_parts_merged_are_the_whole():
    batch = random_batch(5)
    pieces = zip(*(np.split(batch[name], (13, 150)) for name in NAMES), strict=True)
    parts = [counted(*piece, tolerance=3) for piece in pieces]
    assert jax.tree.map(lambda *counts: sum(counts), *parts) == counted(**batch, tolerance=3)
    twice = jax.tree.map(jnp.add, compiled(**batch), compiled(**batch))
    assert as_integers(twice) == tuple(2 * count for count in as_integers(counted(**batch)))


def test_devices_merged_are_the_whole():
    batch = random_batch(6, images=40)
    parts = (batch[name].reshape(4, 10, *batch[name].shape[1:]) for name in NAMES)
    merged = jax.pmap(lambda *part: jax.lax.psum(counted(*part), "devices"), axis_name="devices")(*parts)
    assert as_integers(jax.tree.map(lambda count: count[0], merged)) == as_integers(counted(**batch))


def test_accuracy_and_refusals():
    assert pointing_accuracy(PointingCounts(boxed=8, hits=1)) == 12.5
    with pytest.raises(ValueError, match="got no image with a box"):
        pointing_accuracy(PointingCounts(0, 0))
    for tolerance in (-1, np.nan):
        with pytest.raises(ValueError, match="0 or more"):
            counted(**random_batch(0), tolerance=float(tolerance))
