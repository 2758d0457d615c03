"""ILSVRC, CUB and WSOL lists as distributed: what is read, and every mistake by its file and line."""

from pathlib import Path

import pytest

from jaxcam.datasets import DATASETS, Dataset, Example, cub, ilsvrc, inspect, wsol
from jaxcam.image_files import read_image
from tests.made_data import SPECIES, SYNSETS, annotation, make_cub, make_ilsvrc, make_wsol, make_wsol_masks

IDS = tuple(SYNSETS)


def check_boxes_show_their_class(dataset):
    """Inside its box a photo has the colour of its class, and below it has none."""
    for example in dataset:
        x0, y0, x1, y1 = map(int, example.boxes[0])
        pixels = read_image(example.path).astype(int)
        inside = pixels[y0:y1, x0:x1].reshape(-1, 3).mean(0).argmax()
        assert inside == example.label
        assert pixels[y1:, x1:].std() < 12  # JPEG's own noise on grey


def test_ilsvrc_val(tmp_path):
    dataset = ilsvrc(make_ilsvrc(tmp_path))
    assert repr(dataset) == "Dataset(val, 6 images, 3 classes)"
    assert dataset.class_ids == IDS
    assert dataset.classes == tuple(SYNSETS.values())
    assert [example.label for example in dataset] == [0, 1, 2, 0, 1, 2]
    assert dataset[2].boxes == ((8.0, 4.0, 28.0, 20.0),)  # 8 4 27 19, inclusive
    check_boxes_show_their_class(dataset)


def test_ilsvrc_train_has_boxes_of_its_own_classes(tmp_path):
    dataset = ilsvrc(make_ilsvrc(tmp_path), split="train")
    assert [example.label for example in dataset] == [0, 0, 1, 1, 2, 2]
    assert [example.path.name for example in dataset[:2]] == ["n01440764_12.JPEG", "n01440764_7.JPEG"]
    assert [example.boxes for example in dataset[:2]] == [(), ((10.0, 10.0, 40.0, 50.0),)]


def test_ilsvrc_without_its_lists_is_in_the_order_of_the_names(tmp_path):
    make_ilsvrc(tmp_path)
    listed = ilsvrc(tmp_path)
    (tmp_path / "ILSVRC/ImageSets/CLS-LOC/val.txt").unlink()
    assert ilsvrc(tmp_path).examples == listed.examples
    # Without the list of its classes it has those of the challenge.
    (tmp_path / "LOC_synset_mapping.txt").unlink()
    whole = ilsvrc(tmp_path / "ILSVRC")
    assert len(whole.classes) == 1000
    assert [whole.class_ids[example.label] for example in whole] == [*IDS, *IDS]


def test_ilsvrc_blacklist_takes_boxes_away(tmp_path):
    (tmp_path / "blacklist.txt").write_text("2\n5\n")
    dataset = ilsvrc(make_ilsvrc(tmp_path), blacklist=tmp_path / "blacklist.txt")
    assert [bool(example.boxes) for example in dataset] == [True, False, True, True, False, True]
    assert [example.label for example in dataset] == [0, 1, 2, 0, 1, 2]
    (tmp_path / "blacklist.txt").write_text("2\nx\n")
    with pytest.raises(ValueError, match=r"blacklist\.txt, line 2: got 'x'"):
        ilsvrc(tmp_path, blacklist=tmp_path / "blacklist.txt")
    with pytest.raises(ValueError, match='it numbers the validation images; use split="val"'):
        ilsvrc(tmp_path, split="train", blacklist=tmp_path / "blacklist.txt")


NOTES = "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000003.xml"


@pytest.mark.parametrize(
    "text, message",
    [
        ("<annotation><object>", "not readable as XML"),
        ("<annotation/>", "got objects of no class; expected one known class"),
        (annotation([("n09999999", (0, 0, 5, 5))]), "got objects of n09999999; expected one known class"),
        (annotation([(IDS[0], (0, 0, 5, 5)), (IDS[1], (0, 0, 5, 5))]), "got objects of n01440764, n01443537; expected"),
        (annotation([(IDS[0], (0, 0, 5, 5)), (IDS[0], (9, 0, 5, 5))]), "object 2: got box 9 0 5 5; expected 0 <= x0"),
        (annotation([(IDS[0], (0, 0, 5, "y"))]), "object 1: got box 0 0 5 y; expected four integers"),
    ],
)
def test_ilsvrc_names_a_malformed_annotation(tmp_path, text, message):
    (make_ilsvrc(tmp_path) / NOTES).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        ilsvrc(tmp_path)
    assert str(tmp_path / NOTES) in str(error.value)


@pytest.mark.parametrize(
    "missing", [NOTES, "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000003.JPEG", "ILSVRC/Data/CLS-LOC/val"]
)
def test_ilsvrc_names_what_is_missing(tmp_path, missing):
    (make_ilsvrc(tmp_path) / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="no such f") as error:
        ilsvrc(tmp_path)
    assert str(tmp_path / missing) in str(error.value)


@pytest.mark.core
def test_ilsvrc_skips_what_is_missing_or_damaged_and_lists_it(tmp_path):
    root = make_ilsvrc(tmp_path) / "ILSVRC"
    whole = ilsvrc(tmp_path, on_error="skip")
    assert (whole.examples, whole.skipped) == (ilsvrc(tmp_path).examples, ())
    notes = [root / f"Annotations/CLS-LOC/val/ILSVRC2012_val_{number:08}.xml" for number in (2, 5)]
    photo = whole[3].path
    notes[0].write_text(notes[0].read_text()[:-30])
    notes[1].unlink()
    photo.unlink()
    rest = ilsvrc(tmp_path, on_error="skip")
    assert rest.examples == (whole[0], whole[2], whole[5])
    assert [reason.split(": ")[0] for reason in rest.skipped] == list(map(str, (notes[0], photo, notes[1])))
    assert "not readable as XML" in rest.skipped[0]
    assert rest[1:].skipped == rest.spread(2).skipped == rest.skipped
    # Of a training image the annotation alone can be damaged: images are not listed.
    (root / "Annotations/CLS-LOC/train" / IDS[1] / f"{IDS[1]}_7.xml").write_text("")
    train = ilsvrc(tmp_path, split="train", on_error="skip")
    assert [example.label for example in train] == [0, 0, 1, 2, 2]
    assert f"{IDS[1]}_7.xml: not readable as XML" in train.skipped[0]
    with pytest.raises(ValueError, match="on_error: got 'ignore'; use"):
        ilsvrc(tmp_path, on_error="ignore")


def test_cub(tmp_path):
    dataset = cub(make_cub(tmp_path))
    assert repr(dataset) == "Dataset(test, 6 images, 3 classes)"
    assert dataset.classes == ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross")
    assert [example.label for example in dataset] == [0, 1, 2, 0, 1, 2]
    assert dataset[1].boxes == ((2.0, 5.0, 32.0, 25.0),)
    check_boxes_show_their_class(dataset)
    assert [example.path.stem for example in cub(tmp_path, split="train")] == ["Photo_0007", "Photo_0008", "Photo_0009"]


@pytest.mark.parametrize(
    "file, number, line, message",
    [
        ("bounding_boxes.txt", 2, "2 2.0 5.0 30.0", "line 2: got 4 fields; expected 5"),
        ("bounding_boxes.txt", 2, "2 2.0 5.0 0.0 20.0", "line 2: got box 2.0 5.0 0.0 20.0; expected x, y >= 0"),
        ("bounding_boxes.txt", 2, "2 2.0 5.0 nan 20.0", "line 2: got box 2.0 5.0 nan 20.0; expected x, y >= 0"),
        ("bounding_boxes.txt", 2, "2 2.0 5.0 x 20.0", "line 2: got box 2.0 5.0 x 20.0; expected four numbers"),
        ("bounding_boxes.txt", 2, "20 2.0 5.0 30.0 20.0", "got no line for image 2"),
        ("image_class_labels.txt", 2, "2 4", "image 2 has class '4'"),
        ("image_class_labels.txt", 2, "1 2", "line 2: number 1 was there before"),
        ("images.txt", 1, f"one {SPECIES[0]}/Photo_0001.jpg", "line 1: got 'one'; expected a whole number from 1"),
        ("train_test_split.txt", 3, "3", "line 3: got '3'; expected a number and what"),
        ("classes.txt", 1, "0 001.Black_footed_Albatross", "line 1: got '0'; expected a whole number from 1"),
    ],
)
def test_cub_names_file_and_line(tmp_path, file, number, line, message):
    path = make_cub(tmp_path) / file
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message) as error:
        cub(tmp_path)
    assert file in str(error.value)


def test_wsol_with_masks(tmp_path):
    dataset = wsol(make_wsol_masks(tmp_path), split="val", images=tmp_path / "photos", masks=tmp_path / "masks")
    names = [path.relative_to(tmp_path / "masks").name for path in (*dataset[4].masks, dataset[4].ignored)]
    assert names == ["4_one.png", "4_two.png", "4_ignored.png"]
    assert dataset[4].boxes == ()
    assert wsol(tmp_path, split="val", images="photos")[4].ignored == Path("photos/4_ignored.png")
    assert not inspect(dataset)
    dataset[2].masks[1].unlink()
    dataset[4].ignored.write_bytes(b"no image")
    found = inspect(dataset, progress=False).unreadable
    assert list(found) == [dataset[2].path, dataset[4].path]
    assert found[dataset[2].path] == f"{dataset[2].masks[1]}: no such file"
    assert len(dataset.without(found)) == 4
    with (tmp_path / "val/localization.txt").open("a") as file:
        file.write("part 0/a,0.jpg,0_three.png,0_two.png\n")
    with pytest.raises(ValueError, match=r"line 13: got another ignored mask of part 0/a,0\.jpg"):
        wsol(tmp_path, split="val")


def test_wsol(tmp_path):
    dataset = wsol(make_wsol(tmp_path), split="val", images=tmp_path / "photos")
    assert repr(dataset) == "Dataset(val, 6 images, 3 classes)"
    assert dataset.classes == ("class 0", "class 1", "class 2")
    assert dataset[4].path == tmp_path / "photos/part 1/a,4.jpg"
    assert dataset[4].boxes == ((4.0, 0.0, 14.0, 10.0), (40.0, 30.0, 80.0, 60.0))
    assert len(wsol(tmp_path, split="val", num_classes=1000).class_ids) == 1000
    (tmp_path / "val/localization.txt").unlink()
    assert wsol(tmp_path, split="val")[0] == Example(tmp_path / "part 0/a,0.jpg", 0)


@pytest.mark.parametrize(
    "file, line, message",
    [
        ("image_ids.txt", "b.jpg", "line 7: b.jpg is not in class_labels.txt"),
        ("class_labels.txt", "b.jpg", "line 7: got 1 fields; expected 2"),
        ("class_labels.txt", "b.jpg,-1", "line 7: got '-1'; expected a whole number from 0"),
        ("localization.txt", "b.jpg,1,2,3", "line 13: got 'b.jpg,1,2,3'; expected path,x0,y0,x1,y1 or path,mask,"),
        ("localization.txt", "b.jpg,1,2,3,1", "line 13: got box 1 2 3 1; expected 0 <= x0"),
        ("localization.txt", "b.jpg,1,2,3,4", "b.jpg is not in .*image_ids.txt; give both the same names"),
        ("localization.txt", "b.jpg,b.png,", "b.jpg is not in .*image_ids.txt; give both the same names"),
    ],
)
def test_wsol_names_file_and_line(tmp_path, file, line, message):
    path = make_wsol(tmp_path) / "val" / file
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=message) as error:
        wsol(tmp_path, split="val")
    assert file in str(error.value)


@pytest.mark.parametrize("read, wrong", [(ilsvrc, "test"), (cub, "val")])
def test_unknown_split(tmp_path, read, wrong):
    with pytest.raises(ValueError, match=f"split: got '{wrong}'"):
        read(tmp_path, split=wrong)


@pytest.mark.parametrize("name, make", [("ilsvrc", make_ilsvrc), ("cub", make_cub)])
def test_the_table_knows_the_splits(tmp_path, name, make):
    layout = DATASETS[name]
    make(tmp_path)
    assert len(layout.read(tmp_path, split=layout.train)) > 0
    assert len(layout.read(tmp_path, split=layout.test)) == 6


def test_inspection(tmp_path):
    dataset = cub(make_cub(tmp_path))
    assert not inspect(dataset)
    broken, missing, outside = (example.path for example in dataset[:3])
    broken.write_bytes(b"no image")
    missing.unlink()
    examples = [*dataset.examples[:2], Example(outside, 2, ((0.0, 0.0, 80.5, 60.0),)), *dataset.examples[3:]]
    edge = Example(dataset[5].path, 2, ((0.0, 0.0, 80.0, 60.0),))
    findings = inspect(Dataset((*examples, edge), (*dataset.classes, "Gull")), progress=False)
    assert list(findings.unreadable) == [broken, missing]
    assert findings.outside == (outside,)
    assert findings.empty_classes == ("Gull",)
    text = str(findings)
    assert f"images that cannot be read (2): {broken}: cannot be read: it is no image" in text
    assert f"{missing}: no such file" in text
    assert "classes without images (1): Gull" in text
    rest = dataset.without(findings.unreadable)
    assert rest.examples == dataset.examples[2:]
    assert rest.skipped == tuple(findings.unreadable.values())
    assert not rest.without(findings.unreadable).skipped[2:]


def test_inspection_shows_the_first_few(tmp_path):
    dataset = Dataset(tuple(Example(tmp_path / f"{i}.png", 0) for i in range(9)), ("cat",))
    assert str(inspect(dataset, progress=False)).endswith("4.png: no such file and 4 more")
