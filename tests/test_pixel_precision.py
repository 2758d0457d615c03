"""jaxcam.metrics.pixel_precision: bins and PxAP against the benchmark's definition, by hand, merged, under jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.metrics import PixelCounts, pixel_average_precision, pixel_counts
from jaxcam.metrics.pixel_precision import LIMB
from tests.reference import pixel_precision as reference

compiled = jax.jit(lambda maps, truth, mask: pixel_counts(maps, truth, mask=mask))


def random_batch(seed, *, images=6, size=(40, 56), dtype=np.float64):
    """Maps that lean towards the object, and masks with ignored pixels."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (images, *size), p=[0.6, 0.3, 0.1])
    maps = rng.normal(size=(images, *size)) + 2 * (truth == 1) * rng.random((images, 1, 1))
    return maps.astype(dtype), truth, np.ones(images, bool)


def whole(limbs):
    limbs = np.asarray(limbs, np.int64)
    return limbs[:, 0] + LIMB * limbs[:, 1]


@pytest.mark.core
@pytest.mark.parametrize("seed", range(3))
def test_bins_and_precision_are_the_benchmarks_in_float64(seed):
    maps, truth, mask = random_batch(seed)
    counts = pixel_counts(maps, truth, mask=mask)
    np.testing.assert_array_equal(whole(counts.foreground), reference.histogram(maps, truth, 1))
    np.testing.assert_array_equal(whole(counts.background), reference.histogram(maps, truth, 0))
    assert pixel_average_precision(counts) == pytest.approx(reference.average_precision(maps, truth), abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_on_the_thresholds_themselves(dtype):
    """k * .001 begins its own bin, in the benchmark's rounding, and the float below it does not."""
    exact = np.append(reference.THRESHOLDS, 1).astype(dtype)
    for scores in (exact, np.nextafter(exact, dtype(0)), np.minimum(np.nextafter(exact, dtype(1)), dtype(1))):
        maps, mask = np.append(scores, [dtype(0), dtype(1)])[None, :, None], np.array([True])
        expected = np.histogram(maps, bins=np.append(exact, dtype(2)))[0]
        truth = np.ones(maps.shape, np.int32)
        np.testing.assert_array_equal(whole(pixel_counts(maps, truth, mask=mask).foreground), expected)
        if dtype == np.float32:
            np.testing.assert_array_equal(whole(compiled(maps, truth, mask).foreground), expected)


@pytest.mark.parametrize("seed", range(2))
def test_float32_under_jit_moves_few_pixels(seed):
    maps, truth, mask = random_batch(seed, dtype=np.float32)
    counts = compiled(maps, truth, mask)
    assert counts.foreground.dtype == jnp.int32
    expected = reference.histogram(maps, truth, 1)
    assert whole(counts.foreground).sum() == expected.sum()
    moved = np.abs(whole(counts.foreground) - expected).sum() / 2
    assert moved < 1e-3 * expected.sum()
    assert pixel_average_precision(counts) == pytest.approx(reference.average_precision(maps, truth), abs=1e-3)


def test_scores_that_float32_holds_are_binned_alike_everywhere():
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 257, (4, 16, 16)).astype(np.float32)
    maps[:, 0, 0], maps[:, 0, 1] = 0, 256  # so that scores are multiples of 1/256
    truth = rng.choice(np.array([0, 1, 255], np.int32), maps.shape)
    mask = np.ones(4, bool)
    for counts in (pixel_counts(maps, truth, mask=mask), compiled(maps, truth, mask)):
        np.testing.assert_array_equal(whole(counts.foreground), reference.histogram(maps, truth, 1))
        np.testing.assert_array_equal(whole(counts.background), reference.histogram(maps, truth, 0))


@pytest.mark.parametrize("scale", [3.0, 7.0, 1e-20, 1e20, 0.1])
def test_a_maximum_scores_exactly_1_whatever_the_scale(scale):
    maps = (np.random.default_rng(1).random((8, 9, 7)) * scale).astype(np.float32)
    truth, mask = np.ones(maps.shape, np.int32), np.ones(8, bool)
    for counts in (pixel_counts(maps, truth, mask=mask), compiled(maps, truth, mask)):
        assert whole(counts.foreground)[-1] == 8


HALVES = np.array([[1, 1, 0, 0]])


@pytest.mark.parametrize(
    "scores, truth, expected",
    [
        ([[3, 2, 1, 0]], HALVES, 100),  # every object pixel above every other
        ([[0, 1, 2, 3]], HALVES, 100 * (0.5 * 1 / 3 + 0.5 * 2 / 4)),
        ([[5, 5, 5, 5]], HALVES, 50),  # a constant map: the share of object pixels
        ([[np.nan, 2, 1, 0]], HALVES, 50),
        ([[np.inf, 2, 1, 0]], HALVES, 50),
        ([[-np.inf, 2, 1, 0]], HALVES, 50),
        ([[3, 0, 3, 1]], HALVES, 100 * (0.5 * 1 / 2 + 0.5 * 2 / 4)),  # of equal scores none comes first
        ([[3, 2, 4, 0]], np.array([[1, 1, 255, 0]]), 100),  # the best pixel is ignored, but scales the map
        ([[3, 2, 4, 0]], np.array([[1, 1, 7, 0]]), 100),
        ([[3], [2], [1], [0]], HALVES.T, 100),
    ],
)
def test_precision_checked_by_hand(scores, truth, expected):
    maps, mask = np.array([scores], np.float32), np.array([True])
    assert pixel_average_precision(pixel_counts(maps, truth[None], mask=mask)) == pytest.approx(expected)
    assert pixel_average_precision(compiled(maps, truth[None].astype(np.int32), mask)) == pytest.approx(expected)


def test_a_padded_row_counts_for_nothing():
    maps, truth, mask = random_batch(3)
    padded = pixel_counts(maps, truth, mask=np.arange(6) < 4)
    expected = pixel_counts(maps[:4], truth[:4], mask=mask[:4])
    jax.tree.map(np.testing.assert_array_equal, padded, expected)


def test_parts_merged_are_the_whole():
    maps, truth, mask = random_batch(4, images=7)
    expected = pixel_counts(maps, truth, mask=mask)
    parts = [pixel_counts(maps[a:b], truth[a:b], mask=mask[a:b]) for a, b in ((0, 1), (1, 5), (5, 7))]
    merged = jax.tree.map(lambda *counts: sum(counts), *parts)
    for name in PixelCounts._fields:
        np.testing.assert_array_equal(whole(getattr(merged, name)), whole(getattr(expected, name)))
    assert pixel_average_precision(merged) == pixel_average_precision(expected)


def test_devices_merged_are_the_whole():
    """Four devices, their limbs added without a carry."""
    maps, truth, mask = random_batch(5, images=8, dtype=np.float32)
    expected = compiled(maps, truth, mask)

    def step(maps, truth, mask):
        return jax.lax.psum(pixel_counts(maps, truth, mask=mask), "devices")

    parts = (array.reshape(4, 2, *array.shape[1:]) for array in (maps, truth, mask))
    merged = jax.tree.map(lambda counts: counts[0], jax.pmap(step, axis_name="devices")(*parts))
    for name in PixelCounts._fields:
        np.testing.assert_array_equal(whole(getattr(merged, name)), whole(getattr(expected, name)))


def test_sums_past_int32_on_the_device():
    """Ten batches of 400 million pixels in a bin: 4e9, added in int32."""
    pixels = 400_000_000
    limbs = jnp.zeros((1001, 2), jnp.int32)
    counts = PixelCounts(limbs.at[-1].set(jnp.array([pixels % LIMB, pixels // LIMB])), limbs.at[0, 0].set(5))
    total = counts
    for _ in range(9):
        total = jax.tree.map(jnp.add, total, counts)
    assert whole(total.foreground)[-1] == 10 * pixels
    assert pixel_average_precision(total) == 100


def test_a_large_batch_is_carried_to_the_second_limb():
    maps = np.zeros((1, 100, 100), np.float32)
    counts = compiled(maps, np.ones(maps.shape, np.int32), np.array([True]))
    assert counts.foreground[0].tolist() == [10_000 % LIMB, 10_000 // LIMB]


def test_refusals():
    empty = PixelCounts(np.zeros((1001, 2), int), np.zeros((1001, 2), int))
    with pytest.raises(ValueError, match="got no pixel of an object"):
        pixel_average_precision(empty)
    with pytest.raises(ValueError, match="more batches or pixels than fit"):
        pixel_average_precision(PixelCounts(empty.foreground - 1, empty.background))
    with pytest.raises(ValueError, match="smaller batches"):
        jax.eval_shape(
            lambda maps, truth: pixel_counts(maps, truth, mask=np.ones(65536, bool)),
            jax.ShapeDtypeStruct((65536, 256, 128), jnp.float32),
            jax.ShapeDtypeStruct((65536, 256, 128), jnp.uint8),
        )
