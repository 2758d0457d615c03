"""The figures of an evaluation from single images and lines, by OpenCV, NumPy and ILSVRC's development kit."""

import json
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.box_rules.wsol_sweep import THRESHOLDS
from jaxcam.class_names import ilsvrc2012_id
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example, ilsvrc, wsol
from jaxcam.evaluation.files import save_report
from jaxcam.evaluation.journal import write_lines
from tests.colour_network import colour_params
from tests.made_data import annotation, make_ilsvrc, make_wsol_masks
from tests.random_network import random_params
from tests.reference import devkit, pixel_precision
from tests.reference import wsol as benchmark
from tests.small_evaluation import CLASSES, SIZE, run, small_params, squashed, write_images


@pytest.fixture(scope="module")
def params():
    return small_params()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def report(params, dataset):
    return run(params, dataset)


def framed_map(params, example):
    """The map of an image's own class in the benchmark's frame, in float64, by OpenCV."""
    cells = jaxcam.cam(params, squashed(example.path, SIZE)[0], example.label, size="cells", image_size=SIZE)
    return cv2.resize(np.asarray(cells, np.float64), (224, 224), interpolation=cv2.INTER_CUBIC)


def framed_targets(example):
    """Its ground truth there, half-open: carried over as inclusive corners of whole pixels."""
    with Image.open(example.path) as file:
        inclusive = [(int(x0), int(y0), int(x1) - 1, int(y1) - 1) for x0, y0, x1, y1 in example.boxes]
        targets = [benchmark.framed(box, file.size, (224, 224)) for box in inclusive]
    return [(x0, y0, x1 + 1, y1 + 1) for x0, y0, x1, y1 in targets]


@pytest.mark.core
def test_max_box_accuracy_equals_the_direct_sweep(params, dataset, report):
    right, boxed = np.zeros((2, 3, len(THRESHOLDS)), int), [example for example in dataset if example.boxes]
    for example in boxed:
        grey, targets = benchmark.grey_map(framed_map(params, example)), framed_targets(example)
        for place, threshold in enumerate(THRESHOLDS):
            largest, contours = benchmark.contour_boxes(grey, threshold)
            for row, boxes in enumerate(([largest], contours)):
                best = max(benchmark.inclusive_iou(box, target) for box in boxes for target in targets)
                right[row, :, place] += [best >= least for least in (0.3, 0.5, 0.7)]
    v1, v2 = 100 * right[0, 1] / len(boxed), 100 * right[1] / len(boxed)
    assert report.figures["max_box_acc"].value == v1.max()
    assert report.figures["max_box_acc_v2"].value == pytest.approx(v2.max(axis=1).mean())
    assert report.best_thresholds == {
        "max_box_acc": (THRESHOLDS[v1.argmax()],),
        "max_box_acc_v2": tuple(THRESHOLDS[place] for place in v2.argmax(axis=1)),
    }
    for curve, expected in zip(report.curves.values(), [v1, *v2], strict=True):
        np.testing.assert_allclose(curve.percent, expected)
    # The case is worth its name: every curve rises and falls, and each is another.
    assert all(len(set(curve)) > 3 for curve in [v1, *v2])
    assert len({tuple(curve) for curve in [v1, *v2]}) == 4


def test_pixel_precision_equals_its_restatement(params, tmp_path):
    given = wsol(make_wsol_masks(tmp_path), split="val", images=tmp_path / "photos", masks=tmp_path / "masks")
    bare = Example(given[2].path, given[2].label)
    report = run(params, Dataset((*given.examples[:2], bare, *given.examples[3:]), given.classes))
    masked = [example for example in given if example.path != bare.path]
    maps = np.array([framed_map(params, example) for example in masked])
    truth = np.array([benchmark.truth(example.masks, example.ignored, (224, 224)) for example in masked])
    figure = report.figures["pxap"]
    assert figure.value == pytest.approx(pixel_precision.average_precision(maps, truth), abs=1e-3)
    assert figure.low < figure.value < figure.high
    assert 10 < figure.value < 90
    assert (figure.n, report.counts.images, report.counts.boxed, report.baselines) == (5, 6, 0, None)
    assert list(report.figures) == ["top1_accuracy", "top5_accuracy", "pxap"]


def test_masks_that_show_nothing(params, tmp_path):
    """Resamples of them alone have no PxAP, and take no part in its interval; all of them have none at all."""
    given = wsol(make_wsol_masks(tmp_path), split="val", images=tmp_path / "photos", masks=tmp_path / "masks")
    for index in range(6):
        figure = run(params, given).figures["pxap"]
        assert 0 < figure.low <= figure.value <= figure.high < 100
        for kind in ("one", "two"):
            Image.new("1", (80, 60)).save(tmp_path / f"masks/{index}_{kind}.png")
    with pytest.raises(ValueError, match="masks: none of them shows a pixel of its object"):
        run(params, given)


def test_pointing_game_is_the_share_of_hits(report):
    hits = [line["pointing_game"] for line in report.predictions if "pointing_game" in line]
    assert report.figures["pointing_game"][::3] == (10.0 * sum(hits), 10)
    assert 0 < sum(hits) < 10


def test_classes_sum_to_the_whole(report, dataset):
    assert list(report.classes) == ["ant", "bee", "cat", "emu", "gnu"]
    assert tuple(map(sum, zip(*report.classes.values(), strict=True))) == report.counts
    assert all(0 < count < 10 for count in report.counts[2:])
    for name, counts in report.classes.items():
        lines = [line for line in report.predictions if CLASSES[line["label"]] == name]
        boxed = [line for line in lines if dataset[line["index"]].boxes]
        right = [[g["label"] == line["label"] and g["iou"] >= 0.5 for g in line["guesses"]] for line in boxed]
        assert counts._asdict() == {
            "images": len(lines),
            "boxed": len(boxed),
            "top1": sum(line["top5"][0] == line["label"] for line in lines),
            "top5": sum(line["label"] in line["top5"] for line in lines),
            "gt_known": sum(line["true_class"]["iou"] >= 0.5 for line in boxed),
            "top1_loc": sum(flags[0] for flags in right),
            "top5_loc": sum(map(any, right)),
            "whole_image": sum(line["true_class"]["nothing"] for line in lines),
        }


def objects_of(path):
    """(ILSVRC2012_ID, inclusive corners) of each object of an XML file."""
    return [
        (ilsvrc2012_id(entry.findtext("name")), [float(corner.text) for corner in entry.find("bndbox")])
        for entry in ET.parse(path).iter("object")
    ]


@pytest.mark.slow
def test_the_development_kit_finds_the_reports_errors(tmp_path):
    home = make_ilsvrc(tmp_path, 8)
    notes = sorted((home / "ILSVRC/Annotations/CLS-LOC/val").iterdir())
    for number, path in enumerate(notes):
        name = ET.parse(path).findtext("object/name")
        path.write_text(annotation([(name, (0, 0, 9, 9)), (name, (0, 0, 79, 19 + 5 * number))]))
    given = ilsvrc(home)
    card = jaxcam.Card(classes=given.classes, class_ids=given.class_ids, image_size=(32, 32), threshold=0.4)
    jaxcam.save(random_params(card), home / "net")
    (home / "blacklist.txt").write_text("3\n8\n")
    objects, errors = [objects_of(path) for path in notes], []
    labels = np.array([of_image[0][0] for of_image in objects])
    for blacklist in ((), (3, 8)):
        arguments = ["--data-dir", home, "--checkpoint", home / "net", "--batch-size", 4, "--gallery", 0]
        arguments += ["--blacklist", home / "blacklist.txt"] * bool(blacklist)
        assert main(["evaluate", "ilsvrc", *map(str, arguments), "--out", str(home / "report")]) == 0
        figures = json.loads((home / "report/report.json").read_text())["figures"]
        table = devkit.read_numbers((home / "report/report.pred.loc.txt").read_text())
        for most in (1, 5):
            wrong, missed = devkit.errors(table, labels, objects, blacklist, most)
            assert figures[f"top{most}_accuracy"]["value"] == pytest.approx(100 - 100 * wrong)
            assert figures[f"top{most}_localization"]["value"] == pytest.approx(100 - 100 * missed)
            errors += [wrong, missed]
    assert all(0 < error < 1 for place, error in enumerate(errors) if place not in (2, 6))  # top-5 of three classes: 0
    assert len({*errors[1::2]}) == 4


def test_lines_for_the_development_kit_are_in_its_order(tmp_path):
    """By the images' numbers, whatever the data set's order; where one is missing there is no file."""
    given = ilsvrc(make_ilsvrc(tmp_path))
    params = colour_params(given.classes, given.class_ids)

    def written(dataset):
        files = save_report(run(params, dataset), dataset, tmp_path / "out")
        path = tmp_path / "out/report.pred.loc.txt"
        assert path.exists() == (path.name in files)
        return path.read_text() if path.exists() else None

    expected = written(given)
    assert len(set(expected.splitlines())) == 6
    assert written(given[::-1]) == expected
    assert written(given[1:]) is None
    assert written(given.spread(3)) is None
    assert "report.pred.loc.txt" not in save_report(run(params, given.spread(3)), given, tmp_path / "out")
    assert written(ilsvrc(tmp_path, split="train")) is None


def test_a_map_with_a_nan_is_a_miss_that_shows(params, dataset, tmp_path):
    kernel = params.variables["kernel"].at[:, 1].set(np.nan)
    broken = params.replace(variables={**params.variables, "kernel": kernel})
    found = run(broken, dataset)
    (line, *_) = [line for line in found.predictions if line["label"] == 1 and dataset[line["index"]].boxes]
    assert line["true_class"] == {"box": [None] * 4, "iou": 0.0, "nothing": False}
    assert line["point"] == [None, None]
    assert found.classes["bee"].gt_known == 0
    write_lines(tmp_path / "predictions.jsonl", found.predictions)
    assert json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[line["index"]]) == line
