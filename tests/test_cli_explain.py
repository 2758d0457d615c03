"""`jaxcam explain`, run in this process on a tiny network: what it writes, prints and answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from skimage import data

import jaxcam
from jaxcam import photo_reports
from jaxcam.cli import main
from jaxcam.image_files import read_image
from jaxcam.photo_reports import find_label

CARD = jaxcam.Card(
    classes=("Egyptian cat", "tabby, tabby cat", "goldfish, Carassius auratus", "crane", "crane", "7"),
    class_ids=("n02124075", "n02123045", "n01443537", "n02012849", "n03126707", "n00000007"),
    image_size=(32, 32),
    threshold=0.3,
)


@pytest.fixture(scope="module")
def params():
    return jaxcam.init("resnet10", jax.random.key(3), card=CARD, width=8, stem="small")


@pytest.fixture
def explain(params, monkeypatch, tmp_path, capsys):
    """Run the command in an empty folder; give its exit code, what it printed and its report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: params)  # a test below loads a real one

    def run(*arguments):
        code = main(["explain", *map(str, arguments), "--out", "out"])
        printed = capsys.readouterr()
        report = Path("out", "explanations.json")
        return code, printed.out, printed.err, json.loads(report.read_text()) if report.is_file() else None

    return run


def write(path, image=None, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((20, 30, 3), 120, np.uint8) if image is None else image
    Image.fromarray(image).save(path, **options)
    return path


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.mark.core
def test_the_bundled_photo(explain, params):
    code, out, err, report = explain()
    assert (code, err) == (0, "")
    assert files("out") == ["chelsea.png", "explanations.json"]
    (photo,) = report["photos"]
    assert report["unreadable"] == []
    assert (photo["width"], photo["height"], photo["threshold"], photo["picture"]) == (451, 300, 0.3, "chelsea.png")
    why = jaxcam.explain(params, data.chelsea())
    assert [found["name"] for found in photo["classes"]] == list(why.names)
    for n, found in enumerate(photo["classes"]):
        assert found["label"] == why.labels[n]
        assert found["class_id"] == CARD.class_ids[found["label"]]
        assert found["probability"] == pytest.approx(float(why.probabilities[n]), rel=1e-5)
        assert found["box"] == pytest.approx(np.asarray(why.boxes[n]).tolist())
        assert f"{100 * found['probability']:.1f}%  {found['name']}" in out
    assert str(Path("out", "chelsea.png")) in out
    with Image.open("out/chelsea.png") as picture:
        assert picture.width > 1000


@pytest.mark.slow
def test_a_large_photo_turned_by_exif(explain, params):
    exif = Image.Exif()
    exif[0x0112] = 6
    large = np.kron(data.coffee()[::4, ::4], np.ones((14, 14, 1), np.uint8))  # 1400 x 2100
    photo = write("large.jpg", large, exif=exif)
    code, _, _, report = explain(photo, "--top", "3", "--save-maps")
    entry = report["photos"][0]
    assert (code, entry["width"], entry["height"]) == (0, 1400, 2100)
    copy = read_image(photo, orient=True, max_side=1024)
    assert copy.shape == (1024, 683, 3)
    why = jaxcam.explain(params, copy, top=3)
    maps = np.load(Path("out", entry["maps"]))
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, why.maps, atol=1e-5)
    for n, found in enumerate(entry["classes"]):
        scaled = np.asarray(why.boxes[n]) * np.array([1400 / 683, 2100 / 1024] * 2)
        np.testing.assert_allclose(found["box"], scaled, atol=0.01)
        assert 0 <= found["box"][0] < found["box"][2] <= 1400
        assert 0 <= found["box"][1] < found["box"][3] <= 2100


def test_unreadable_files_are_named_and_the_others_done(explain):
    Path("text.jpg").write_text("no photo")
    Path("empty.png").touch()
    write("one.png", np.full((1, 1, 3), 9, np.uint8))
    code, out, err, report = explain("text.jpg", "one.png", "missing.jpg", "empty.png", "--top", "1")
    assert code == 1
    assert [photo["path"] for photo in report["photos"]] == ["one.png"]
    assert [entry["path"] for entry in report["unreadable"]] == ["text.jpg", "missing.jpg", "empty.png"]
    assert [line.split(":")[:2] for line in err.splitlines()] == [
        ["error", " text.jpg"],
        ["error", " missing.jpg"],
        ["error", " empty.png"],
    ]
    assert "one.png (1 x 1)" in out
    assert files("out") == ["explanations.json", "one.png"]
    assert explain("text.jpg")[0] == 1


def test_labels_and_threshold(explain, params):
    image = data.chelsea()[:200:10, :300:10]  # 20 x 30, as all small photos here: boxes are compiled once a size
    _, _, _, report = explain(write("cat.png", image), "--label", "TABBY CAT", "--label", "3", "--threshold", "0.7")
    entry = report["photos"][0]
    assert [found["label"] for found in entry["classes"]] == [1, 3]
    assert entry["threshold"] == 0.7
    why = jaxcam.explain(params, image, [1, 3], threshold=0.7)
    assert [found["box"] for found in entry["classes"]] == np.asarray(why.boxes).tolist()


def test_another_method_at_a_stage(explain, params):
    image = data.chelsea()[:200:10, :300:10]
    chosen = ["--method", "layer_cam", "--stage", "layer3", "--label", "1", "--save-maps"]
    code, _, _, report = explain(write("cat.png", image), *chosen)
    entry = report["photos"][0]
    assert (code, entry["method"], entry["stage"]) == (0, "layer_cam", "layer3")
    maps = jaxcam.layer_cam(params, image, [1], stage="layer3")
    np.testing.assert_allclose(np.load(Path("out", entry["maps"])), maps, rtol=1e-6)
    assert [found["box"] for found in entry["classes"]] == np.asarray(jaxcam.boxes(maps, threshold=0.3)).tolist()


@pytest.mark.parametrize(
    "wanted, label",
    [
        ("Egyptian cat", 0),
        (" egyptian_CAT ", 0),
        ("tabby, tabby cat", 1),
        ("Tabby", 1),
        ("carassius auratus", 2),
        ("n02012849", 3),
        ("4", 4),
        ("7", 5),
    ],
)
def test_find_label(wanted, label):
    assert find_label(CARD, wanted) == label


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--label", "tabi cat"], "label: got 'tabi cat'.*close ones are: tabby, tabby cat"),
        (["--label", "fish"], "label: got 'fish'.*close ones are: goldfish"),
        (["--label", "xyzzy"], "none of the 6 classes; no class has a name like it"),
        (["--label", ""], "label: got ''"),
        (["--label", "crane"], "names 2 classes; give an index: 3 .crane.; 4 .crane."),
        (["--label", "6"], "label: got index 6; this network has classes 0 to 5"),
        (["--label", "-1"], "label: got index -1"),
        (["--top", "7"], "top: got 7; this network has 6 classes"),
        (["--top", "0"], "top: got 0"),
        (["--threshold", "1.1"], "threshold: got 1.1"),
        (["--method", "came"], "method: got 'came'; known are cam, "),
        (["--stage", "layer3"], "stage: got 'layer3' for cam, which looks at no stage"),
        (["--method", "grad_cam", "--stage", "layer9"], "stage: got 'layer9'; this network has stem, layer1, "),
    ],
)
def test_mistakes_are_one_line(explain, arguments, message):
    code, out, err, report = explain(*arguments)
    assert (code, out, report) == (2, "", None)
    assert re.fullmatch(f"error: .*{message}.*\n", err)


@pytest.mark.parametrize("name", ["no_such_checkpoint", "./no/such/folder"])
def test_unknown_checkpoint(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--checkpoint", name]) == 2
    assert re.fullmatch(f"error: checkpoint: .*{name.removeprefix('./')}.*\n", capsys.readouterr().err)


def test_a_checkpoint_in_a_folder(params, tmp_path, monkeypatch):
    jaxcam.save(params, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    photo = write("cat.png")
    assert main(["explain", str(photo), "--checkpoint", "./mine", "--top", "2"]) == 0
    entry = json.loads(Path("out", "explanations.json").read_text())["photos"][0]
    assert entry["checkpoint"] == "./mine"
    found = jaxcam.explain(params, np.full((20, 30, 3), 120, np.uint8), top=2).probabilities
    np.testing.assert_allclose([each["probability"] for each in entry["classes"]], found, rtol=1e-5)


def test_out_is_a_file(explain):
    Path("out").touch()
    code, _, err, _ = explain()
    assert code == 2
    assert re.fullmatch("error: .*out.*\n", err)


@pytest.mark.parametrize("argv", [[], ["explian"], ["explain", "--tpo", "5"], ["explain", "--top", "five"]])
def test_arguments_that_do_not_parse(argv, capsys):
    assert main(argv) == 2
    assert "jaxcam" in capsys.readouterr().err


@pytest.mark.parametrize("error, code", [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)])
def test_a_broken_run_keeps_what_is_finished(explain, monkeypatch, error, code):
    photos, save = [write(f"{name}.png") for name in "abc"], photo_reports.save_sheet

    def save_first(path, sheet, **options):
        if path.stem != "a":
            raise error
        save(path, sheet, **options)

    monkeypatch.setattr(photo_reports, "save_sheet", save_first)
    result, _, err, report = explain(*photos, "--top", "1")
    assert result == code
    assert len(err.splitlines()) == 1
    assert [photo["path"] for photo in report["photos"]] == ["a.png"]
    assert files("out") == ["a.png", "explanations.json"]


def test_nothing_half_written(explain, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", lambda image, file, *args, **kwargs: file.write(b"half") / 0)
    with pytest.raises(ZeroDivisionError):
        explain()
    assert files("out") == []


def test_names_that_are_no_text(explain):
    names = ["caf\u00e9 \u65e5\u672c $x_1$ \n.png", os.fsdecode(b"bad\xff.png")]
    try:
        photos = [write(name, format="PNG") for name in names]
    except OSError:
        pytest.skip("this file system takes text only")
    code, out, _, report = explain(*photos, "--top", "1")
    assert code == 0
    assert [photo["path"] for photo in report["photos"]] == names
    assert "bad\\udcff.png" in out


def test_help_answers_without_the_libraries():
    command = [sys.executable, "-X", "importtime", "-m", "jaxcam", "explain", "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    assert all(option in answer.stdout for option in ("PHOTO", "--label", "NAME|INDEX", "--save-maps", "--out"))
    assert "tyro" in answer.stderr
    assert not re.search(r"\| +(jax|flax|matplotlib|skimage)\n", answer.stderr)
