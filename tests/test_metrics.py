"""jaxcam.metrics: counts against an image-by-image reference, hand-checked verdicts, merging, padding, jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.metrics import LocalizationCounts, average_precision, localization_counts, localized, rates
from tests.reference import localization as reference

ARRAYS = ("labels", "guesses", "boxes", "true_class_boxes", "targets", "target_mask", "mask", "whole_image")


def random_batch(seed, *, images=200, guesses=5, classes=7, most_boxes=3):
    """Arguments of `localization_counts`; boxes with corners on a coarse grid, so that IoU is often exactly .5."""
    rng = np.random.default_rng(seed)

    def corners(*shape):
        low = rng.integers(0, 3, (*shape, 2))
        return np.concatenate([low, low + rng.integers(2, 5, (*shape, 2))], axis=-1).astype(np.float32)

    return {
        "labels": rng.integers(0, classes, images).astype(np.int32),
        "guesses": rng.permuted(np.tile(np.arange(classes, dtype=np.int32), (images, 1)), axis=1)[:, :guesses],
        "boxes": corners(images, guesses),
        "true_class_boxes": corners(images),
        "targets": corners(images, most_boxes),
        "target_mask": np.arange(most_boxes) < rng.integers(0, most_boxes + 1, (images, 1)),
        "mask": rng.random(images) < 0.8,
        "whole_image": rng.random(images) < 0.3,
    }


def by_reference(batch):
    """The same batch counted image by image."""
    return reference.count(
        {
            "label": batch["labels"][i],
            "guesses": list(zip(batch["guesses"][i], batch["boxes"][i].tolist(), strict=True)),
            "true_class_box": batch["true_class_boxes"][i].tolist(),
            "truth": batch["targets"][i][batch["target_mask"][i]].tolist(),
            "whole_image": batch["whole_image"][i],
        }
        for i in np.flatnonzero(batch["mask"])
    )


def as_integers(counts):
    return {name: int(value) for name, value in counts._asdict().items()}


@jax.jit
def compiled(batch):
    return localization_counts(**batch)


@pytest.mark.core
@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_the_reference_on_numpy_and_under_jit(seed):
    batch = random_batch(seed)
    expected = by_reference(batch)
    assert min(expected.values()) > 0  # every count is put to the test
    assert as_integers(localization_counts(**batch)) == expected
    assert as_integers(localization_counts(**jax.tree.map(jnp.asarray, batch))) == expected
    assert as_integers(compiled(batch)) == expected


def test_fewer_guesses_than_five():
    batch = random_batch(9, guesses=2, classes=2)
    counts = localization_counts(**batch)
    assert as_integers(counts) == by_reference(batch)
    assert counts.top5 == counts.images  # both of two classes are guessed


def one_image(*, label, guesses, truth, true_class_box=(0, 0, 1, 1), mask=True, whole_image=False):
    """A batch of one: guesses [(class, box)], truth [box]."""
    return localization_counts(
        np.array([label]),
        np.array([[guess for guess, _ in guesses]]),
        np.array([[box for _, box in guesses]], np.float32),
        np.array([true_class_box], np.float32),
        targets=np.array([truth or [(0, 0, 9, 9)]], np.float32),
        target_mask=np.array([[bool(truth)] * max(len(truth), 1)]),
        mask=np.array([mask]),
        whole_image=np.array([whole_image]),
    )


HALF, JUST_UNDER, FULL, FAR = (0, 0, 8, 4), (0, 0, 8, 3.999), (0, 0, 8, 8), (20, 20, 28, 28)


@pytest.mark.parametrize(
    "case, expected",
    [
        ({"label": 2, "guesses": [(2, HALF)], "truth": [FULL]}, (1, 1, 1, 1)),
        ({"label": 2, "guesses": [(2, JUST_UNDER)], "truth": [FULL]}, (1, 1, 0, 0)),
        ({"label": 2, "guesses": [(1, FULL), (2, FULL)], "truth": [FULL]}, (0, 1, 0, 1)),
        ({"label": 2, "guesses": [(1, FULL), (2, FAR)], "truth": [FULL]}, (0, 1, 0, 0)),  # right box, wrong class
        ({"label": 2, "guesses": [(2, FAR), (1, FULL)], "truth": [FULL]}, (1, 1, 0, 0)),
        ({"label": 2, "guesses": [(2, FAR)], "truth": [FULL, FAR]}, (1, 1, 1, 1)),  # any of several boxes will do
        ({"label": 2, "guesses": [(0, FULL), (1, FULL)], "truth": [FULL]}, (0, 0, 0, 0)),
        ({"label": 2, "guesses": [(2, FULL)], "truth": []}, (1, 1, 0, 0)),
    ],
)
def test_verdicts_checked_by_hand(case, expected):
    counts = one_image(**case)
    assert (counts.top1, counts.top5, counts.top1_loc, counts.top5_loc) == expected


@pytest.mark.parametrize("box, right", [(HALF, 1), (JUST_UNDER, 0), (FAR, 0), ((np.nan,) * 4, 0), ((4, 4, 4, 4), 0)])
def test_gt_known_asks_for_the_true_class_whatever_was_guessed(box, right):
    counts = one_image(label=2, guesses=[(1, FAR)], truth=[FULL, FULL], true_class_box=box)
    assert (counts.gt_known, counts.top5_loc) == (right, 0)


def test_without_boxes_an_image_counts_for_classification_alone():
    counts = one_image(label=2, guesses=[(2, FULL)], truth=[], true_class_box=FULL)
    assert (counts.images, counts.boxed, counts.gt_known) == (1, 0, 0)
    assert rates(counts) == {"top1": 100.0, "top5": 100.0}


def test_a_padded_row_counts_for_nothing():
    counts = one_image(label=2, guesses=[(2, FULL)], truth=[FULL], true_class_box=FULL, mask=False, whole_image=True)
    assert as_integers(counts) == dict.fromkeys(LocalizationCounts._fields, 0)


def test_a_padded_target_is_no_target():
    boxes = np.array([[FULL]], np.float32)
    assert not localized(boxes, boxes, np.array([[False]])).any()


@pytest.mark.parametrize("cuts", [(13,), (1, 2, 150), (0, 20)])
def test_parts_merged_are_the_whole(cuts):
    batch = random_batch(5)
    pieces = zip(*(np.split(batch[name], cuts) for name in ARRAYS), strict=True)
    parts = [localization_counts(**dict(zip(ARRAYS, piece, strict=True))) for piece in pieces]
    whole = localization_counts(**batch)
    assert jax.tree.map(lambda *counts: sum(counts), *parts) == whole
    twice = jax.tree.map(jnp.add, compiled(batch), compiled(batch))
    assert jax.tree.map(int, twice) == jax.tree.map(lambda count: 2 * int(count), whole)


def test_rates_are_percentages_of_their_own_denominators():
    counts = LocalizationCounts(images=8, boxed=5, top1=2, top5=6, gt_known=4, top1_loc=1, top5_loc=3, whole_image=1)
    assert rates(counts) == {"top1": 25.0, "top5": 75.0, "gt_known": 80.0, "top1_loc": 20.0, "top5_loc": 60.0}


def test_rates_of_no_image():
    with pytest.raises(ValueError, match="got no image"):
        rates(LocalizationCounts(*[0] * 8))


def test_average_precision_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(0)
    scores, relevant = random.integers(0, 9, 40) / 4, random.random(40) < 0.3  # with ties
    assert average_precision(scores, relevant) == pytest.approx(average_precision_score(relevant, scores))
    with pytest.raises(ValueError, match="relevant: got none"):
        average_precision(scores, np.zeros(40, bool))
