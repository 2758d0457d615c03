"""jaxcam.report.table and contact_sheet: what the table says, what the JSON keeps, what is drawn where."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxcam.metrics import LocalizationCounts
from jaxcam.report.contact_sheet import Sample, save_contact_sheet
from jaxcam.report.table import Baselines, Report, save_table
from jaxcam.report.thresholds import Thresholds

COUNTS = LocalizationCounts(images=8, boxed=5, top1=2, top5=6, gt_known=4, top1_loc=1, top5_loc=3, whole_image=2)
BASELINES = Baselines(whole_image=2, centred_box=3, centred_share=0.75, random_map=1)
REPORT = Report(COUNTS, 200, (48, 64), "paper", 0.35, BASELINES, "tiny_imagenet val", "tiny_imagenet")


def row(text, name):
    """Accuracy and error in the table's row of that name."""
    (line,) = [line for line in text.splitlines() if f"{name}  " in line]
    accuracy, _interval, error = line.split()[-3:]
    return [accuracy, error]


def test_table_shows_accuracy_and_error_side_by_side():
    text = str(REPORT)
    assert row(text, "top-1") == ["25.00", "75.00"]
    assert row(text, "top-5") == ["75.00", "25.00"]
    assert row(text, "GT-known") == ["80.00", "20.00"]
    assert row(text, "top-1 Loc") == ["20.00", "80.00"]
    assert row(text, "top-5 Loc") == ["60.00", "40.00"]
    assert row(text, "whole image") == ["40.00", "60.00"]
    assert row(text, "centred box") == ["60.00", "40.00"]
    assert row(text, "random map") == ["20.00", "80.00"]


def test_table_shows_the_interval():
    counts = COUNTS._replace(images=10000, top1=3915, boxed=10000)
    (line,) = [line for line in str(replace(REPORT, counts=counts)).splitlines() if "top-1  " in line]
    low, high = map(float, line.split()[-2].split(".."))
    # The normal approximation, for so many images.
    half = 1.96 * (39.15 * 60.85 / 10000) ** 0.5
    assert (low, high) == pytest.approx((39.15 - half, 39.15 + half), abs=0.02)


def test_table_says_how_it_was_measured():
    text = str(REPORT)
    assert text.startswith("tiny_imagenet val · tiny_imagenet: 8 images, 200 classes\n")
    assert 'squashed to 48x64; box rule "paper" at threshold 0.35' in text
    assert "whose box is the whole image: 2" in text
    assert "0.75 of the image's sides, the best share on these very images" in text
    assert "3 of the images have no ground-truth box" in text


def test_table_says_which_protocol():
    crops = str(replace(REPORT, views="ten_crop", canvas=(55, 73), rule="release", threshold=None))
    assert 'squashed to 55x73; ten crops of 48x64; box rule "release", right from IoU 0.5' in crops
    assert "two boxes of the first class, two of the second and one of the third" in crops
    stretched = str(replace(REPORT, rule="wsol", box_grid="image", method="saliency"))
    assert 'maps by saliency; box rule "wsol" at threshold 0.35 in the image\'s own pixels' in stretched
    assert "nothing above zero" not in stretched
    best = str(replace(REPORT, best_thresholds={"max_box_acc": (0.3,), "max_box_acc_v2": (0.4, 0.3, 0.2)}))
    assert "MaxBoxAcc is at the threshold 0.3, the best on these very images." in best
    assert "MaxBoxAccV2 is at the thresholds 0.4, 0.3, 0.2, the best" in best


def test_table_leaves_out_what_does_not_apply():
    plain = replace(
        REPORT, baselines=None, counts=COUNTS._replace(boxed=0, gt_known=0, top1_loc=0, top5_loc=0, whole_image=0)
    )
    assert "GT-known" not in str(plain)
    assert "threshold" not in str(plain)
    assert "localization is not measured" in str(plain)
    clean = str(replace(REPORT, counts=COUNTS._replace(whole_image=0, images=5, top5=5)))
    assert "above zero" not in clean
    assert "no ground-truth box" not in clean
    for report in (REPORT, plain):  # no matter whether there are boxes
        assert "Top-5 counts" not in str(report)
        assert "Top-5 counts all 3 classes." in str(replace(report, num_classes=3))


def test_saved_figures_are_those_of_the_report(tmp_path):
    save_table(REPORT, tmp_path / "new")
    kept = json.loads((tmp_path / "new/report.json").read_text())
    expected = {"top1_accuracy": (25, 8), "top5_accuracy": (75, 8), "gt_known": (80, 5), "top1_localization": (20, 5)}
    expected |= {"top5_localization": (60, 5), "gt_known_whole_image": (40, 5), "gt_known_centered_box": (60, 5)}
    expected |= {"gt_known_random_map": (20, 5)}
    assert {name: (figure["value"], figure["n"]) for name, figure in kept["figures"].items()} == expected
    # Of Binomial(5, .8): a chance of .0067 for at most 1, .0579 for at most 2.
    assert kept["figures"]["gt_known"] == {"value": 80.0, "low": 40.0, "high": 100.0, "n": 5}
    assert LocalizationCounts(**kept["counts"]) == COUNTS
    assert Baselines(**kept["baselines"]) == BASELINES
    assert [kept[name] for name in ("dataset", "checkpoint", "box_rule", "threshold", "image_size", "num_classes")] == [
        "tiny_imagenet val",
        "tiny_imagenet",
        "paper",
        0.35,
        [48, 64],
        200,
    ]
    assert (tmp_path / "new/report.txt").read_text() == f"{REPORT}\n"
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["report.json", "report.txt"]


def test_of_equal_thresholds_the_smallest_is_best(tmp_path):
    curve = Thresholds(values=(0.1, 0.2, 0.3, 0.4), gt_known=(10.0, 55.0, 55.0, 20.0), images=20)
    assert curve.best == 0.2
    assert [line.split()[:2] for line in str(curve).splitlines() if "best" in line] == [["0.20", "55.00"]]
    save_table(curve, tmp_path, name="thresholds")
    assert json.loads((tmp_path / "thresholds.json").read_text()) == {
        "best": 0.2,
        "values": [0.1, 0.2, 0.3, 0.4],
        "gt_known": [10.0, 55.0, 55.0, 20.0],
        "images": 20,
    }


def sample(**changes):
    parts = {
        "photo": np.full((40, 60, 3), 200, np.uint8),
        "map": np.zeros((40, 60), np.float32),
        "box": np.array([5, 5, 30, 30], np.float32),
        "truth": np.array([[10, 8, 50, 36]], np.float32),
        "guess": "cat",
        "probability": 0.5,
        "label": "cat",
        "class_right": True,
        "box_right": True,
    }
    return Sample(**{**parts, **changes})


NO_TRUTH = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({}, "right"),
        ({"box_right": False}, "right class, wrong box"),
        ({"class_right": False}, "wrong class, right box"),
        ({"class_right": False, "box_right": False}, "wrong"),
        ({"truth": NO_TRUTH, "box_right": False}, "right"),
        ({"truth": NO_TRUTH, "class_right": False, "box_right": False}, "wrong"),
    ],
)
def test_verdicts(changes, verdict):
    assert sample(**changes).verdict == verdict


def greenish(path):
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return (pixels[..., 1] > pixels[..., 0] + 100) & (pixels[..., 1] > pixels[..., 2] + 60)


def test_contact_sheet_draws_the_ground_truth_where_there_is_one(tmp_path):
    wrong = {"class_right": False, "box_right": False}  # its heading is not green
    save_contact_sheet(tmp_path / "none.png", [sample(truth=NO_TRUTH, **wrong)] * 5)
    assert not greenish(tmp_path / "none.png").any()
    save_contact_sheet(tmp_path / "one.png", [sample(truth=NO_TRUTH, **wrong)] * 4 + [sample(**wrong)])
    rows, columns = np.nonzero(greenish(tmp_path / "one.png"))
    height, width = greenish(tmp_path / "one.png").shape
    assert rows.min() > height / 2  # the fifth stands first in the second row
    assert columns.max() < width / 4
    # A box of 40 x 28 pixels, undistorted.
    assert (columns.max() - columns.min()) / (rows.max() - rows.min()) == pytest.approx(40 / 28, rel=0.05)


def test_contact_sheet_takes_any_name(tmp_path):
    save_contact_sheet(tmp_path / "names.png", [sample(guess="猫 $x_1$", label="a very long name of a class " * 3)])
    assert [file.name for file in tmp_path.iterdir()] == ["names.png"]
    with pytest.raises(ValueError, match="samples: got none"):
        save_contact_sheet(tmp_path / "empty.png", [])


def test_a_long_curve_is_thinned_but_for_its_best():
    values = tuple(percent / 100 for percent in range(5, 96))
    accuracies = [10.0] * 91
    accuracies[33] = 60.0
    lines = str(Thresholds(values, tuple(accuracies), 5)).splitlines()[1:]
    shown = [float(line.split()[0]) for line in lines]
    assert shown == sorted({*values[::5], 0.38})
    assert [line for line in lines if "best" in line] == [line for line in lines if "60.00" in line]
