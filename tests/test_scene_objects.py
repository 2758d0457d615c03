"""Objects that tell scenes apart: the SVM's maps, the counts, the pictures and the command."""

import json
import os
import shutil
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.applications import keeping
from jaxcam.applications.scene_counts import ObjectCount, SceneObjects, save_scene_objects
from jaxcam.applications.scene_objects import LINES, find_scene_objects
from jaxcam.applications.svm import LinearSvm, fit_svm
from jaxcam.cli import main
from jaxcam.datasets.scenes import MaskFiles, scene_folder
from jaxcam.image_files import read_image
from jaxcam.params import Params
from jaxcam.report.scene_sheet import COLOURS as OUTLINES
from tests.colour_network import colour_params
from tests.made_scenes import made_photos, make_folder, masks_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def scenes(home):
    return scene_folder(home / "photos", masks=home / "masks").checked(progress=False)


@pytest.fixture(scope="module")
def params():
    return colour_params()


@pytest.fixture(scope="module")
def found(params, scenes):
    return find_scene_objects(params, scenes, batch_size=5, progress=False)


@pytest.fixture
def command(monkeypatch, params, home, tmp_path):
    """`jaxcam scenes` with the network that knows colours; further arguments win."""
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda _: params)

    def run(*more, layout="folder", data_dir=home / "photos", masks=home / "masks"):
        given = ["scenes", layout, "--data-dir", str(data_dir), "--out", str(tmp_path / "out"), "--batch-size", "5"]
        return main([*given, *([] if masks is None else ["--masks", str(masks)]), *more])

    return run


@pytest.mark.parametrize("count", [2, 3])
def test_mean_of_the_map_is_the_decision_function(count):
    """mean(M) / |f| + b: features are divided by their length, maps are not."""
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(0)
    cells = random.gamma(1.0, size=(30, 4, 5, 6)).astype(np.float32)
    labels = np.arange(30) % count
    cells += 0.7 * np.eye(6, dtype=np.float32)[labels][:, None, None]
    pooled = cells.mean((1, 2))
    svm = fit_svm(pooled, labels)
    lengths = np.linalg.norm(pooled, axis=1)
    plain = LinearSVC(C=svm.penalty, dual=False).fit(pooled / lengths[:, None], labels)
    expected = plain.decision_function(pooled / lengths[:, None])
    maps = np.asarray(jaxcam.cam_from_features(cells, svm.kernel, np.tile(np.arange(count), (30, 1))))
    scores = maps.mean((2, 3)) / lengths[:, None] + svm.bias
    np.testing.assert_allclose(scores[:, 1] if count == 2 else scores, expected, rtol=1e-4, atol=1e-5)
    if count == 2:
        np.testing.assert_allclose(scores[:, 0], -expected, rtol=1e-4, atol=1e-5)
    held_out, unit = 0.0, pooled / lengths[:, None]
    for train, test in _folds(pooled, labels):
        held_out += LinearSVC(C=svm.penalty, dual=False).fit(unit[train], labels[train]).score(unit[test], labels[test])
    assert svm.held_out == pytest.approx(held_out / 3)


def _folds(features, labels):
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(3, shuffle=True, random_state=0).split(features, labels)


def test_shares_are_those_of_plain_numpy(params, scenes, found):
    """Features, SVM, maps and areas again, without the library."""
    from sklearn.svm import LinearSVC

    squashed = [
        np.asarray(Image.fromarray(read_image(each.path)).resize((32, 32), Image.Resampling.BILINEAR))
        for each in scenes.dataset
    ]
    blocks = np.stack(squashed).reshape(-1, 8, 4, 8, 4, 3) / 255
    cells = np.maximum(blocks.mean((2, 4)) - 120 / 255, 0)
    pooled = cells.mean((1, 2))
    labels = np.array([example.label for example in scenes.dataset])
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    plain = LinearSVC(C=found.svm.penalty, dual=False).fit(unit, labels)
    made = {stem: masks_of(boxes) for _, stem, _, boxes in made_photos()}
    for example, line, features in zip(scenes.dataset, found.lines, cells, strict=True):
        weights = plain.coef_[0] * (1 if example.label else -1)
        seen = cv2.resize((features @ weights).astype(np.float32), (32, 32), interpolation=cv2.INTER_LINEAR)
        high = (seen >= 0.5 * seen.max()) & (seen.max() > 0)
        masks = {name: mask.reshape(32, 2, 32, 3).mean((1, 3)) for name, mask in made[example.path.stem].items()}
        expected = {name: (mask * high).sum() / mask.sum() for name, mask in masks.items()}
        assert line["objects"] == pytest.approx(expected, abs=0.01)
        assert line["nothing"] == (seen.max() <= 0)


def test_what_tells_a_scene_apart_comes_out_on_top(found):
    """The oven in five of six kitchens, before the lamp, which is all there is in the sixth, and the wall."""
    counts = [count[:3] for count in found.objects("kitchen")]
    assert counts == [("oven", 5, 5), ("lamp", 6, 1), ("wall", 6, 0)]
    assert found.objects("kitchen")[0].share > 90
    assert [(count.name, count.photos) for count in found.frequent("kitchen")] == [
        ("lamp", 6),
        ("wall", 6),
        ("oven", 5),
    ]
    assert found.objects("street")[0][:3] == ("tree", 6, 6)
    assert found.svm.held_out is not None
    assert found.svm.held_out > 0.8
    rows = found.table("kitchen").splitlines()
    assert rows[0].split() == [
        "kitchen",
        "(6",
        "photos)",
        "overlaps",
        "%",
        "pixels",
        "%",
        "most",
        "frequent",
        "photos",
        "%",
    ]
    assert rows[1].split()[:2] == ["oven", "83.3"]
    assert rows[1].split()[-2:] == ["lamp", "100.0"]


def test_order_and_rule_of_the_counts():
    lines = [({"a": 0.5, "b": 1.0, "c": 0.2}, "x"), ({"a": 0.6, "c": 0.3}, "x"), ({"b": 0.1, "c": 0.9}, "y")]
    told = tuple({"category": category, "objects": objects, "nothing": False} for objects, category in lines)
    svm = LinearSvm(np.zeros((1, 2)), np.zeros(2), np.arange(2), 1.0)
    found = SceneObjects(("x", "y"), told, svm, 0.5, 0.5, (8, 8))
    assert found.objects("x") == (
        ObjectCount("a", 2, 2, pytest.approx(55)),
        ObjectCount("b", 1, 1, 100.0),
        ObjectCount("c", 2, 0, 25.0),
    )
    assert [count.name for count in found.frequent("x")] == ["a", "c", "b"]
    assert found.objects("y")[0].name == "c"
    strict = replace(found, overlap=0.55)
    assert [(count.name, count.overlapping) for count in strict.objects("x")] == [("b", 1), ("a", 1), ("c", 0)]


def test_an_interrupted_pass_goes_on(params, scenes, found, tmp_path, monkeypatch):
    """Behind the photos whose objects are kept, without another look at what is done."""
    read, stop = MaskFiles.masks, [scenes.objects[9]]

    def masks(self, size):
        if self in stop:
            raise KeyboardInterrupt
        return read(self, size)

    monkeypatch.setattr(MaskFiles, "masks", masks)
    find = partial(find_scene_objects, params, scenes, keep=tmp_path, progress=False)
    with pytest.raises(KeyboardInterrupt):
        find(batch_size=4)
    kept = [json.loads(line) for line in (tmp_path / LINES).read_text().splitlines()[1:]]
    assert [line["index"] for line in kept] == [0, 1, 2, 3]
    stop[:] = scenes.objects[:4]
    monkeypatch.setattr(keeping, "feature_rows", lambda *_, **__: pytest.fail("they are there"))
    again = find(batch_size=5)
    for name in found.categories:
        assert again.objects(name) == found.objects(name)
    with pytest.raises(ValueError, match=r"other settings \(threshold: 0.5 there, 0.25 here\)"):
        find(threshold=0.25)
    other = Params(2 * params.variables, params.network, params.card)
    with pytest.raises(ValueError, match=r"other settings \(params: [^;]*\)"):
        find_scene_objects(other, scenes, **find.keywords)
    os.utime(scenes.objects[0].files[0][1], (1, 1))
    with pytest.raises(ValueError, match=r"other settings \(photos: [^;]*\)"):
        find()


def test_command_writes_table_and_pictures(command, home, tmp_path, capsys, found):
    assert command("--pictures", "1") == 0
    shown, out = capsys.readouterr(), tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "kitchen.png",
        "photos.jsonl",
        "scenes.json",
        "scenes.txt",
        "street.png",
    ]
    assert found.table("kitchen") in shown.out
    assert (out / "scenes.txt").read_text().strip() in shown.out
    kept = json.loads((out / "scenes.json").read_text())
    assert (kept["threshold"], kept["overlap"], kept["photos"], kept["skipped"]) == (0.5, 0.5, 12, [])
    assert kept["categories"]["kitchen"]["objects"][0]["name"] == "oven"
    assert (kept["masks"], kept["category"], kept["on_error"]) == (str(home / "masks"), [], "stop")
    assert len(kept["checkpoint_sha256"]) == 64
    lines = [json.loads(line) for line in (out / "photos.jsonl").read_text().splitlines()]
    assert lines == [dict(line) for line in found.lines]
    picture = np.asarray(Image.open(out / "kitchen.png").convert("RGB")).astype(int)
    first, third = (tuple(bytes.fromhex(OUTLINES[rank][1:])) for rank in (0, 2))
    # The oven's colour is in its bar and around it; the wall overlaps nothing, so no third colour is used.
    near = np.abs(picture - first).max(-1) < 12
    assert near[:, : picture.shape[1] // 2].sum() > 200
    assert near[:, -picture.shape[1] // 3 :].sum() > 50
    assert not (np.abs(picture - third).max(-1) < 12).any()


def test_photos_without_masks_are_left_out_and_counted(command, home, tmp_path, capsys):
    shutil.copytree(home, copy := tmp_path / "copy")
    shutil.rmtree(copy / "masks/kitchen/kitchen_3")
    (copy / "masks/street/street_1/wall.png").write_bytes(b"no image")
    Image.new("L", (10, 8)).save(copy / "masks/street/street_2/tree.png")
    run = partial(command, "--pictures", "0", data_dir=copy / "photos", masks=copy / "masks")
    assert run() == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: scenes: 2 photos whose files cannot be used: ")
    assert "wall.png: cannot be read: it is no image" in told
    assert "tree.png: got 10 x 8 pixels for a photo of 96 x 64" in told
    assert run("--on-error", "skip") == 0
    shown = capsys.readouterr()
    assert "left out 3 photos or scene categories" in shown.err
    assert "kitchen_3.png: no masks" in shown.err
    assert "street (4 photos)" in shown.out
    assert "Left out, and why is told in scenes.json: 3." in shown.out


@pytest.mark.parametrize(
    "more, message",
    [
        (("--category", "kitchen"), "got 1 categories with at least 1 annotated photos, of kitchen (6); give 2"),
        (("--category", "barn"), "category: got barn; known are kitchen, street"),
        (("--least", "7"), "got 0 categories with at least 7 annotated photos, of kitchen (6), street (6)"),
        (("--threshold", "0"), "threshold: got 0.0; give a share of the map's maximum"),
        (("--overlap", "1.5"), "overlap: got 1.5; give a share"),
        (("--top", "0"), "--least, --top, --pictures: got 2, 0 and 3"),
    ],
)
def test_mistakes_in_options(command, capsys, more, message):
    assert command(*more) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_mistakes_in_folders(command, home, tmp_path, capsys):
    (tmp_path / "photos/kitchen").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    for layout, data_dir, masks, message in (
        ("folder", tmp_path / "photos", home / "masks", "got no image in this class folder"),
        ("folder", home / "photos", tmp_path / "gone", "gone: no such folder; give the one that holds <scene>/<photo>"),
        ("folder", home / "photos", None, "--masks: got None for the layout folder"),
        ("folder", home / "photos", tmp_path / "none", "got no photo with objects among 12"),
        ("sun", home, home / "masks", "for the layout sun; folder needs the folder of masks, the others"),
        ("sun", home, None, "Images: no such folder"),
        ("ade20k", home, None, "training; give the folder that holds images"),
    ):
        assert command(layout=layout, data_dir=data_dir, masks=masks) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_tiny_object_still_counts(params, scenes, tmp_path):
    """Whose share of a pixel of the squashed image is below one 255th."""
    big = np.full((640, 960, 3), 120, np.uint8)
    big[:160, :240] = (220, 40, 40)
    mask = np.zeros((640, 960), bool)
    mask[5, 7] = True
    Image.fromarray(big).save(tmp_path / "big.png")
    Image.fromarray(mask).save(tmp_path / "knob.png")
    examples = (replace(scenes.dataset[0], path=tmp_path / "big.png"), *scenes.dataset.examples[1:])
    objects = (MaskFiles((("knob", tmp_path / "knob.png"),)), *scenes.objects[1:])
    changed = replace(scenes, dataset=replace(scenes.dataset, examples=examples), objects=objects)
    found = find_scene_objects(params, changed, batch_size=5, progress=False)
    assert found.lines[0]["objects"] == {"knob": 1.0}


def test_nothing_above_zero_is_told(found, tmp_path):
    dark = replace(found, lines=({**found.lines[0], "nothing": True}, *found.lines[1:]))
    save_scene_objects(dark, tmp_path, checkpoint="tiny_imagenet")
    nothing = sum(line["nothing"] for line in dark.lines)
    assert (
        f"Maps with nothing above zero, where no object overlaps: {nothing}." in (tmp_path / "scenes.txt").read_text()
    )
    assert json.loads((tmp_path / "scenes.json").read_text())["nothing"] == nothing


def test_sizes_are_height_and_width(found):
    assert replace(found, image_size=(48, 64)).heading()[0].endswith("scene categories, squashed to 48x64")
