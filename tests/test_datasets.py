"""jaxcam.datasets: layouts as distributed, made in a temporary folder; every mistake names its file and line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcam.datasets import DATASETS, Dataset, Example, folder, tiny_imagenet
from jaxcam.image_files import read_image

IDS = ("n02000002", "n01000001", "n03000003")  # as wnids.txt has them: not sorted


@pytest.fixture
def tiny(tmp_path):
    """Tiny ImageNet with three classes and two photos of each in either split, the second of each greyscale."""
    (tmp_path / "wnids.txt").write_text("\n".join(IDS) + "\n")
    (tmp_path / "words.txt").write_text(
        "n00000000\tentity\nn02000002\tcrane, lifting device\nn03000003\tEgyptian cat\nn01000001\tcrane, wading bird\n"
    )
    for class_id in IDS:
        names = [f"{class_id}_{i}.JPEG" for i in (10, 2)]
        write_images(tmp_path / "train" / class_id / "images", names)
        lines = [f"{name}\t{i}\t0\t63\t{31 + i}\n" for i, name in enumerate(names)]
        (tmp_path / "train" / class_id / f"{class_id}_boxes.txt").write_text("".join(lines))
    names = [f"val_{i}.JPEG" for i in range(6)]
    write_images(tmp_path / "val" / "images", names)
    lines = [f"{name}\t{IDS[i % 3]}\t{i}\t1\t{i}\t62\n" for i, name in enumerate(names)]
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(lines))
    return tmp_path


def write_images(home, names):
    home.mkdir(parents=True)
    for i, name in enumerate(names):
        pixels = np.full((64, 64, 3) if i % 2 == 0 else (64, 64), 40 * i, np.uint8)
        Image.fromarray(pixels).save(home / name, "JPEG")


@pytest.mark.core
def test_tiny_imagenet_train(tiny):
    dataset = tiny_imagenet(tiny)
    assert dataset.class_ids == ("n01000001", "n02000002", "n03000003")
    # The first name is enough, unless two classes share it.
    assert dataset.classes == ("crane, wading bird", "crane, lifting device", "Egyptian cat")
    assert [example.label for example in dataset] == [0, 0, 1, 1, 2, 2]
    assert dataset[0].path == tiny / "train/n01000001/images/n01000001_10.JPEG"  # in the file's own order
    assert dataset[5].boxes == ((1.0, 0.0, 64.0, 33.0),)  # 1 0 63 32, inclusive
    assert dataset.split == "train"
    assert [read_image(example.path).shape for example in dataset] == [(64, 64, 3)] * 6  # greyscale too


def test_tiny_imagenet_val(tiny):
    dataset = tiny_imagenet(str(tiny), split="val")
    assert [example.path.name for example in dataset] == [f"val_{i}.JPEG" for i in range(6)]
    assert [example.label for example in dataset] == [1, 0, 2, 1, 0, 2]
    assert dataset[4].boxes == ((4.0, 1.0, 5.0, 63.0),)  # one pixel wide
    assert dataset.classes == tiny_imagenet(tiny).classes


def replace_line(path, number, line):
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")


VAL, BOXES = "val/val_annotations.txt", "train/n03000003/n03000003_boxes.txt"


@pytest.mark.parametrize(
    "file, number, line, message",
    [
        (VAL, 3, "val_2.JPEG\tn03000003\t0\t0\t63", "line 3: got 5 fields; expected 6"),
        (VAL, 2, "val_1.JPEG\tn09999999\t0\t0\t63\t63", "line 2: got class 'n09999999'"),
        (VAL, 6, "val_9.JPEG\tn03000003\t0\t0\t63\t63", "line 6: val_9.JPEG is not in"),
        (VAL, 1, "val_0.JPEG\tn03000003\t0\t0\tx\t63", "line 1: got box 0 0 x 63; expected four integers"),
        (VAL, 1, "val_0.JPEG\tn03000003\t9\t0\t8\t63", "line 1: got box 9 0 8 63; expected 0 <= x0 <= x1"),
        (VAL, 1, "val_0.JPEG\tn03000003\t0\t-1\t8\t63", "line 1: got box 0 -1 8 63; expected 0 <= x0 <= x1"),
        (BOXES, 2, "n03000003_2.JPEG\t0\t0\t63\t63\t1", "line 2: got 6 fields; expected 5"),
        (BOXES, 1, "n03000003_3.JPEG\t0\t0\t63\t63", "line 1: n03000003_3.JPEG is not in"),
        ("words.txt", 1, "entity", "line 1: got 'entity'; expected an id, a tab and names"),
        ("words.txt", 3, "n03000004\tEgyptian cat", "got no name for n03000003"),
    ],
)
def test_tiny_imagenet_names_file_and_line_of_a_malformed_line(tiny, file, number, line, message):
    replace_line(tiny / file, number, line)
    with pytest.raises(ValueError, match=message) as error:
        tiny_imagenet(tiny, split="val" if file == VAL else "train")
    assert str(tiny / file) in str(error.value)


def test_tiny_imagenet_skips_a_missing_image_and_lists_it(tiny):
    whole = tiny_imagenet(tiny, split="val")
    (tiny / "val/images/val_2.JPEG").unlink()
    rest = tiny_imagenet(tiny, split="val", on_error="skip")
    assert rest.examples == (*whole.examples[:2], *whole.examples[3:])
    (reason,) = rest.skipped
    assert reason.startswith(f"{tiny / VAL}, line 3: val_2.JPEG is not in")
    replace_line(tiny / VAL, 3, "val_2.JPEG")  # but a malformed line is no damaged file
    with pytest.raises(ValueError, match="line 3: got 1 fields"):
        tiny_imagenet(tiny, split="val", on_error="skip")


@pytest.mark.parametrize(
    "missing, split",
    [
        ("wnids.txt", "val"),
        ("words.txt", "train"),
        (BOXES, "train"),
        (VAL, "val"),
        ("val/images", "val"),
        ("train/n01000001/images", "train"),
    ],
)
def test_tiny_imagenet_names_what_is_missing(tiny, missing, split):
    (tiny / missing).rename(tiny / "elsewhere")
    with pytest.raises(ValueError, match="no such f") as error:
        tiny_imagenet(tiny, split=split)
    assert str(tiny / missing) in str(error.value)


def test_tiny_imagenet_refuses_what_it_cannot_read(tiny, tmp_path):
    with pytest.raises(ValueError, match="labels were never published"):
        tiny_imagenet(tiny, split="test")
    with pytest.raises(ValueError, match="got 'valid'; use"):
        tiny_imagenet(tiny, split="valid")
    with pytest.raises(ValueError, match="no such file"):
        tiny_imagenet(tiny / "wnids.txt")
    (tiny / "words.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        tiny_imagenet(tiny)
    (tiny / "wnids.txt").write_text("\n")
    with pytest.raises(ValueError, match="got no class"):
        tiny_imagenet(tiny)


def touch(home, *names):
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()


def test_folder_sorts_classes_and_photos_and_leaves_out_the_rest(tmp_path):
    touch(
        tmp_path, "dog/b.JPG", "dog/a.png", "dog/.hidden.png", "dog/notes.txt", "cat/z.jpeg", ".cache/x.png", "top.jpg"
    )
    dataset = folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.class_ids == ()
    assert [(str(example.path.relative_to(tmp_path)), example.label) for example in dataset] == [
        ("cat/z.jpeg", 0),
        ("dog/a.png", 1),
        ("dog/b.JPG", 1),
    ]
    assert dataset.split == ""


def test_folder_with_splits(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/2.png", "val/b/2.png")
    dataset = folder(tmp_path, split="val")
    assert [example.path for example in dataset] == [tmp_path / "val/a/2.png", tmp_path / "val/b/2.png"]
    assert dataset.split == "val"
    with pytest.raises(ValueError, match="give split='train'"):
        folder(tmp_path)


def test_folder_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="test: no such folder"):
        folder(tmp_path, split="test")
    touch(tmp_path, "loose.png")
    with pytest.raises(ValueError, match="got no class folder"):
        folder(tmp_path)
    touch(tmp_path, "cat/1.png", "dog/notes.txt")
    with pytest.raises(ValueError, match="dog: got no image in this class folder; expected"):
        folder(tmp_path)


def made(labels, classes=("a", "b", "c"), **options):
    return Dataset(tuple(Example(Path(f"{i}.png"), label) for i, label in enumerate(labels)), classes, **options)


def test_a_dataset_is_a_sequence():
    dataset = made([0, 0, 1, 2], class_ids=("n1", "n2", "n3"), split="train")
    assert len(dataset) == 4
    assert dataset[-1] == Example(Path("3.png"), 2)
    part = dataset[1:3]
    assert isinstance(part, Dataset)
    assert part.examples == dataset.examples[1:3]
    assert (part.classes, part.class_ids, part.split) == (dataset.classes, dataset.class_ids, "train")
    assert dataset[2] in dataset
    assert next(reversed(dataset)) == dataset[3]
    assert set(DATASETS) >= {"tiny_imagenet", "folder"}


def test_a_spread_is_even_over_the_classes():
    dataset = made(np.repeat(np.arange(3), 50).tolist())
    for count in (3, 9, 30, 150):
        assert np.bincount([example.label for example in dataset.spread(count)]).tolist() == [count // 3] * 3
    assert len(set(dataset.spread(37).examples)) == 37
    assert dataset.spread(500) is dataset
    with pytest.raises(ValueError, match="got 0; give at least 1"):
        dataset.spread(0)


@pytest.mark.parametrize(
    "labels, options, message",
    [
        ([0, 3], {}, "1.png: got label 3 of 3 classes"),
        ([-1], {}, "0.png: got label -1"),
        ([0], {"class_ids": ("n1",)}, "got 1 for 3 classes"),
        ([0], {"classes": ("a", "b", "a")}, "got a more than once"),
    ],
)
def test_a_dataset_that_contradicts_itself(labels, options, message):
    with pytest.raises(ValueError, match=message):
        made(labels, **options)
