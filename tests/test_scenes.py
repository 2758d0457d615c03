"""Photos of scenes with their objects, in the layouts that they come in."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from jaxcam.datasets.ade20k import ade20k
from jaxcam.datasets.scenes import scene_folder
from jaxcam.datasets.sun import sun
from tests.made_scenes import SIZE, made_photos, make_ade20k, make_folder, make_sun, masks_of


@pytest.mark.parametrize(
    "make, read, categories",
    [
        (make_folder, lambda home: scene_folder(home / "photos", masks=home / "masks"), ("kitchen", "street")),
        (lambda home: make_ade20k(home, version=2021), ade20k, ("home/kitchen", "home/street")),
        (lambda home: make_ade20k(home, version=2016), ade20k, ("kitchen", "street")),
        (make_sun, sun, ("kitchen/inside", "street/inside")),
    ],
    ids=["folder", "ade20k 2021", "ade20k 2016", "sun"],
)
def test_every_layout_gives_the_same_masks(tmp_path, make, read, categories):
    known = read(make(tmp_path)).checked(progress=False)
    assert known.dataset.classes == categories
    made = {stem: (category, masks_of(boxes)) for category, stem, _, boxes in made_photos()}
    assert len(known.dataset) == len(made)
    told = {path for objects in known.objects for path in objects.paths() if path.exists()}
    there = {path for path in tmp_path.rglob("*") if path.is_file()} - {example.path for example in known.dataset}
    assert told == {path for path in there if not path.name.startswith("instance_")}
    for example, objects in zip(known.dataset, known.objects, strict=True):
        category, masks = made[example.path.stem]
        assert category in known.dataset.classes[example.label]
        read_masks = dict(objects.masks(SIZE))
        if read is sun:
            del masks["wall"]
        elif read is ade20k:
            masks["wall"][-1, :5] = masks["lamp"][-1, :5] = False
        assert read_masks.keys() == masks.keys()
        for name, mask in masks.items():
            np.testing.assert_array_equal(read_masks[name], mask, err_msg=f"{example.path.stem} {name}")


def test_mistakes_in_ade20k(tmp_path):
    root = make_ade20k(tmp_path / "old", version=2016)
    (root / "images/training/photo.jpg").touch()
    with pytest.raises(ValueError, match="photos in no folder of a scene category"):
        ade20k(root)
    (root / "images/training/photo.jpg").unlink()
    wrong = next(iter(ade20k(root).objects))
    with pytest.raises(ValueError, match="object class 2978, which has no name; is it of another version"):
        list(replace(wrong, names={17: "lamp", 300: "oven"}).masks(SIZE))
    with pytest.raises(ValueError, match="got 96 x 64 pixels for a photo of 6 x 5"):
        list(wrong.masks((5, 6)))
    (root / "index_ade20k.mat").write_bytes(b"no index")
    with pytest.raises(ValueError, match="not the index of ADE20K"):
        ade20k(root)
    (root / "index_ade20k.mat").unlink()
    with pytest.raises(ValueError, match=r"index_ade20k.mat: no such file, and no \w+.json"):
        ade20k(root)
    with pytest.raises(ValueError, match=r"got none of .*validation"):
        ade20k(root, split="validation")
    new = ade20k(make_ade20k(tmp_path / "new", version=2021))
    new.dataset[0].path.with_suffix(".json").write_text("{}")
    with pytest.raises(ValueError, match="not the objects of a photo of ADE20K"):
        new.checked(progress=False)


def test_mistakes_in_sun(tmp_path):
    known = sun(make_sun(tmp_path))
    path = known.objects[0].path
    path.write_text("<annotation><object><name>a</name><polygon><pt><x>1</x></pt></polygon></object></annotation>")
    with pytest.raises(ValueError, match=r"object 1: got corner '1', ''; expected two numbers"):
        known.checked(progress=False)
    path.write_text("<annotation>")
    with pytest.raises(ValueError, match="not readable as XML"):
        known.checked(progress=False)
    path.write_text('<!DOCTYPE annotation [<!ENTITY a "aaaa">]><annotation>&a;</annotation>')
    with pytest.raises(ValueError, match=r"declares a document type, .*; files of this kind have none"):
        known.checked(progress=False)
    path.write_text("<annotation></annotation>")
    assert known.checked(progress=False).dataset.skipped == (f"{known.dataset[0].path}: no masks",)
    with pytest.raises(ValueError, match="comes without splits"):
        sun(tmp_path, split="training")


def test_photos_of_one_name_are_refused(tmp_path):
    make_folder(tmp_path)
    shutil.copy(tmp_path / "photos/kitchen/kitchen_0.png", tmp_path / "photos/kitchen/kitchen_0.jpg")
    with pytest.raises(ValueError, match="several photos called kitchen/kitchen_0"):
        scene_folder(tmp_path / "photos", masks=tmp_path / "masks")
