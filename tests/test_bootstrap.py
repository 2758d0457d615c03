"""jaxcam.metrics.bootstrap: intervals against SciPy's binomial, a bootstrap image by image, and simulated coverage."""

import numpy as np
import pytest
from scipy.stats import binom

from jaxcam.metrics import best_share_interval, bootstrap_interval, pixel_average_precision, share_interval
from jaxcam.metrics.bootstrap import _contenders
from jaxcam.metrics.pixel_precision import PixelCounts


def naive_interval(rows, figure, *, resamples, seed):
    """Draw images with replacement, one resample after another, and take the figure of those very images."""
    generator = np.random.default_rng(seed)
    draws = (generator.integers(0, len(rows), len(rows)) for _ in range(resamples))
    figures = sorted(figure(rows[draw]) for draw in draws)
    at_least = [int(np.ceil(resamples * quantile)) - 1 for quantile in (0.025, 0.975)]
    return tuple(figures[place] for place in at_least)


def sweep_outcomes(seed, *, images=400, thresholds=30):
    """Each image is right from one threshold to another, as boxes that shrink are; columns repeat."""
    rng = np.random.default_rng(seed)
    start = rng.normal(0.3, 0.15, (images, 1))
    levels = np.floor(np.arange(thresholds) / thresholds * 20) / 20
    return (levels >= start) & (levels < start + rng.exponential(0.4, (images, 1)))


@pytest.mark.parametrize(
    "right, images", [(1, 2), (1, 10), (9, 10), (40, 100), (123, 999), (20_000, 50_000), (3, 50_000)]
)
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_shares_have_binomial_quantiles(right, images, level):
    expected = 100 * binom.ppf([(1 - level) / 2, (1 + level) / 2], images, right / images) / images
    assert share_interval(right, images, level=level) == pytest.approx(tuple(expected), abs=1e-9)


def test_shares_checked_by_hand():
    """Of two images one is right: a resample has 0, 1 or 2 right with chances 1/4, 1/2, 1/4."""
    assert share_interval(1, 2, level=0.49) == (50, 50)
    assert share_interval(1, 2, level=0.51) == (0, 100)
    assert share_interval(0, 7) == (0, 0)
    assert share_interval(7, 7) == (100, 100)


@pytest.mark.core
def test_the_best_share_equals_the_bootstrap_image_by_image():
    outcomes = sweep_outcomes(0)
    expected = naive_interval(outcomes, lambda drawn: 100 * drawn.mean(axis=0).max(), resamples=250, seed=3)
    assert best_share_interval(outcomes, resamples=250, seed=3) == pytest.approx(expected, abs=1e-9)
    other = naive_interval(outcomes, lambda drawn: 100 * drawn.mean(axis=0).max(), resamples=2000, seed=4)
    assert best_share_interval(outcomes, resamples=2000) == pytest.approx(other, abs=0.8)  # other draws, 2.4% deviation


def test_several_criteria_are_resampled_together():
    outcomes = np.stack([sweep_outcomes(1), sweep_outcomes(2), sweep_outcomes(1)[:, ::-1]])
    expected = naive_interval(
        outcomes.transpose(1, 0, 2), lambda drawn: 100 * drawn.mean(axis=0).max(axis=-1).mean(), resamples=250, seed=5
    )
    assert best_share_interval(outcomes, resamples=250, seed=5) == pytest.approx(expected, abs=1e-9)


def test_one_threshold_has_the_interval_of_its_share():
    right = np.arange(1000) < 400
    drawn = best_share_interval(right[:, None], resamples=4000)
    assert drawn == pytest.approx(share_interval(400, 1000), abs=0.25)  # deviation of the share: 1.5
    assert best_share_interval(right[:, None]) == best_share_interval(np.tile(right[:, None], 7))


def test_thresholds_that_cannot_win_are_left_out():
    outcomes = sweep_outcomes(3, images=20_000, thresholds=100)
    left = _contenders(outcomes)
    assert left.shape[1] < 40
    sums = outcomes.sum(axis=0)
    assert set(left.sum(axis=0)) == set(np.sort(sums)[-left.shape[1] :])  # the highest ones stay


def test_a_figure_of_sums_equals_the_bootstrap_image_by_image():
    rows = np.random.default_rng(6).integers(0, 9, (50, 2))
    expected = naive_interval(rows, lambda drawn: drawn[:, 0].sum() / drawn.sum(), resamples=300, seed=7)
    found = bootstrap_interval(rows, lambda sums: sums[0] / sums.sum(), resamples=300, seed=7)
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_resample_without_the_figure_is_left_out():
    rows = np.array([[3, 4], [0, 0], [1, 4]])
    low, high = bootstrap_interval(rows, lambda sums: sums[0] / sums[1] if sums[1] else np.nan)
    assert (low, high) == (0.25, 0.75)


def test_the_interval_of_pixel_precision():
    """Histograms of each image as its row: PxAP is a figure of their sum, like all others."""
    rng = np.random.default_rng(8)
    rows = rng.integers(0, 5, (40, 2, 1001, 1)) * np.stack([np.arange(1001), np.arange(1001)[::-1]])[:, :, None]

    def figure(sums):
        limbs = sums.reshape(2, 1001, 1).astype(int)
        return pixel_average_precision(PixelCounts(*np.concatenate([limbs, np.zeros_like(limbs)], axis=-1)))

    low, high = bootstrap_interval(rows.reshape(40, -1), figure, resamples=50)
    assert 50 < low <= figure(rows.sum(axis=0)) <= high < 100


def test_the_seed_decides():
    outcomes = sweep_outcomes(4)
    assert best_share_interval(outcomes, seed=1) == best_share_interval(outcomes, seed=1)
    intervals = {best_share_interval(outcomes, seed=seed, resamples=50) for seed in range(5)}
    assert len(intervals) > 1
    narrow, wide = (best_share_interval(outcomes, level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_95_of_100_intervals_hold_the_true_share():
    right = np.random.default_rng(9).binomial(300, 0.6, 1000)
    intervals = [share_interval(int(count), 300) for count in right]
    assert 0.93 < np.mean([low <= 60 <= high for low, high in intervals]) < 0.98  # 0.967


def test_most_intervals_hold_the_best_share_of_all_images():
    """The truth is that of 100,000 images, of which a data set draws 300: a little below what its maximum says."""
    everything = sweep_outcomes(10, images=100_000)
    best = 100 * everything.mean(axis=0).max()
    rng = np.random.default_rng(11)
    drawn = (everything[rng.integers(0, len(everything), 300)] for _ in range(120))
    intervals = np.array([best_share_interval(outcomes, resamples=100) for outcomes in drawn])
    assert 0.85 < np.mean((intervals[:, 0] <= best) & (best <= intervals[:, 1])) < 0.99
    assert np.mean(best < intervals[:, 0]) > np.mean(best > intervals[:, 1])


def test_refusals():
    with pytest.raises(ValueError, match="right: got 4 of 3"):
        share_interval(4, 3)
    with pytest.raises(ValueError, match="right: got 0 of 0"):
        share_interval(0, 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        share_interval(1, 3, level=95.0)
    with pytest.raises(ValueError, match=r"shape \(0, 4\)"):
        best_share_interval(np.zeros((0, 4), bool))
    with pytest.raises(ValueError, match="0 resamples"):
        best_share_interval(np.ones((2, 4), bool), resamples=0)
    with pytest.raises(ValueError, match="0 images"):
        bootstrap_interval(np.zeros((0, 4)), np.max)
