"""`jaxcam evaluate` on every layout and with every option: its files, and the figures that they have."""

import json
import re

import pytest

import jaxcam
from jaxcam.cli import main
from jaxcam.datasets import DATASETS
from tests.colour_network import NAMES, colour_params
from tests.made_data import SYNSETS, make_cub, make_ilsvrc, make_wsol, make_wsol_masks, photo
from tests.random_network import random_params

CLASSIFICATION = ["top1_accuracy", "top5_accuracy"]
LOCALIZATION = ["gt_known", "top1_localization", "top5_localization", "max_box_acc", "max_box_acc_v2", "pointing_game"]
BASELINES = ["gt_known_whole_image", "gt_known_centered_box", "gt_known_random_map"]
BOXED = [*CLASSIFICATION, *LOCALIZATION, *BASELINES]
FILES = ["report.json", "report.txt", "report.html", "predictions.jsonl"]


def make_tiny_imagenet(home):
    """Two training images a class, and six to evaluate on, with a box each."""
    boxes = [(4 * index, 8, 4 * index + 30, 40) for index in range(6)]
    lines = []
    for index, box in enumerate(boxes):
        class_id, name = list(SYNSETS)[index % 3], f"val_{index}.JPEG"
        photo(home / "val/images" / name, index % 3, box, size=(64, 64))
        lines.append("\t".join(map(str, (name, class_id, *box))))
        of_class = home / "train" / class_id
        photo(of_class / f"images/{class_id}_{index}.JPEG", index % 3, box, size=(64, 64))
        with (of_class / f"{class_id}_boxes.txt").open("a") as file:
            file.write("\t".join(map(str, (f"{class_id}_{index}.JPEG", *box))) + "\n")
    (home / "val/val_annotations.txt").write_text("\n".join(lines))
    (home / "wnids.txt").write_text("\n".join(SYNSETS))
    (home / "words.txt").write_text("".join(f"{key}\t{names}\n" for key, names in SYNSETS.items()))
    return home


def run(home, out, *arguments):
    how = ["--data-dir", str(home), "--out", str(out), "--batch-size", "4"]
    return main(["evaluate", *map(str, arguments), *how])


def check(out, shown, figures, *, images=6, files=("samples.png",)):
    """The files are those that the terminal names, and the report has these figures, each of so many images."""
    named = shown.splitlines()[-1]
    assert named.startswith(f"in {out}: ")
    assert sorted(file.name for file in out.iterdir()) == sorted(named.removeprefix(f"in {out}: ").split(", "))
    assert sorted(file.name for file in out.iterdir()) == sorted([*FILES, *files])
    report = json.loads((out / "report.json").read_text())
    assert sorted(report["figures"]) == sorted(figures)
    for figure in report["figures"].values():
        assert list(figure) == ["value", "low", "high", "n"]
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 100
    assert report["figures"]["top1_accuracy"]["n"] == images == report["counts"]["images"]
    assert {"python", "jax", "jaxlib", "jaxcam", "flax", "numpy"} <= report["versions"].keys()
    assert re.fullmatch("[0-9a-f]{64}", report["checkpoint_sha256"])
    assert report["commit"] is None or re.fullmatch("[0-9a-f]{40}(-dirty)?", report["commit"])
    assert len((out / "predictions.jsonl").read_text().splitlines()) == images
    assert (out / "report.txt").read_text() in shown
    return report


def test_a_network_without_class_maps(tmp_path, monkeypatch, capsys):
    """Folders have no boxes: it is classified, and has a gallery only of saliency maps."""
    params = colour_params(tuple(sorted(NAMES)))
    functions = (params.network.features_function, params.network.logits_function)
    flat = jaxcam.from_functions(*functions, variables=params.variables, card=params.card)
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: flat)
    for index in range(6):
        photo(tmp_path / "photos" / sorted(NAMES)[index % 3] / f"{index}.jpg", index % 3, (10, 10, 50, 50))
    assert run(tmp_path / "photos", tmp_path / "flat", "folder") == 0
    check(tmp_path / "flat", capsys.readouterr().out, CLASSIFICATION, files=())
    how = ["folder", "--method", "saliency", "--rule", "release"]
    assert run(tmp_path / "photos", tmp_path / "saliency", *how) == 0
    check(tmp_path / "saliency", capsys.readouterr().out, CLASSIFICATION)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Each layout's tree in a folder of its name, with a checkpoint `net` beside the data."""
    root = tmp_path_factory.mktemp("homes")
    makers = {"ilsvrc": make_ilsvrc, "cub": make_cub, "tiny_imagenet": make_tiny_imagenet, "wsol": make_wsol}
    for name, make in {**makers, "masks": make_wsol_masks}.items():
        home = root / name
        home.mkdir()
        make(home)
        layout = DATASETS["wsol" if name == "masks" else name]
        options = {"images": home / "photos"} if "images" in layout.options else {}
        examples = layout.read(home, split=layout.test or "val", **options)
        card = jaxcam.Card(classes=examples.classes, class_ids=examples.class_ids, image_size=(32, 32), threshold=0.4)
        jaxcam.save(random_params(card), home / "net")
    (root / "ilsvrc/blacklist.txt").write_text("4\n")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, options, settings",
    [
        ("ilsvrc", "--blacklist blacklist.txt --rule wsol", {"box_rule": "wsol", "threshold": 0.4}),
        ("ilsvrc", "--views ten_crop --limit 3", {"views": "ten_crop"}),
        ("ilsvrc", "--box-grid image --rule release", {"box_grid": "image", "box_rule": "release", "threshold": None}),
        ("cub", "--box-grid image --gallery 0", {"box_grid": "image"}),
        ("cub", "--image-size 48 64 --threshold 0.3", {"image_size": [48, 64], "threshold": 0.3}),
        ("tiny_imagenet", "--method saliency --rule release", {"method": "saliency"}),
        ("tiny_imagenet", "--views ten_crop --rule release", {"views": "ten_crop", "box_rule": "release"}),
        ("wsol", "--split val --images photos", {}),
        ("masks", "--split val --images photos --masks masks --rule release", {"box_rule": "release"}),
    ],
)
def test_every_layout_and_option(homes, tmp_path, monkeypatch, capsys, name, options, settings):
    monkeypatch.chdir(homes / name)
    dataset = "wsol" if name == "masks" else name
    assert run(homes / name, tmp_path, dataset, "--checkpoint", "./net", *options.split()) == 0
    figures = [*CLASSIFICATION, "pxap"] if name == "masks" else BOXED
    files = [] if "--gallery 0" in options else ["samples.png"]
    files += ["report.pred.loc.txt"] if name == "ilsvrc" and "--limit" not in options else []
    images = 3 if "--limit" in options else 6
    report = check(tmp_path, capsys.readouterr().out, figures, images=images, files=files)
    assert settings.items() <= report.items()
    if name != "masks":
        assert report["figures"]["gt_known"]["n"] == (5 if "--blacklist" in options else images)
    if "report.pred.loc.txt" in files:
        assert len((tmp_path / "report.pred.loc.txt").read_text().splitlines()) == images


@pytest.mark.slow
def test_a_threshold_for_the_benchmarks_rule(homes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(homes / "tiny_imagenet")
    how = ["tiny_imagenet", "--checkpoint", "./net", "--rule", "wsol"]
    assert run(homes / "tiny_imagenet", tmp_path, *how, "--split", "train", "--choose-threshold") == 0
    best = json.loads((tmp_path / "thresholds.json").read_text())["best"]
    assert jaxcam.describe("./net")["threshold"]["protocol"]["rule"] == "wsol"
    assert f"threshold {best:g} written into the card of ./net" in capsys.readouterr().out
    assert run(homes / "tiny_imagenet", tmp_path / "report", *how, "--gallery", "0") == 0
    assert json.loads((tmp_path / "report/report.json").read_text())["threshold"] == best
