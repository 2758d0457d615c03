"""MaxBoxAcc and MaxBoxAccV2 against the direct sweep of OpenCV's boxes; verdicts by hand; merging; mistakes."""

from functools import reduce

import jax
import numpy as np
import pytest

from jaxcam.box_rules.wsol_sweep import THRESHOLDS, sweep_boxes
from jaxcam.metrics.max_box_accuracy import (
    OVERLAPS,
    MaxBoxCounts,
    benchmark_targets,
    max_box_acc,
    max_box_acc_v2,
    max_box_counts,
)
from tests.reference.wsol import contour_boxes, framed, grey_map, max_box_accuracies
from tests.test_wsol_boxes import cam_like


def made_images(seed, size, count):
    """Cams in 8 bits, and one to three ground-truth boxes each: near a box of the cam's, or anywhere."""
    rng = np.random.default_rng(seed)
    greys, targets = [], []
    for number in range(count):
        grey = grey_map(cam_like(rng, size, (4, 5)))
        near = np.array(contour_boxes(grey, rng.uniform(0.1, 0.8))[0]) + rng.integers(-2, 3, 4)
        low = np.clip(near[:2], 0, np.array(size[::-1]) - 1)
        boxes = [(*low, *np.maximum(low + 1, near[2:]))]
        for _ in range(number % 3):
            corner = rng.integers(0, np.array(size[::-1]) - 6)
            boxes.append((*corner, *(corner + rng.integers(2, 6, 2))))
        greys.append(grey)
        targets.append(np.array(boxes, np.float32))
    return greys, targets


def counted(greys, targets, thresholds):
    counts = [
        max_box_counts(*sweep_boxes(grey, thresholds=thresholds), targets=truth)
        for grey, truth in zip(greys, targets, strict=True)
    ]
    return reduce(lambda a, b: jax.tree.map(np.add, a, b), counts)


def assert_equal_the_direct_sweep(greys, targets, thresholds):
    counts = counted(greys, targets, thresholds)
    v1, v2 = max_box_accuracies(greys, targets, thresholds)
    assert [max_box_acc(counts, thresholds, least=least).percent for least in OVERLAPS] == v1
    assert max_box_acc_v2(counts, thresholds).percent == v2
    assert len({*v1, v2, 0.0, 100.0}) == 6  # none is trivial, no two are equal


def test_equal_the_direct_sweep():
    assert_equal_the_direct_sweep(*made_images(0, (28, 32), 37), tuple(np.arange(0, 1, 0.02)))


@pytest.mark.slow
def test_equal_the_direct_sweep_of_1000_thresholds():
    assert_equal_the_direct_sweep(*made_images(1, (56, 48), 101), THRESHOLDS)


FULL = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    "box, right",
    [
        ((0, 0, 3, 10), [1, 0, 0]),  # IoU exactly .3
        ((0, 0, 2.999, 10), [0, 0, 0]),
        ((0, 0, 5, 10), [1, 1, 0]),  # .5
        ((0, 0, 10, 7), [1, 1, 1]),  # .7
        ((0, 0, 10, 6.999), [1, 1, 0]),
        ((20, 20, 30, 30), [0, 0, 0]),
    ],
)
def test_verdicts_by_hand(box, right):
    boxes, number = np.array([box], np.float32), np.array([0])
    for targets in ([FULL], [(40, 40, 50, 50), FULL]):  # any of several boxes will do
        counts = max_box_counts(boxes, number, boxes, number, targets=np.array(targets, np.float32))
        assert counts.images == 1
        np.testing.assert_array_equal(counts.largest[:, 0], right)
        np.testing.assert_array_equal(counts.contours[:, 0], right)


def test_any_contour_of_the_thresholds_own_level():
    far = (40.0, 40.0, 50.0, 50.0)
    counts = max_box_counts(
        np.array([far, far, far]),
        np.array([1, 0, 1]),
        np.array([far, far, FULL]),
        np.array([0, 1, 1]),
        targets=np.array([FULL]),
    )
    assert counts.largest.tolist() == [[0, 0, 0]] * 3
    assert counts.contours.tolist() == [[1, 0, 1]] * 3


def test_image_without_boxes_counts_for_nothing():
    grey = grey_map(np.eye(6))
    counts = max_box_counts(*sweep_boxes(grey, thresholds=(0.0, 0.5)), targets=np.zeros((0, 4)))
    assert counts.images == 0
    assert not counts.largest.any()
    assert not counts.contours.any()
    with pytest.raises(ValueError, match="image"):
        max_box_acc(counts, (0.0, 0.5))


def test_thresholds_are_the_first_of_the_best():
    counts = MaxBoxCounts(5, np.array([[5, 5, 1], [1, 3, 3], [0, 0, 0]]), np.array([[5, 5, 1], [1, 3, 4], [0, 1, 0]]))
    shares = (0.0, 0.2, 0.4)
    assert max_box_acc(counts, shares) == (60.0, (0.2,))
    assert max_box_acc(counts, shares, least=0.3) == (100.0, (0.0,))
    percent, thresholds = max_box_acc_v2(counts, shares)
    assert percent == pytest.approx((100 + 80 + 20) / 3)
    assert thresholds == (0.0, 0.4, 0.2)


def test_mistakes():
    counts = MaxBoxCounts(5, np.zeros((3, 2), int), np.zeros((3, 2), int))
    with pytest.raises(ValueError, match="least"):
        max_box_acc(counts, (0.0, 0.5), least=0.4)
    with pytest.raises(ValueError, match="thresholds"):
        max_box_acc_v2(counts, (0.0, 0.5, 0.6))


@pytest.mark.core
@pytest.mark.parametrize(
    "inclusive, size, frame, expected",
    [
        ((0, 0, 499, 374), (375, 500), (224, 224), (0, 0, 223, 223)),  # the whole image: 499 * .448 = 223.55
        ((100, 30, 299, 200), (375, 500), (224, 224), (44, 17, 133, 119)),  # 44.8, 17.92, 133.95, 119.47
        ((5, 5, 5, 5), (10, 10), (224, 224), (112, 112, 112, 112)),  # one pixel stays one, though enlarged
        ((1, 2, 4, 3), (20, 10), (10, 35), (3, 1, 14, 1)),  # 3.5, 1, 14, 1.5
        ((90, 0, 105, 9), (50, 100), (50, 100), (90, 0, 105, 9)),  # not clipped where it reaches outside
    ],
)
def test_targets_in_the_benchmark_s_frame(inclusive, size, frame, expected):
    one = np.array([0, 0, 1, 1])
    found = benchmark_targets(np.array([inclusive]) + one.astype(np.float32), size, frame=frame)
    np.testing.assert_array_equal(found, [expected + one])


def test_targets_in_the_frame_are_exact_at_every_corner():
    """Also where scaling in another order of operations rounds a whole number down: 45 * (224 / 80) is 125.99..."""
    assert int(45 * (224 / 80)) == 125
    for height, width in ((80, 375), (500, 110), (64, 1200)):
        corners = zip(np.arange(width).tolist(), np.resize(np.arange(height), width).tolist(), strict=True)
        boxes = [(x, y, width - 1, height - 1) for x, y in corners]
        expected = [framed(box, (width, height), (224, 224)) for box in boxes]
        one = np.array([0.0, 0, 1, 1])
        np.testing.assert_array_equal(benchmark_targets(np.array(boxes) + one, (height, width)), expected + one)
    assert benchmark_targets(np.zeros((0, 4)), (5, 5)).shape == (0, 4)
    with pytest.raises(ValueError, match=r"size: got \(0, 5\) and frame \(224, 224\)"):
        benchmark_targets(np.zeros((1, 4)), (0, 5))
