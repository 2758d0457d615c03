"""The command `jaxcam evaluate`, run in this process: files and table, the choice of a threshold, every refusal."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.cli import main
from jaxcam.datasets import DATASETS, folder, tiny_imagenet
from jaxcam.evaluation import Protocol, choose_threshold, evaluate
from tests.made_data import make_cub, make_ilsvrc, make_wsol
from tests.random_network import random_params

IDS = ("n01", "n02", "n03")
CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A checkpoint `net`, Tiny ImageNet `tiny` of 9 + 6 images, and its val images in class folders `photos`."""
    home, rng = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    card = jaxcam.Card(classes=CLASSES, class_ids=IDS, image_size=(32, 32), threshold=0.4)
    jaxcam.save(random_params(card), home / "net")

    def write(path, tag=""):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
        pixels.resize((32, 32), Image.Resampling.BICUBIC).save(path)
        low = rng.integers(0, 6, 2)
        high = low + rng.integers(9, 26, 2)
        return "\t".join(map(str, [path.name, *([tag] if tag else []), *low, *high])) + "\n"

    tiny = home / "tiny"
    for class_id in IDS:
        train = tiny / "train" / class_id
        lines = [write(train / "images" / f"{class_id}_{i}.JPEG") for i in range(3)]
        (train / f"{class_id}_boxes.txt").write_text("".join(lines))
    lines = [write(tiny / "val/images" / f"val_{i}.JPEG", IDS[i % 3]) for i in range(6)]
    (tiny / "val/val_annotations.txt").write_text("".join(lines))
    (tiny / "wnids.txt").write_text("\n".join(IDS))
    (tiny / "words.txt").write_text("".join(f"{i}\t{name}\n" for i, name in zip(IDS, CLASSES, strict=True)))
    for i in range(6):
        (home / "photos" / CLASSES[i % 3]).mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny / f"val/images/val_{i}.JPEG", home / "photos" / CLASSES[i % 3])
    return home


def run(home, *arguments, checkpoint="net"):
    return main(["evaluate", *map(str, arguments), "--checkpoint", str(home / checkpoint), "--batch-size", "4"])


@pytest.mark.slow
def test_tiny_imagenet(home, tmp_path, capsys):
    assert run(home, "tiny_imagenet", "--data-dir", home / "tiny", "--out", tmp_path / "report") == 0
    expected = evaluate(
        jaxcam.load(home / "net"), tiny_imagenet(home / "tiny", split="val"), batch_size=4, progress=False
    )
    kept = json.loads((tmp_path / "report/report.json").read_text())
    assert kept["counts"] == expected.counts._asdict()
    assert kept["dataset"] == "tiny_imagenet val"
    assert kept["checkpoint"] == str(home / "net")
    assert kept["threshold"] == 0.4
    shown = capsys.readouterr()
    assert (tmp_path / "report/report.txt").read_text() in shown.out
    assert "6/6" in shown.err
    with Image.open(tmp_path / "report/samples.png") as picture:
        assert len(picture.convert("L").getcolors(256)) > 100  # photos, not a blank page
    names = {"report.json", "report.txt", "report.html", "predictions.jsonl", "samples.png"}
    assert {file.name for file in (tmp_path / "report").iterdir()} == names


@pytest.mark.parametrize(
    "dataset, make, split, arguments",
    [
        ("ilsvrc", make_ilsvrc, "val", ["--blacklist", "blacklist.txt"]),
        pytest.param("cub", make_cub, "test", [], marks=pytest.mark.slow),
        pytest.param("wsol", make_wsol, "val", ["--split", "val", "--images", "photos"], marks=pytest.mark.slow),
    ],
)
def test_published_layouts(tmp_path, monkeypatch, dataset, make, split, arguments):
    """By its counts: every image once, boxes but for the blacklisted image's, and what is asked of the true class."""
    monkeypatch.chdir(make(tmp_path))
    (tmp_path / "blacklist.txt").write_text("4\n")
    examples = DATASETS[dataset].read(tmp_path, split=split)
    card = jaxcam.Card(classes=examples.classes, class_ids=examples.class_ids, image_size=(32, 32), threshold=0.4)
    jaxcam.save(random_params(card), tmp_path / "net")
    assert run(tmp_path, dataset, "--data-dir", tmp_path, *arguments, "--out", tmp_path / "report") == 0
    kept = json.loads((tmp_path / "report/report.json").read_text())
    assert kept["dataset"] == f"{dataset} {split}"
    assert kept["counts"]["images"] == 6
    assert kept["counts"]["boxed"] == (5 if dataset == "ilsvrc" else 6)
    assert 0 <= kept["counts"]["top1_loc"] <= kept["counts"]["gt_known"] <= kept["counts"]["boxed"]


@pytest.mark.slow
def test_classes_without_names_are_said_to_be_taken_for_the_networks(tmp_path, capsys):
    home = make_wsol(tmp_path)
    for name, classes in {"named": ("red", "green", "blue"), "numbered": ("class 0", "class 1", "class 2")}.items():
        jaxcam.save(random_params(jaxcam.Card(classes=classes, image_size=(32, 32))), tmp_path / name / "net")
        how = ["--data-dir", home, "--split", "val", "--images", home / "photos", "--gallery", 0]
        assert run(tmp_path / name, "wsol", *how, "--out", tmp_path / "report") == 0
        warned = "warning: the data set has no names of classes to compare: its class 0 is taken for 'red', and so on"
        assert (warned in capsys.readouterr().err) == (name == "named")
        assert json.loads((tmp_path / "report/report.json").read_text())["classes"].keys() == {*classes}


@pytest.mark.slow
def test_files_are_inspected_before_the_long_work(tmp_path, capsys):
    make_cub(tmp_path)
    (tmp_path / "bounding_boxes.txt").write_text("\n".join(f"{i} 0.0 0.0 81.0 60.0" for i in range(1, 10)))
    examples = DATASETS["cub"].read(tmp_path)
    jaxcam.save(random_params(jaxcam.Card(classes=examples.classes, image_size=(32, 32))), tmp_path / "net")
    arguments = ["cub", "--data-dir", tmp_path, "--out", tmp_path / "report"]
    assert run(tmp_path, *arguments) == 0
    assert "warning: images with a box that reaches outside (6)" in capsys.readouterr().err
    examples[2].path.write_bytes(b"")
    assert run(tmp_path, *arguments) == 2
    assert f"images that cannot be read (1): {examples[2].path}" in capsys.readouterr().err
    assert run(tmp_path, *arguments, "--blacklist", "list.txt") == 2
    assert "--blacklist: cub does not take it" in capsys.readouterr().err


@pytest.mark.slow
def test_folder_with_a_threshold_and_a_limit(home, tmp_path):
    assert run(home, "folder", "--data-dir", home / "photos", "--limit", 3, "--out", tmp_path) == 0
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["figures"].keys() == {"top1_accuracy", "top5_accuracy"}
    limited = evaluate(jaxcam.load(home / "net"), folder(home / "photos"), limit=3, batch_size=4, progress=False)
    assert kept["counts"] == limited.counts._asdict()
    arguments = ["--data-dir", home / "tiny", "--split", "train", "--threshold", 0.7, "--out", tmp_path]
    assert run(home, "tiny_imagenet", *arguments) == 0
    assert json.loads((tmp_path / "report.json").read_text())["threshold"] == 0.7


@pytest.mark.slow
@pytest.mark.usefixtures("mixed_dtypes")
def test_in_bfloat16(home, tmp_path):
    arguments = ["--data-dir", home / "tiny", "--bfloat16", "--out", tmp_path]
    assert run(home, "tiny_imagenet", *arguments) == 0
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["options"]["bfloat16"] is True
    halves = jaxcam.load(home / "net").astype("bfloat16")
    expected = evaluate(halves, tiny_imagenet(home / "tiny", split="val"), batch_size=4, progress=False)
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert lines == json.loads(json.dumps(expected.predictions))


@pytest.mark.slow
def test_choose_threshold_writes_the_card(home, tmp_path, capsys):
    shutil.copytree(home / "net", home / "chosen")
    arguments = ["--data-dir", home / "tiny", "--split", "train", "--choose-threshold", "--out", tmp_path]
    assert run(home, "tiny_imagenet", *arguments, checkpoint="chosen") == 0
    before, after = jaxcam.load(home / "net"), jaxcam.load(home / "chosen")
    curve = choose_threshold(before, tiny_imagenet(home / "tiny", split="train"), batch_size=4, progress=False)
    assert len(set(curve.gt_known)) > 1
    assert after.card == jaxcam.Card(**{**vars(before.card), "threshold": curve.best})
    assert jaxcam.describe(home / "chosen")["threshold"] == {
        "value": curve.best,
        "dataset": "tiny_imagenet train",
        "protocol": asdict(Protocol()),
        "images": 9,
        "gt_known": max(curve.gt_known),
    }
    assert json.loads((tmp_path / "thresholds.json").read_text())["best"] == curve.best
    assert str(curve) in capsys.readouterr().out
    assert run(home, "tiny_imagenet", "--data-dir", home / "tiny", "--out", tmp_path, checkpoint="chosen") == 0
    assert json.loads((tmp_path / "report.json").read_text())["threshold"] == curve.best


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["imagenet", "--data-dir", "tiny"], "got 'imagenet'; known are ilsvrc, cub, tiny_imagenet, wsol, folder"),
        (["tiny_imagenet", "--data-dir", "nowhere"], "nowhere/wnids.txt: no such file"),
        (["tiny_imagenet", "--data-dir", "tiny", "--split", "test"], "labels were never published"),
        (["tiny_imagenet", "--data-dir", "tiny", "--choose-threshold"], "it needs --split train"),
        (["tiny_imagenet", "--data-dir", "tiny", "--split", "val", "--choose-threshold"], "it needs --split train"),
        (
            ["tiny_imagenet", "--data-dir", "tiny", "--split", "train", "--choose-threshold", "--threshold", "0.2"],
            "and neither --threshold nor --bfloat16",
        ),
        (
            ["tiny_imagenet", "--data-dir", "tiny", "--split", "train", "--choose-threshold", "--bfloat16"],
            "and neither --threshold nor --bfloat16",
        ),
        (["tiny_imagenet", "--data-dir", "tiny", "--threshold", "2"], "threshold: got 2.0; give a share"),
        (["tiny_imagenet", "--data-dir", "tiny", "--limit", "0"], "got 0; give at least 1"),
        (["folder", "--data-dir", "tiny/train"], "got no image in this class folder"),
        (["folder", "--data-dir", "two"], "got 2 classes for a network of 3"),
        (["folder", "--data-dir", "other"], "class 2 is 'cow' and should be 'cat'"),
        (["folder", "--data-dir", "photos", "--checkpoint", "./nowhere"], "there is no folder"),
    ],
)
def test_a_mistake_is_one_line(home, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(home)
    for name in ("two/ant", "two/bee", "other/ant", "other/bee", "other/cow"):
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name / "1.png").touch()
    default = [] if "--checkpoint" in arguments else ["--checkpoint", "./net"]
    assert main(["evaluate", *arguments, *default, "--out", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_chosen_threshold_is_written_into_no_bundled_card_by_default(home, capsys):
    arguments = ["evaluate", "tiny_imagenet", "--data-dir", str(home / "tiny"), "--split", "train"]
    assert main([*arguments, "--choose-threshold"]) == 2
    assert "--checkpoint, whose card it is written into" in capsys.readouterr().err
