"""jaxcam.report.devkit_files, and the ILSVRC errors of what it writes, by a restatement of the development kit."""

import numpy as np
import pytest

from jaxcam.class_names import class_names, ilsvrc2012_id
from jaxcam.metrics import localization_counts
from jaxcam.report.devkit_files import read_predictions, write_predictions
from tests.reference import devkit

IDS = class_names(1000)[1]


def random_images(seed, *, images=300, classes=6, most_guesses=5):
    """Guesses (n, k) with -1 where there are fewer, half-open boxes (n, k, 4) and [(x0, y0, x1, y1)] of each image.

    Corners lie on a coarse grid of half pixels, so that IoU is often exactly .5, of this or the other rounding.
    """
    rng = np.random.default_rng(seed)

    def corners(*shape):
        low = rng.integers(0, 5, (*shape, 2)) / 2
        return np.concatenate([low, low + rng.integers(2, 9, (*shape, 2)) / 2], axis=-1).astype(np.float32)

    order = rng.permuted(np.tile(np.arange(classes), (images, 1)), axis=1)[:, :most_guesses]
    given = np.arange(most_guesses) < rng.integers(1, most_guesses + 1, (images, 1))
    truth = [corners(rng.integers(1, 4)) for _ in range(images)]
    return {
        "labels": rng.integers(0, classes, images),
        "guesses": np.where(given, order, -1),
        "boxes": corners(images, most_guesses),
        "truth": truth,
        "blacklist": set((np.flatnonzero(rng.random(images) < 0.1) + 1).tolist()),
    }


def our_errors(images, most_guesses):
    """From the counts; a blacklisted image comes without boxes."""
    n, width = len(images["labels"]), 3
    targets, target_mask = np.zeros((n, width, 4), np.float32), np.zeros((n, width), bool)
    for row, boxes in enumerate(images["truth"]):
        if row + 1 not in images["blacklist"]:
            targets[row, : len(boxes)], target_mask[row, : len(boxes)] = boxes, True
    counts = localization_counts(
        images["labels"],
        images["guesses"][:, :most_guesses],
        images["boxes"][:, :most_guesses],
        images["boxes"][:, 0],
        targets=targets,
        target_mask=target_mask,
        mask=np.ones(n, bool),
        whole_image=np.zeros(n, bool),
    )
    return 1 - counts.top5 / counts.images, 1 - counts.top5_loc / counts.boxed


def errors_of_file(path, images, most_guesses):
    """What the development kit says of a file, its ground truth being the same images."""
    labels = [ilsvrc2012_id(IDS[label]) for label in images["labels"]]
    objects = [
        [(label, (x0, y0, x1 - 1, y1 - 1)) for x0, y0, x1, y1 in boxes.tolist()]
        for label, boxes in zip(labels, images["truth"], strict=True)
    ]
    table = devkit.read_numbers(path.read_text())
    return devkit.errors(table, np.array(labels), objects, images["blacklist"], most_guesses)


def write(path, images):
    write_predictions(path, images["guesses"], images["boxes"], class_ids=IDS)
    return path


@pytest.mark.core
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most_guesses", [1, 3, 5])
def test_errors_equal_the_development_kits(tmp_path, seed, most_guesses):
    images = random_images(seed)
    assert (images["guesses"] == -1).any()
    assert images["blacklist"]
    expected = errors_of_file(write(tmp_path / "a.pred.loc.txt", images), images, most_guesses)
    assert 0 < expected[0] < expected[1] < 1
    assert our_errors(images, most_guesses) == pytest.approx(expected, abs=1e-12)


HALF, JUST_UNDER, FULL, FAR = (0, 0, 8, 4), (0, 0, 8, 3.999), (0, 0, 8, 8), (20, 20, 28, 28)


@pytest.mark.parametrize(
    "guesses, boxes, truth, blacklist, expected",
    [
        ([3], [HALF], [FULL], set(), (0, 0)),  # IoU of exactly .5
        ([3], [JUST_UNDER], [FULL], set(), (0, 1)),
        ([3], [FAR], [FULL, FAR], set(), (0, 0)),  # any of several boxes
        ([2, 3], [FULL, FULL], [FULL], set(), (0, 0)),
        ([2, 4], [FULL, FULL], [FULL], set(), (1, 1)),
        ([2, 3], [FULL, FAR], [FULL], set(), (0, 1)),  # class by one guess, box by another
        ([3], [(np.nan,) * 4], [FULL], set(), (0, 1)),
        ([3], [(4, 4, 4, 4)], [FULL], set(), (0, 1)),  # an empty box
        ([2], [FAR], [FULL], {1}, (0.5, 0)),  # blacklisted: wrong in class alone, of two images
    ],
)
def test_verdicts_checked_by_hand(tmp_path, guesses, boxes, truth, blacklist, expected):
    images = {
        "labels": np.array([3] * (1 + len(blacklist))),
        "guesses": np.array([guesses, [3] + [-1] * (len(guesses) - 1)][: 1 + len(blacklist)]),
        "boxes": np.array([boxes, [FULL] * len(boxes)][: 1 + len(blacklist)], np.float32),
        "truth": [np.array(truth, np.float32)] * (1 + len(blacklist)),
        "blacklist": blacklist,
    }
    assert our_errors(images, 5) == expected
    assert errors_of_file(write(tmp_path / "a.pred.loc.txt", images), images, 5) == expected


def test_the_lines_checked_by_hand(tmp_path):
    """n01440764 is 449 and n02119789 is 1; xmax and ymax are the last pixels, the first pixel is 0."""
    boxes = np.array([[[0, 0, 500, 375], [1, 2, 3, 4]], [[0.25, 7, 12.125, 9], [np.nan, 0, 9, 9]]], np.float32)
    path = tmp_path / "new" / "demo.pred.loc.txt"
    write_predictions(path, np.array([[0, 1], [1, 0]]), boxes, class_ids=["n01440764", "n02119789"])
    assert path.read_text() == "449 0 0 499 374 1 1 2 2 3\n1 0.25 7 11.125 8 449 0 0 -1 -1\n"
    guesses, found = read_predictions(path, class_ids=["n01440764", "n02119789"])
    assert guesses.tolist() == [[0, 1, -1, -1, -1], [1, 0, -1, -1, -1]]
    np.testing.assert_array_equal(found[:, :2], np.where(np.isnan(boxes).any(-1, keepdims=True), 0, boxes))


def test_what_is_written_is_read_back_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    guesses = np.where(np.arange(5) < rng.integers(1, 6, (500, 1)), rng.integers(0, 1000, (500, 5)), -1)
    low = rng.uniform(0, 4000, (500, 5, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 4000, low.shape)], axis=-1).astype(np.float32)
    boxes *= rng.choice(np.array([1, 0.1, 1e-3], np.float32), boxes.shape[:2])[..., None]
    write_predictions(tmp_path / "a.txt", guesses, boxes, class_ids=IDS)
    read_guesses, read_boxes = read_predictions(tmp_path / "a.txt", class_ids=IDS)
    np.testing.assert_array_equal(read_guesses, guesses)
    np.testing.assert_array_equal(read_boxes[guesses >= 0], boxes[guesses >= 0])
    assert not read_boxes[guesses < 0].any()


def test_files_of_others_are_read_as_the_scripts_read_them(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 0 0 9 9 0 0 0 0 0 2  3 4 5 6 \n" + "1 0 0 9 9 " * 6 + "\n1.0\t0.0\t0.0\t9.5\t9.0\r\n")
    guesses, boxes = read_predictions(path, class_ids=IDS)
    kit_fox = IDS.index("n02119789")
    assert guesses[0].tolist() == [kit_fox, -1, IDS.index("n02100735"), -1, -1]
    assert boxes[0].tolist() == [[0, 0, 10, 10], [0] * 4, [3, 4, 6, 7], [0] * 4, [0] * 4]
    assert guesses[1].tolist() == [kit_fox] * 5
    assert boxes[2, 0].tolist() == [0, 0, 10.5, 10]


@pytest.mark.parametrize(
    "text, message",
    [
        ("1 0 0 9 9\n1 0 0 9\n", "line 2: got 4 numbers"),
        ("1 0 0 9 9\n\n1 0 0 9 9\n", "line 2: got 0 numbers"),
        ("1 0 0 nine 9\n", "line 1: got '1 0 0 nine 9'"),
        ("1001 0 0 9 9\n", "line 1: got label 1001"),
        ("-1 0 0 9 9\n", "got label -1"),
        ("1.5 0 0 9 9\n", r"got label 1\.5"),
        ("nan 0 0 9 9\n", "got label nan"),
    ],
)
def test_damaged_files(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "a.txt", class_ids=IDS)


def test_refusals_leave_no_file(tmp_path):
    path, boxes = tmp_path / "a.txt", np.zeros((2, 2, 4), np.float32)
    with pytest.raises(ValueError, match="got 6 an image"):
        write_predictions(path, np.zeros((1, 6), int), np.zeros((1, 6, 4)), class_ids=IDS)
    with pytest.raises(ValueError, match="got class 1000 of 1000"):
        write_predictions(path, np.array([[0, 1], [2, 1000]]), boxes, class_ids=IDS)
    with pytest.raises(ValueError, match="got none for image 1"):
        write_predictions(path, np.array([[0, 1], [-1, -1]]), boxes, class_ids=IDS)
    with pytest.raises(ValueError, match="none of ILSVRC's 1000"):
        write_predictions(path, np.array([[0, 1], [0, 1]]), boxes, class_ids=["cat", "dog"])
    assert not list(tmp_path.iterdir())
