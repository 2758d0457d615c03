"""Sets of TensorFlow Datasets, against the same photos in the layouts that they are distributed in."""

import json
import re
import shlex
import sys

import numpy as np
import pytest

from jaxcam.batches import batches
from jaxcam.datasets import Dataset, cub, ilsvrc, inspect, tfds
from jaxcam.image_files import read_image
from tests.made_data import SYNSETS, make_cub, make_ilsvrc

made = pytest.importorskip("tests.made_tfds")


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """The folder of CUB, and that of the TFDS set made of it."""
    home = tmp_path_factory.mktemp("birds")
    make_cub(home / "cub")
    splits = {split: [bird_row(example) for example in cub(home / "cub", split=split)] for split in ("train", "test")}
    made.prepare(made.MadeBirds, home / "tfds", **splits)
    return home / "cub", home / "tfds"


def bird_row(example):
    row = {"image": str(example.path), "image/filename": example.path.name, "label": example.label}
    return {**row, "bbox": made.normalized(example.boxes[0])}


def check_same(dataset, files):
    """The same examples, pixels and batches, in the order that TFDS shuffled them into."""
    found = {example.path.name: example for example in files}
    assert sorted(example.path.name for example in dataset) == sorted(found)
    files = Dataset(tuple(found[example.path.name] for example in dataset), files.classes, files.class_ids)
    assert [(example.label, example.boxes) for example in dataset] == [(e.label, e.boxes) for e in files]
    for example, file in zip(dataset, files, strict=True):
        np.testing.assert_array_equal(read_image(example.path), read_image(file.path))
    ours, theirs = (batches(part, batch_size=4, image_size=(12, 16)) for part in (dataset, files))
    for batch, other in zip(ours, theirs, strict=True):
        for column, expected in zip(batch, other, strict=True):
            np.testing.assert_array_equal(column, expected)


@pytest.mark.core
def test_birds_are_those_of_cub(birds):
    dataset = tfds(birds[1], name="made_birds")
    assert repr(dataset) == "Dataset(test, 6 images, 3 classes)"
    assert dataset.classes == ("class 0", "class 1", "class 2")
    check_same(dataset, cub(birds[0]))
    check_same(tfds(birds[1], name="made_birds:1.2.0", split="train"), cub(birds[0], split="train"))
    assert tfds(birds[1], name="made_birds", split="test[2:4]").examples == dataset.examples[2:4]
    assert not inspect(dataset, progress=False)
    assert "tensorflow" not in sys.modules


def test_objects(tmp_path, birds):
    """Any number of boxes an image, none too."""
    boxes = [[], [(0, 0, 80, 60)], [(1, 2, 33, 47), (20, 30, 80, 59)]]
    files = list(cub(birds[0]))[:3]
    rows = [
        {"image": str(file.path), "label": label, "objects": [{"bbox": made.normalized(box)} for box in boxes[label]]}
        for label, file in enumerate(files)
    ]
    made.prepare(made.MadeObjects, tmp_path, validation=rows)
    dataset = tfds(tmp_path, name="made_objects")
    assert (dataset.split, dataset.classes) == ("validation", ("ant", "bee", "cat"))
    found = {example.label: example for example in dataset}
    assert {label: list(example.boxes) for label, example in found.items()} == dict(enumerate(boxes))
    assert dataset[0].path.name == "validation 0"


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    home = tmp_path_factory.mktemp("imagenet")
    make_ilsvrc(home)
    wordnet_ids = tuple(SYNSETS)

    def row(example, label):
        return {"image": str(example.path), "file_name": example.path.name, "label": label}

    val, train = ilsvrc(home), ilsvrc(home, split="train")
    splits = {
        name: [row(e, wordnet_ids[e.label]) for e in part] for name, part in (("validation", val), ("train", train))
    }
    made.prepare(made.MadeImagenet, home / "tfds", test=[row(example, -1) for example in val], **splits)
    return home


@pytest.mark.core
@pytest.mark.parametrize("split, part", [(None, "val"), ("train", "train")])
def test_imagenet_joined_with_its_annotations_is_ilsvrc(imagenet, split, part):
    """In ILSVRC's order of classes, whatever TFDS's is; by default the split that has labels."""
    notes = imagenet / "ILSVRC/Annotations/CLS-LOC"
    dataset, files = (
        tfds(imagenet / "tfds", name="made_imagenet", split=split, annotations=notes),
        ilsvrc(imagenet, split=part),
    )
    assert (dataset.classes, dataset.class_ids) == (files.classes, files.class_ids)
    check_same(dataset, files)


def test_imagenet_without_annotations_has_no_boxes(imagenet):
    assert {example.boxes for example in tfds(imagenet / "tfds", name="made_imagenet")} == {()}


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"name": "made_imagenet", "split": "test"},
            "split: the images of 'test' have no labels; made_imagenet has .*validation",
        ),
        ({"name": "made_imagenet", "split": "val"}, "split: got 'val'; give one of "),
        ({"name": "made_imagenet", "annotations": "none"}, r"none/val/ILSVRC2012_val_0000000.\.xml: no such file"),
        ({"name": "made_imagenet:1.0.0"}, "made_imagenet/1.0.0: TFDS has prepared no 'made_imagenet:1.0.0' there"),
    ],
)
def test_mistakes(imagenet, options, message):
    with pytest.raises(ValueError, match=message):
        tfds(imagenet / "tfds", **options)


def test_annotations_are_for_ilsvrc(birds):
    with pytest.raises(ValueError, match="annotations: made_birds has no files of ILSVRC's; leave it out"):
        tfds(birds[1], name="made_birds", annotations="Annotations")


def test_an_annotation_of_another_class_is_named(imagenet, tmp_path):
    (tmp_path / "val").mkdir()
    for path in (imagenet / "ILSVRC/Annotations/CLS-LOC/val").iterdir():
        (tmp_path / "val" / path.name).write_text(path.read_text().replace("n02012849", "n01440764"))
    with pytest.raises(
        ValueError, match=r"_0000000[36]\.xml: got no object of n02012849, the class of ILSVRC.* \(record"
    ):
        tfds(imagenet / "tfds", name="made_imagenet", annotations=tmp_path)
    dataset = tfds(imagenet / "tfds", name="made_imagenet", annotations=tmp_path, on_error="skip")
    assert sorted(example.path.name[-6:] for example in dataset) == ["1.JPEG", "2.JPEG", "4.JPEG", "5.JPEG"]
    assert len(dataset.skipped) == 2


@pytest.mark.parametrize("present", [True, False])
def test_a_set_that_is_not_prepared_as_array_record(birds, tmp_path, present):
    """The error's command prepares it, beside what was there, and says where."""
    rows = made.MadeBirds.rows
    if present:
        made.prepare(made.MadeBirds, tmp_path, **rows)
        path = tmp_path / "made_birds/1.2.0/dataset_info.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "fileFormat": "tfrecord"}))
    problem = "it is not prepared as ArrayRecord .*'tfrecord'" if present else "TFDS has prepared no 'made_birds' there"
    with pytest.raises(ValueError, match=problem) as caught:
        tfds(tmp_path, name="made_birds")
    command, data_dir = re.search(r"run (python -c .+) and give --data-dir (.+)", str(caught.value)).groups()
    exec(shlex.split(command)[2])
    check_same(tfds(data_dir, name="made_birds"), cub(birds[0]))


def test_a_set_of_other_features_is_refused(tmp_path):
    made.prepare(made.MadeSounds, tmp_path, train=[{"sound": "moo", "label": 0}])
    with pytest.raises(ValueError, match=r"made_sounds: got features .*'sound': 'Text'.*; expected an Image `image`"):
        tfds(tmp_path, name="made_sounds")


def test_a_damaged_shard_is_named(birds, tmp_path):
    made.prepare(made.MadeBirds, tmp_path, **made.MadeBirds.rows)
    (shard,) = (tmp_path / "made_birds/1.2.0").glob("*test.array_record*")
    content = bytearray(shard.read_bytes())
    content[content.index(b"JFIF") + 20] ^= 255
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=rf"test \d \(record \d of {shard}\): cannot be read: the shard is damaged"):
        tfds(tmp_path, name="made_birds")
    shard.unlink()
    with pytest.raises(ValueError, match=rf"test 0 \(record 0 of {shard}\): cannot be read: the shard is missing"):
        tfds(tmp_path, name="made_birds")
