"""Data sets that features are measured on: their distributed layouts, their lists, and the rules that draw splits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from jaxcam.applications.benchmarks import BENCHMARKS
from jaxcam.applications.pools import Pool, Rule, join, pool_as_json, pool_from_json
from jaxcam.commands.pools import POOL, read_pool
from jaxcam.datasets import DATASETS, Dataset, Example
from jaxcam.datasets.box_list import with_boxes
from jaxcam.datasets.sun_attribute import sun_attribute
from jaxcam.records import Record
from tests.made_data import make_cub


def test_the_command_names_every_data_set():
    assert POOL.metavar.strip("{}").split(",")[: len(BENCHMARKS)] == list(BENCHMARKS)
    assert set(POOL.metavar.strip("{}").split(",")) == {*BENCHMARKS, *DATASETS}


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_sun397_has_ten_pairs_of_lists(tmp_path):
    """Of categories with and without an inner folder; an image may be in several lists and is in the pool once."""
    lists = tmp_path / "Partitions"
    lists.mkdir()
    (lists / "ClassName.txt").write_text("/a/abbey\n/a/apartment_building/outdoor\n")
    for number in range(1, 11):
        (lists / f"Training_{number:02}.txt").write_text(f"/a/abbey/sun_{number}.jpg\n")
        (lists / f"Testing_{number:02}.txt").write_text("/a/apartment_building/outdoor/sun_x.jpg\n")
    (tmp_path / "SUN397").mkdir()
    pool = BENCHMARKS["sun397"].read(tmp_path)
    assert pool.dataset.classes == ("abbey", "apartment building outdoor")
    assert len(pool.dataset) == 11
    assert pool.splits == 10
    train, test = pool.split(9)
    assert pool.dataset[int(train[0])] == Example(tmp_path / "SUN397/a/abbey/sun_10.jpg", 0)
    assert pool.dataset[int(test[0])] == Example(tmp_path / "SUN397/a/apartment_building/outdoor/sun_x.jpg", 1)
    (lists / "Testing_03.txt").write_text("/z/zoo/sun_y.jpg\n")
    with pytest.raises(ValueError, match=r"Testing_03.txt, line 1: got category '/z/zoo'"):
        BENCHMARKS["sun397"].read(tmp_path)


def test_indoor67_and_action40_have_official_lists(tmp_path):
    rooms, actions = tmp_path / "rooms", tmp_path / "actions"
    (actions / "ImageSplits").mkdir(parents=True)
    rooms.mkdir()
    (rooms / "TrainImages.txt").write_text("kitchen/int474.jpg\nairport_inside/a b.jpg\n")
    (rooms / "TestImages.txt").write_text("kitchen/int1.jpg")
    pool = BENCHMARKS["indoor67"].read(rooms)
    assert pool.dataset.classes == ("airport_inside", "kitchen")
    assert [(str(e.path.relative_to(rooms)), e.label) for e in pool.dataset] == [
        ("Images/kitchen/int474.jpg", 1),
        ("Images/airport_inside/a b.jpg", 0),
        ("Images/kitchen/int1.jpg", 1),
    ]
    assert pool.lists == (((0, 1), (2,)),)
    (actions / "ImageSplits/actions.txt").write_text("action_name\tnumber_of_images\napplauding\t284\njumping\t295\n")
    for name in ("applauding", "jumping"):
        for part, number in (("train", 1), ("test", 2)):
            (actions / f"ImageSplits/{name}_{part}.txt").write_text(f"{name}_00{number}.jpg\n")
    pool = BENCHMARKS["action40"].read(actions)
    assert [(e.path.name, e.label) for e in pool.dataset][1] == ("jumping_001.jpg", 1)
    assert pool.lists == (((0, 1), (2, 3)),)
    (actions / "ImageSplits/actions.txt").write_text("applauding\njumping\n")
    assert BENCHMARKS["action40"].read(actions).dataset.classes == ("applauding", "jumping")
    (rooms / "TestImages.txt").write_text("int1.jpg\n")
    with pytest.raises(ValueError, match=r"TestImages.txt, line 1: got 'int1.jpg'; expected class/file"):
        BENCHMARKS["indoor67"].read(rooms)


@pytest.mark.parametrize(
    "name, inside, other",
    [
        ("caltech101", "101_ObjectCategories", "BACKGROUND_Google"),
        ("caltech256", "256_ObjectCategories", "257.clutter"),
        ("scene15", "scene_categories", None),
        ("event8", "event_img", None),
    ],
)
def test_class_folders_of_archives(tmp_path, name, inside, other):
    """Read from the archive's own folder or from the one that holds it, without the folder that is no class."""
    for folder in filter(None, ("Zebra", other, "001.ak47")):
        touch(tmp_path / inside / folder / "image_0001.jpg")
    for data_dir in (tmp_path, tmp_path / inside):
        pool = BENCHMARKS[name].read(data_dir)
        assert pool.dataset.classes == ("001.ak47", "Zebra")
        assert [(e.path.parent.name, e.label) for e in pool.dataset] == [("001.ak47", 0), ("Zebra", 1)]
    rules = {"caltech101": (30, 50), "caltech256": (60, None), "scene15": (100, None), "event8": (70, 60)}
    assert (pool.rule.train, pool.rule.test) == rules[name]


def test_attributes_are_those_that_two_of_three_people_see(tmp_path):
    home = tmp_path / "SUNAttributeDB"
    home.mkdir()
    cells = np.empty((3, 1), object)
    cells[:, 0] = ["a/abbey/sun_1.jpg", "a/abbey/sun_2.jpg", "z/zoo/sun_3.jpg"]
    names = np.empty((2, 1), object)
    names[:, 0] = ["open area", "natural light"]
    votes = np.array([[2 / 3, 1 / 3], [0, 1], [1, 2 / 3]])
    for file, value in (("images", cells), ("attributes", names), ("attributeLabels_continuous", votes)):
        savemat(home / f"{file}.mat", {"labels_cv" if value is votes else file: value})
    (tmp_path / "images").mkdir()
    dataset, attributes = sun_attribute(tmp_path)
    assert attributes == {"open area": (0, 2), "natural light": (1, 2)}
    assert dataset.examples[2] == Example(tmp_path / "images/z/zoo/sun_3.jpg", 1)
    assert dataset.classes == ("abbey", "zoo")
    savemat(home / "attributeLabels_continuous.mat", {"labels_cv": votes[:2]})
    with pytest.raises(ValueError, match=r"got votes of shape \(2, 2\); expected \(3, 2\)"):
        sun_attribute(tmp_path)
    (home / "images.mat").write_bytes(b"no such thing")
    with pytest.raises(ValueError, match="got no MATLAB file with a variable 'images'"):
        sun_attribute(tmp_path)


def made_pool(counts, rule):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    examples = tuple(Example(Path(f"/{place}.jpg"), label) for place, label in enumerate(labels))
    return Pool(Dataset(examples, tuple("abc"[: len(counts)])), rule=rule)


def test_splits_are_drawn_class_by_class():
    pool = made_pool((9, 5, 12), Rule(4, 6, 3))
    labels = np.array([example.label for example in pool.dataset])
    drawn = [pool.split(number) for number in range(3)]
    for train, test in drawn:
        assert np.bincount(labels[train]).tolist() == [4, 4, 4]
        assert np.bincount(labels[test]).tolist() == [5, 1, 6]
        assert not set(train.tolist()) & set(test.tolist())
    assert len({tuple(train) for train, _ in drawn}) == 3
    np.testing.assert_array_equal(pool.split(1)[0], drawn[1][0])
    usable = np.ones(26, bool)
    usable[:4] = False
    train, test = pool.split(0, usable=usable)
    assert min(train.min(), test.min()) >= 4
    with pytest.raises(ValueError, match="class a: got 4 images, too few"):
        usable[4] = False
        pool.split(0, usable=usable)
    halves = made_pool((9, 5), Rule(0.5)).split(0)
    assert [len(part) for part in halves] == [4 + 2, 5 + 3]


def test_pools_are_kept_as_json():
    record = Example(Record("a.jpg", Path("/shard-0"), 3, "image"), 1)
    pool = made_pool((2, 2), Rule(1, None, 2))
    dataset = replace(pool.dataset, examples=(*pool.dataset.examples, record), skipped=("b.jpg: damaged",))
    for each in (replace(pool, dataset=dataset, attributes={"wet": (0, 4)}), Pool(dataset, (((0,), (4, 1)),))):
        assert pool_from_json(pool_as_json(each)) == each


def test_any_data_set_with_two_parts_is_a_pool(tmp_path):
    make_cub(tmp_path / "cub")
    pool = read_pool("cub", tmp_path / "cub")
    assert [len(part) for part in pool.split(0)] == [3, 6]
    for part in ("train", "val"):
        touch(tmp_path / "folder" / part / "cat" / f"{part}.jpg")
    pool = read_pool("folder", tmp_path / "folder")
    assert [e.path.parts[-3] for e in pool.dataset] == ["train", "val"]
    assert pool.lists == (((0,), (1,)),)
    pool = read_pool("folder", tmp_path / "folder", split="val", train=2, splits=1)
    assert (len(pool.dataset), pool.rule) == (1, Rule(2, None, 1))
    with pytest.raises(ValueError, match="--train: folder has training and test images of its own"):
        read_pool("folder", tmp_path / "folder", train=2)
    with pytest.raises(ValueError, match="--splits: folder has no rule to change; give --train too"):
        read_pool("folder", tmp_path / "folder", split="val", splits=2)
    with pytest.raises(ValueError, match="--split: event8 is split by its published rule"):
        read_pool("event8", tmp_path, split="val")
    with pytest.raises(ValueError, match=r"dataset: got 'caltech'; known are .* sun397, indoor67, scene15"):
        read_pool("caltech", tmp_path)
    with pytest.raises(ValueError, match="give --train, the images of a class"):
        read_pool("folder", tmp_path / "folder", split="val").split(0)


def test_a_tfds_set_is_a_pool(tmp_path):
    made = pytest.importorskip("tests.made_tfds")
    make_cub(tmp_path / "cub")
    rows = {
        part: [
            {"image": str(example.path), "image/filename": example.path.name, "label": example.label}
            | {"bbox": made.normalized(example.boxes[0])}
            for example in read_pool("cub", tmp_path / "cub").take(places)
        ]
        for part, places in zip(("train", "test"), read_pool("cub", tmp_path / "cub").split(0), strict=True)
    }
    made.prepare(made.MadeBirds, tmp_path / "tfds", **rows)
    pool = read_pool("tfds:made_birds", tmp_path / "tfds")
    assert [len(part) for part in pool.split(0)] == [3, 6]
    assert pool_from_json(pool_as_json(pool)).dataset[0].path.read() == pool.dataset[0].path.read()


def test_mistakes(tmp_path):
    cats, dogs = (Dataset((Example(Path("1.jpg"), 0),), (name,)) for name in ("cat", "dog"))
    with pytest.raises(ValueError, match="1 images are in both, such as"):
        join([(cats, cats)])
    with pytest.raises(ValueError, match="of other classes"):
        join([(cats, dogs)])
    for train in (2.5, 0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"train: got {train}; give a number of images a class"):
            Rule(train)
    with pytest.raises(ValueError, match="splits, test: got 0 and None"):
        Rule(1, None, 0)
    with pytest.raises(ValueError, match="split: got 2; this data set has 2"):
        made_pool((3,), Rule(1, None, 2)).split(2)
    (tmp_path / "boxes.txt").write_text("2.jpg,0,0,9,4\n")
    with pytest.raises(
        ValueError, match=r"boxes.txt, line 1: 2.jpg is not in the data set; give paths that start from"
    ):
        with_boxes(cats, tmp_path / "boxes.txt", root=".")
