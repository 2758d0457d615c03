"""Packed data sets against the files they were packed from."""

import json
import pickle
import random
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import pytest

from jaxcam import records
from jaxcam.batches import batches
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example, cub, inspect, pack, packed, truth_mask
from jaxcam.image_files import read_image, read_size
from jaxcam.records import Record
from tests.made_data import make_cub, make_ilsvrc, photo

SHARD_BYTES = 2000  # two or three photos


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """CUB's test images; the second has two masks, the third one of them and pixels to ignore."""
    home = make_cub(tmp_path_factory.mktemp("files"))
    for name in ("a", "b", "ignored"):
        photo(home / f"masks/{name}.png", 1, (len(name), 3, 40, 30))
    dataset = cub(home)
    examples, (one, two, ignored) = list(dataset), ((home / f"masks/{name}.png") for name in ("a", "b", "ignored"))
    examples[1] = Example(examples[1].path, examples[1].label, examples[1].boxes, (one, two))
    examples[2] = Example(examples[2].path, examples[2].label, (), (two,), ignored)
    return Dataset(tuple(examples), dataset.classes, split="test")


@pytest.fixture
def folder(files, tmp_path):
    pack(files, tmp_path / "new/packed", shard_bytes=SHARD_BYTES, progress=False)
    return tmp_path / "new/packed"


@pytest.mark.core
def test_packed_is_what_was_packed(files, folder):
    dataset = packed(folder)
    assert repr(dataset) == repr(files)
    assert (dataset.classes, dataset.class_ids, dataset.split) == (files.classes, files.class_ids, "test")
    assert len({example.path.shard for example in dataset}) > 2
    order = random.Random(0).sample(range(len(files)), len(files))  # any record at any time
    for ours, theirs in ((dataset[index], files[index]) for index in order):
        assert (ours.label, ours.boxes, ours.path.name) == (
            theirs.label,
            theirs.boxes,
            "/".join(theirs.path.parts[-3:]),
        )
        assert ours.path.read() == theirs.path.read_bytes()
        np.testing.assert_array_equal(read_image(ours.path), read_image(theirs.path))
        assert read_size(ours.path) == read_size(theirs.path)
    for index in (1, 2):
        np.testing.assert_array_equal(truth_mask(dataset[index]), truth_mask(files[index]))
    assert packed(folder, split="test").examples == dataset.examples == pickle.loads(pickle.dumps(dataset)).examples
    assert not inspect(dataset, progress=False)


@pytest.mark.core
@pytest.mark.parametrize("options", [{}, {"shuffle_seed": 3}, {"cache": True}])
def test_batches_are_the_same(files, folder, options):
    ours, theirs = (batches(part, batch_size=4, image_size=(12, 16), **options) for part in (packed(folder), files))
    for _, batch, other in zip(range(6), ours, theirs, strict=False):
        for column, expected in zip(batch, other, strict=True):
            np.testing.assert_array_equal(column, expected)


def test_many_threads_read_at_once(files, folder, monkeypatch):
    """And with fewer shards open than there are."""
    expected = [example.path.read_bytes() for example in files]
    monkeypatch.setattr(records, "_reader", lru_cache(2)(records._reader.__wrapped__))
    paths = [example.path for example in packed(folder)]
    order = random.Random(1).choices(range(len(files)), k=2000)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda index: paths[index].read() == expected[index], order))


def test_a_packed_set_can_be_packed_again(folder, tmp_path):
    pack(packed(folder), tmp_path / "again", progress=False)
    ours, theirs = packed(tmp_path / "again"), packed(folder)
    assert [example.path.name for example in ours] == [example.path.name for example in theirs]
    assert [example.path.read() for example in ours] == [example.path.read() for example in theirs]
    assert {example.path.shard.name for example in ours} == {"images-00000.array_record"}


def damage(change):
    def apply(path):
        path.write_bytes(change(path.read_bytes()))

    return apply


@pytest.mark.parametrize("name, apply, message", [
    ("images-00001.array_record", lambda path: path.unlink(), "images-00001.array_record: the shard is missing"),
    ("images-00001.array_record", damage(lambda data: data[:-9]), "images-00001.array_record: got 131063 of 131072"),
    ("index.jsonl", lambda path: path.unlink(), "index.jsonl: no such file; give a folder that `jaxcam pack` wrote"),
    ("index.jsonl", damage(lambda data: b""), r"index.jsonl, line 1: it is damaged"),
    ("index.jsonl", damage(lambda data: data[: data.rindex(b"\n", 0, -1) + 1]), "index.jsonl: got 5 of 6 images"),
    ("index.jsonl", damage(lambda data: data[:-20]), "index.jsonl, line 7: it is damaged"),
    ("index.jsonl", damage(lambda data: data.replace(b"packed 1", b"packed 2")), "got format 'jaxcam packed 2'; "),
    ("index.jsonl", damage(lambda data: data.replace(b'"shard": 1', b'"shard": 9')), "line .: it is damaged"),
])  # fmt: skip
def test_damaged_files_are_named(folder, name, apply, message):
    apply(folder / name)
    with pytest.raises(ValueError, match=message):
        packed(folder)


def test_a_damaged_record_is_named_and_the_others_are_read(files, folder):
    dataset = packed(folder)
    shard = dataset[0].path.shard
    content = bytearray(shard.read_bytes())
    content[content.index(files[0].path.read_bytes()) + 100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"Photo_0001.jpg \(record 0 of {shard}\): cannot be read: the shard is damaged"
    ):
        read_image(dataset[0].path)
    assert dataset[1].path.read() == files[1].path.read_bytes()
    assert list(inspect(dataset, progress=False).unreadable) == [dataset[0].path]
    assert len(dataset.without(inspect(dataset, progress=False).unreadable)) == len(files) - 1


@pytest.mark.parametrize("content, message", [
    (b"", "the shard is truncated, or no ArrayRecord file"),
    (b"x" * 2**17, "the shard is truncated, or no ArrayRecord file"),
    (None, "the shard is missing"),
])  # fmt: skip
def test_no_shard(tmp_path, content, message):
    if content is not None:
        (tmp_path / "s").write_bytes(content)
    with pytest.raises(ValueError, match=rf"cat.jpg \(record 7 of {tmp_path}/s\): cannot be read: {message}"):
        read_image(Record("cat.jpg", tmp_path / "s", 7))


def test_a_file_that_cannot_be_read_stops_and_leaves_nothing(files, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    for bad, problem in ((tmp_path / "text.jpg", "it is no image"), (tmp_path / "none.jpg", "no such file")):
        broken = Dataset((*files, Example(bad, 0)), files.classes)
        with pytest.raises(ValueError, match=f"{bad}: cannot be read: {problem}"):
            pack(broken, tmp_path / "packed", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["text.jpg"]


def test_what_cannot_be_read_is_skipped_and_stays_counted(files, tmp_path):
    lost = Dataset((Example(tmp_path / "none.jpg", 0), *files), files.classes, skipped=("b.jpg: no such file",))
    pack(lost, tmp_path / "packed", on_error="skip", progress=False)
    dataset = packed(tmp_path / "packed")
    assert [example.path.read() for example in dataset] == [example.path.read_bytes() for example in files]
    assert dataset.skipped == ("b.jpg: no such file", f"{tmp_path}/none.jpg: cannot be read: no such file or directory")
    with pytest.raises(ValueError, match=r"none of 1 images could be read; the first: .*none.jpg"):
        pack(lost[:1], tmp_path / "other", on_error="skip", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def test_mistakes(files, folder):
    with pytest.raises(ValueError, match=f"out: {folder} exists; give another folder"):
        pack(files, folder, progress=False)
    with pytest.raises(ValueError, match="dataset: got no images"):
        pack(files[:0], folder.with_name("none"), progress=False)
    with pytest.raises(ValueError, match="shard_bytes: got 0; give at least 1"):
        pack(files, folder.with_name("none"), shard_bytes=0, progress=False)
    with pytest.raises(ValueError, match=r"split: got 'val', but .* holds 'test'; leave it out"):
        packed(folder, split="val")


@pytest.mark.core
def test_the_command(tmp_path, capsys):
    make_ilsvrc(tmp_path)
    (tmp_path / "blacklist.txt").write_text("2\n")
    arguments = ["pack", "ilsvrc", "--data-dir", f"{tmp_path}", "--blacklist", f"{tmp_path}/blacklist.txt"]
    assert main([*arguments, "--out", f"{tmp_path}/packed"]) == 0
    assert capsys.readouterr().out == f"in {tmp_path}/packed: Dataset(val, 6 images, 3 classes)\n"
    lines = [json.loads(line) for line in (tmp_path / "packed/index.jsonl").read_text().splitlines()]
    assert [bool(line["boxes"]) for line in lines[1:]] == [True, False, True, True, True, True]
    assert packed(tmp_path / "packed").class_ids == tuple(lines[0]["class_ids"])
    (tmp_path / "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000003.xml").unlink()
    (tmp_path / "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000004.JPEG").write_text("no image")
    assert main([*arguments, "--out", f"{tmp_path}/rest", "--on-error", "skip"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"in {tmp_path}/rest: Dataset(val, 4 images, 3 classes)"
    assert re.fullmatch(r"left out, .*: 2, such as .*00000003.xml: no such file.*", told[1])
    for wrong, message in (
        (["pack", "cub", *arguments[2:], "--out", "x"], "--blacklist: cub does not take it; leave it out"),
        ([*arguments, "--out", f"{tmp_path}/packed"], "exists; give another folder"),
        ([*arguments, "--out", "x"], "00000003.xml: no such file"),
        ([*arguments, "--out", "x", "--shard-size", "0"], "--shard-size: got 0; give at least 1 MiB"),
        (["pack", "tfds", *arguments[2:4], "--out", "x"], "dataset: got 'tfds'; known are ilsvrc, .*tfds:NAME, packed"),
        (["pack", "cub:x", *arguments[2:4], "--out", "x"], "dataset: got 'cub:x'; known are "),
        (["pack", "tfds:made_birds", *arguments[2:4], "--out", "x"], "TFDS has prepared no 'made_birds' there"),
    ):
        assert main(wrong) == 2
        assert re.search(message, capsys.readouterr().err)
