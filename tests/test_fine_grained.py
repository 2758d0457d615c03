"""Fine-grained recognition: pooled features, crops, SVMs, boxes of their maps, and the script that reports them."""

import json
import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.applications import cam_boxes, fine_grained, fit_svm, pooled, pooled_features, recognize
from jaxcam.applications.fine_grained import show_recognition
from jaxcam.applications.keeping import kept_boxes, kept_features
from jaxcam.batches import batches
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example, cub
from jaxcam.image_files import read_image
from jaxcam.metrics import LocalizationCounts
from jaxcam.report.published import cub_table, recognition_table
from jaxcam.report.table import Figure, Report
from tests.made_data import COLOURS, make_cub, photo
from tests.random_network import random_params

SCRIPT = Path(__file__).parents[1] / "scripts/evaluate_cub.py"
SPECIES = ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Six test and fourteen training images, a rectangle of the class's colour on grey in each."""
    return make_cub(tmp_path_factory.mktemp("cub"), 20)


@pytest.fixture(scope="module")
def parts(home):
    return cub(home, split="train"), cub(home, split="test")


@pytest.fixture(scope="module")
def colours():
    """A network whose features are the colours of 16x20 cells, each above its share of the grey."""
    return jaxcam.from_functions(
        lambda _, images: jax.nn.relu(images - images.mean(-1, keepdims=True) - 0.05),
        lambda _, features: features.mean((1, 2)),
        card=jaxcam.Card(SPECIES, image_size=(60, 80), preprocessing=jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))),
    )


def test_crops_are_rounded_outwards_and_clipped(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    dataset = Dataset((Example(tmp_path / "a.png", 0),) * 4, ("a",))
    crops = np.array([[3.2, 4.9, 7.1, 8.0], [-5, -1, 40, 50], [29.5, 19.5, 35, 36], [8, 8, 8, 8]], np.float32)
    expected = [pixels[4:8, 3:8], pixels, pixels[19:20, 29:30], pixels[8:9, 8:9]]
    (batch,) = batches(dataset, batch_size=4, image_size=(4, 5), crops=crops)
    for image, crop in zip(batch.images, expected, strict=True):
        np.testing.assert_array_equal(image, Image.fromarray(crop).resize((5, 4), Image.Resampling.BILINEAR))
    assert batch.sizes.tolist() == [[20, 30]] * 4
    with pytest.raises(ValueError, match="crops: got 3 for 4 images"):
        batches(dataset, batch_size=4, image_size=(4, 5), crops=crops[:3])


def test_features_are_the_mean_of_the_cells(colours, parts):
    """In order, whatever the batch; of a crop, those of what it holds."""
    test = parts[1]
    photos = np.stack([read_image(example.path) for example in test])
    expected = np.asarray(jaxcam.features(colours, photos)).mean((1, 2))
    found = pooled_features(colours, test, batch_size=4, progress=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    inner = [[x0 + 3, y0 + 3, x1 - 3, y1 - 3] for ((x0, y0, x1, y1),) in (example.boxes for example in test)]
    found = pooled_features(colours, test, crops=np.array(inner, np.float32), batch_size=4, progress=False)
    own = np.array([np.maximum(np.array(colour) - np.mean(colour), 0) / 255 for colour in COLOURS])
    np.testing.assert_allclose(found, [own[example.label] for example in test], atol=0.08)
    assert found.argmax(1).tolist() == [0, 1, 2] * 2


@pytest.mark.parametrize("count", [2, 3])
def test_svm_scores_are_those_of_scikit_learn(count):
    """Of overlapping clusters, whose labels are no 0, 1, 2..."""
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(1)
    labels = np.repeat([4, 7, 9][:count], 20)
    features = (random.normal(size=(3, 5)).repeat(20, axis=0)[: len(labels)] + random.normal(size=(len(labels), 5))) * 3
    svm = fit_svm(features, labels)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    plain = LinearSVC(C=svm.penalty, dual=False).fit(unit, labels)
    found = svm.classes[svm.columns(features)]
    np.testing.assert_array_equal(found, plain.predict(unit))
    assert 0.7 < (found == labels).mean() < 1


def test_boxes_of_another_linear_layer(colours, parts):
    """Its map is of one colour, so its box is the rectangle, but for JPEG's soft edges; elsewhere it is empty."""
    test = parts[1]
    columns = np.array([example.label for example in test])
    found = cam_boxes(colours, test, np.eye(3), columns, threshold=0.5, progress=False)
    np.testing.assert_allclose(found, [example.boxes[0] for example in test], atol=1)


def test_three_svms_tell_coloured_squares_apart(colours, parts):
    found = recognize(colours, *parts, progress=False)
    assert found.figures == dict.fromkeys(
        ("full_image", "cam_crop", "ground_truth_crop", "localized"), Figure(100, 100, 100, 6)
    )
    assert list(found.penalties) == ["full_image", "cam_crop", "ground_truth_crop"]


def test_an_interrupted_recognition_goes_on(colours, parts, tmp_path, monkeypatch):
    """Cut off in passes of each kind, the same call makes the other batches alone, and finds the same."""
    made, every = [], pooled._batches

    def counted(*arguments):
        for batch in every(*arguments):
            if len(made) in (3, 6, 9, 16, 23):
                made.append(None)
                raise KeyboardInterrupt
            made.append(batch.index)
            yield batch

    expected = recognize(colours, *parts, progress=False)
    monkeypatch.setattr(pooled, "_batches", counted)
    run = partial(recognize, colours, *parts, batch_size=4, keep=tmp_path, progress=False)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run()
    found = run()
    # 4 + 2 batches of training and test images: their features, boxes and two kinds of crops; and the five cuts.
    assert len(made) == 4 * (4 + 2) + 5
    assert found[:3] == expected[:3]
    np.testing.assert_allclose(found.svm.kernel, expected.svm.kernel, rtol=1e-4, atol=1e-6)
    made[:] = [None] * 50
    boxed = parts[0], found.svm.kernel, found.svm.columns(kept_features(colours, parts[0], tmp_path))
    kept = kept_boxes(colours, boxed[0], tmp_path, *boxed[1:], threshold=found.threshold)
    assert len(made) == 50
    np.testing.assert_array_equal(kept, cam_boxes(colours, *boxed, threshold=found.threshold, progress=False))


def test_accuracy_counts_wrong_answers(colours, parts):
    """Two of the six test images with a wrong label, and one with a wrong box."""
    train, test = parts
    examples = list(test)
    for index in (0, 4):
        examples[index] = Example(examples[index].path, (examples[index].label + 1) % 3, examples[index].boxes)
    examples[2] = Example(examples[2].path, examples[2].label, ((50.0, 40.0, 80.0, 60.0),))
    found = recognize(colours, train, Dataset(tuple(examples), test.classes), progress=False)
    assert found.figures["full_image"].value == found.figures["cam_crop"].value == pytest.approx(100 * 4 / 6)
    assert found.figures["localized"].value == pytest.approx(100 * 5 / 6)


def test_without_true_boxes_their_figures_are_left_out(colours, parts):
    bare = (Dataset(tuple(Example(example.path, example.label) for example in part), part.classes) for part in parts)
    found = recognize(colours, *bare, progress=False)
    assert found.figures == dict.fromkeys(("full_image", "cam_crop"), Figure(100, 100, 100, 6))
    assert "no ground-truth boxes" in found.heading()
    lines = recognition_table(found.figures, published={}).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["SVM,", "full", "image", "100.00", "100.00..100.00"],
        ["SVM,", "CAM-box", "crop", "100.00", "100.00..100.00"],
    ]
    assert "published" not in lines[0]


@pytest.mark.slow
def test_pictures_show_the_boxes_that_images_were_cropped_to(colours, parts):
    found = recognize(colours, *parts, threshold=0.5, progress=False)
    samples = show_recognition(colours, parts[1], found, count=6)
    for sample, example in zip(samples, parts[1], strict=True):
        np.testing.assert_allclose(sample.box, example.boxes[0], atol=1.5)
        assert sample.guess == sample.label == SPECIES[example.label]
        assert sample.verdict == "right"


def test_mistakes(colours, parts, monkeypatch):
    """All are found before there are any features."""
    monkeypatch.setattr(fine_grained, "kept_features", lambda *_, **__: pytest.fail("a long pass"))
    train, test = parts
    bare = Dataset(tuple(Example(example.path, example.label) for example in test), test.classes)
    with pytest.raises(ValueError, match="got 0 boxes; give one an image to crop it to, or none to any"):
        recognize(colours, train, bare)
    with pytest.raises(ValueError, match="of other classes"):
        recognize(colours, train, Dataset(test.examples, ("a", "b", "c")))
    with pytest.raises(ValueError, match="6 images are in both"):
        recognize(colours, test, test)
    with pytest.raises(ValueError, match="threshold: got 0"):
        recognize(colours, train, test, threshold=0.0)
    with pytest.raises(ValueError, match="3 classes with images, and 1 of one of them"):
        recognize(colours, train[:3], test, progress=False)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.svm", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxcam\[applications\]'"):
        fit_svm(np.eye(4), np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="scikit-learn, which cannot be imported"):
        recognize(colours, train, test)


def test_tables():
    lines = recognition_table({"localized": Figure(44.25, 43.0, 45.5, 5794)}).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["63.00", "67.80", "70.50", "43.00..45.50"]
    assert lines[-1].split()[3:5] == ["41.00", "44.25"]
    assert len(lines[-1]) == len(lines[0])
    counts = LocalizationCounts(10, 0, 7, 9, 0, 0, 0, 0)
    bare = Report(
        counts, 200, (224, 224), "wsol", 0.2, checkpoint="a", further={"max_box_acc_v2": Figure(61.0, 60.0, 62.0, 9)}
    )
    full = replace(bare, counts=counts._replace(boxed=10, gt_known=5, top1_loc=4), checkpoint="b/c")
    lines = cub_table([("resnet50", bare), ("nin", full)]).splitlines()
    assert [line.split() for line in lines[3:7]] == [
        ["resnet50", "63.00"],
        ["a,", "here", "61.00", "70.00"],
        ["nin", "(b/c),", "here", "61.00", "50.00", "40.00", "70.00"],
        ["centred", "box", "59.70"],
    ]
    assert len(lines[4]) == len(lines[5]) == len(lines[0])
    assert lines[-1] == "b/c: 10 images, 200 classes; images squashed to 224x224"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "net"
    jaxcam.save(random_params(jaxcam.Card(SPECIES, image_size=(32, 32))), folder)
    return folder


@pytest.mark.slow
def test_command_recognizes_in_a_class_folder(home, checkpoint, tmp_path, capsys):
    """Without boxes, and with those of a list; what was drawn by which rule is told."""
    photos, lines = tmp_path / "photos", []
    for label in range(3):
        for number in range(6):
            photo(photos / f"{label}/{number}.png", label, (4 * number, 10, 4 * number + 30, 40))
            lines.append(f"{label}/{number}.png,{4 * number},10,{4 * number + 29},39")
    (tmp_path / "boxes.txt").write_text("\n".join(lines))
    arguments = ["recognize", "folder", "--data-dir", str(photos), "--checkpoint", str(checkpoint), "--train", "4"]
    arguments += ["--batch-size", "4", "--pictures", "4", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--boxes", str(tmp_path / "boxes.txt")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("folder: 12 images to train on, 6 to test on; 4 images of each class to train on")
    kept = json.loads((tmp_path / "out/recognition.json").read_text())
    assert (kept["dataset"], kept["train"], kept["test"]) == ("folder", 12, 6)
    assert (kept["boxes"], kept["on_error"]) == (str(tmp_path / "boxes.txt"), "stop")
    assert list(kept["figures"]) == ["full_image", "cam_crop", "ground_truth_crop", "localized"]
    assert kept["figures"]["full_image"] == {"value": 100, "low": 100, "high": 100, "n": 6}
    assert (tmp_path / "out/heatmaps.png").stat().st_size > 10_000
    assert main(arguments) == 0
    assert "no ground-truth boxes" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "out/recognition.json").read_text())["figures"]) == ["full_image", "cam_crop"]
    (photos / "2/5.png").write_bytes(b"no photo")
    assert main(arguments) == 2
    assert "--on-error skip leaves out" in capsys.readouterr().err
    (tmp_path / "boxes.txt").write_text(lines[0])
    assert main([*arguments, "--on-error", "skip", "--boxes", str(tmp_path / "boxes.txt")]) == 2
    assert "got 0 boxes; give one an image" in capsys.readouterr().err


@pytest.mark.slow
def test_command_recognizes_birds(home, checkpoint, tmp_path, capsys):
    arguments = ["recognize", "--data-dir", str(home), "--checkpoint", str(checkpoint), "--batch-size", "4"]
    assert main([*arguments, "--pictures", "0", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "cub: 14 images to train on, 6 to test on; its own lists of training and test images" in told
    assert "published" in told


@pytest.mark.slow
def test_script_reports_recognition(home, checkpoint, tmp_path, capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main((str(checkpoint),), home, out=tmp_path, recognition=True) == 0
    kept = json.loads((tmp_path / "net.recognition.json").read_text())
    assert (kept["box_rule"], kept["threshold"], kept["image_size"]) == ("paper", 0.2, [32, 32])
    assert set(kept["figures"]) == {"full_image", "cam_crop", "ground_truth_crop", "localized"}
    lines = capsys.readouterr().out.splitlines()
    assert f"{kept['figures']['localized']['value']:.2f}" in lines[-1].split()
    assert lines[0].endswith('32x32; box rule "paper" at threshold 0.2, right from IoU 0.5')


@pytest.mark.slow
def test_script_reports_localization(home, checkpoint, tmp_path, capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main((str(checkpoint),), home, out=tmp_path, batch_size=4) == 0
    kept = json.loads((tmp_path / "net/report.json").read_text())
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("resnet10 ("))
    assert f"{kept['figures']['gt_known']['value']:.2f}" in line.split()
    assert len(list((tmp_path / "net").glob("predictions.jsonl*"))) == 1


def test_sizes_are_height_and_width():
    found = fine_grained.Recognition({}, {}, 0.2, (48, 64))
    assert found.heading().startswith("images and crops squashed to 48x64; box rule")
