"""Image classification sets by their names in TensorFlow Datasets, prepared as ArrayRecord: read without TensorFlow.

TFDS, a collection of ready-to-use datasets: https://www.tensorflow.org/datasets
"""

import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxcam.class_names import class_names, names_of_labels
from jaxcam.datasets.damage import collect
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.ilsvrc import read_annotation
from jaxcam.image_files import read_size
from jaxcam.records import Record, close_shards, parse_example

TEST = ("test", "validation")
FILE_NAMES = ("file_name", "image/filename")
BOXES = ("bbox", "objects/bbox")


def tfds(
    data_dir: str | os.PathLike[str],
    *,
    name: str,
    split: str | None = None,
    annotations: str | os.PathLike[str] | None = None,
    on_error: str = "stop",
) -> Dataset:
    """List a TFDS set that has the features `image` and `label`, and `bbox` or `objects/bbox` where it has boxes.

    Its normalised boxes become half-open pixels: (x0, y0, x1, y1) = (xmin w, ymin h, xmax w, ymax h). All records are
    read once, for their labels.

    Args:
        data_dir: the folder that TFDS prepared it in, as ArrayRecord.
        name: "caltech_birds2011", "imagenet2012", or, with a configuration or a version, "imagenet_resized/64x64" or
            "mnist:3.0.1".
        split: "train", "test[:10%]" and the like; by default "test", or "validation" where there is no test split with
            labels.
        annotations: for imagenet2012, whose boxes TFDS does not have: the folder `Annotations/CLS-LOC` of ILSVRC, with
            the XML files of the split.
        on_error: "stop" at a damaged record, or a missing or malformed XML file, or "skip" the image and list it in the
            data set's `skipped`.

    Returns:
        A Dataset of records. Classes that are WordNet ids are sorted and have ILSVRC's names. No image is decoded.

    Raises:
        ValueError: if the set is not prepared, or not as ArrayRecord (with the command that does it), for a set that is
            no image classification, another split or `on_error`, or a damaged file that is not to be skipped.

    >>> import jaxcam.datasets
    >>> jaxcam.datasets.tfds("tensorflow_datasets", name="caltech_birds2011")  # doctest: +SKIP
    Dataset(test, 5794 images, 200 classes)
    """
    close_shards()
    info = _info(Path(data_dir), name)
    split = _default_split(info) if split is None else split
    names, ids, labels = _classes(info.features["label"].names)
    if annotations is not None and not (ids and "file_name" in info.features):
        raise ValueError(f"annotations: {name} has no files of ILSVRC's; leave it out")
    folder = None if annotations is None else Path(annotations)
    records = tqdm(_records(info, split), "listing", unit=" images", disable=None)
    makers = (partial(_labelled, record, labels, ids, folder) for record in records)
    examples, skipped = collect(makers, on_error=on_error)
    if any(example.label < 0 for example in examples):
        raise ValueError(f"split: the images of {split!r} have no labels; {name} has {', '.join(info.splits)}")
    return Dataset(examples, names, ids, split, skipped)


def _info(root: Path, name: str) -> Any:
    """What TFDS knows of a prepared set: `features`, and `splits` with their shards."""
    import tensorflow_datasets

    folder = _prepared(root, name)
    try:
        # It reads the folder alone, where `builder` would look for the set's code, and for its data elsewhere.
        info = tensorflow_datasets.builder_from_directory(folder, file_format="array_record").info
    except Exception as error:
        hint = _preparing(name, root / "array_record", root)
        raise ValueError(f"{folder}: it is not prepared as ArrayRecord ({error}) {hint}") from error
    kinds = {key: type(feature).__name__ for key, feature in info.features.items()}
    if (kinds.get("image"), kinds.get("label")) != ("Image", "ClassLabel"):
        raise ValueError(f"{name}: got features {kinds}; expected an Image `image` and a ClassLabel `label`")
    return info


def _prepared(root: Path, name: str) -> Path:
    """The folder of a set's newest version, or of the one that the name asks for."""
    folder = root.joinpath(*re.split("[/:]", name))
    found = [path.parent for depth in ("", "*/", "*/*/") for path in folder.glob(f"{depth}features.json")]
    found = [path for path in found if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    if not found:
        raise ValueError(f"{folder}: TFDS has prepared no {name!r} there; {_preparing(name, root, root)}")
    configurations = sorted({path.parent.name for path in found})
    if len(configurations) > 1:
        raise ValueError(
            f"{folder}: got {', '.join(configurations)}; name one of them, as tfds:{name}/{configurations[0]}"
        )
    return max(found, key=lambda path: tuple(map(int, path.name.split("."))))


def _preparing(name: str, data_dir: Path, root: Path) -> str:
    """How to prepare a set: not by TFDS's own command, which needs Apache Beam, and keeps what is there as it is."""
    named, home, downloads = (json.dumps(str(value)) for value in (name, data_dir, root / "downloads"))
    builder = f'tfds.builder({named}, data_dir={home}, file_format="array_record")'
    code = f"import tensorflow_datasets as tfds; {builder}.download_and_prepare(download_dir={downloads})"
    command = shlex.join(["python", "-c", code])
    return f"with pip install 'jaxcam[prepare]', run {command} and give --data-dir {data_dir}"


def _classes(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], Sequence[int]]:
    """Names, WordNet ids, and for each label of TFDS its index into them."""
    if all(re.fullmatch(r"n\d{8}", name) for name in names):
        known = dict(zip(*reversed(class_names(1000)), strict=True))
        ids = sorted(names)
        return tuple(known.get(class_id, class_id) for class_id in ids), tuple(ids), [ids.index(name) for name in names]
    if list(names) == [str(label) for label in range(len(names))]:  # what TFDS says where it knows none
        return *names_of_labels(len(names)), range(len(names))
    return tuple(names), (), range(len(names))


def _default_split(info: Any) -> str:
    for split in TEST:
        if split in info.splits and any(_example(record).label >= 0 for record in _records(info, split)[:1]):
            return split
    raise ValueError(f"split: got none of {' and '.join(TEST)} with labels; give one of {', '.join(info.splits)}")


def _records(info: Any, split: str) -> list[Record]:
    try:
        shards = info.splits[split].file_instructions
    except (KeyError, ValueError, AssertionError):
        raise ValueError(f"split: got {split!r}; give one of {', '.join(info.splits)}, or a part of one") from None
    places = [(shard, position) for shard in shards for position in range(shard.skip, shard.skip + shard.take)]
    return [Record(f"{split} {n}", Path(shard.filename), position) for n, (shard, position) in enumerate(places)]


def _labelled(record: Record, labels: Sequence[int], ids: Sequence[str], annotations: Path | None) -> Example:
    """The example that a record holds, in our order of the classes, with the boxes of its annotation."""
    example = _example(record)
    if example.label < 0:
        return example
    label = labels[example.label]
    boxes = example.boxes if annotations is None else _annotated(example.path, ids[label], annotations)
    return replace(example, label=label, boxes=boxes)


def _example(record: Record) -> Example:
    """The example that a record holds, with the label of TFDS."""
    try:
        fields = parse_example(record.read())
        image = fields["image"].bytes_list.value[0]
        label = fields["label"].int64_list.value[0]
        boxes = next((fields[key].float_list.value for key in BOXES if key in fields), ())
        pixels = _pixels(boxes, image) if boxes else ()
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(f"{record}: cannot be read: {error}") from error
    name = next((fields[key].bytes_list.value[0].decode() for key in FILE_NAMES if key in fields), record.name)
    return Example(replace(record, name=name, feature="image"), label, pixels)


def _pixels(boxes: Sequence[float], image: bytes) -> tuple[tuple[float, float, float, float], ...]:
    """Rounded to a thousandth, which undoes what float32 did to the pixels that TFDS divided by the size."""
    height, width = read_size(image)
    if not all(0 <= corner <= 1 for corner in boxes):
        raise ValueError(f"got box corners from {min(boxes)} to {max(boxes)}; expected shares of the image")
    return tuple(
        (round(x0 * width, 3), round(y0 * height, 3), round(x1 * width, 3), round(y1 * height, 3))
        for y0, x0, y1, x1 in np.reshape(boxes, (-1, 4)).tolist()
    )


def _annotated(record: Path | Record, class_id: str, folder: Path) -> tuple[tuple[float, float, float, float], ...]:
    """The boxes of an image of ILSVRC: every one for validation has some, and part of those to train on."""
    stem = Path(record.name).stem
    trained = stem.startswith(class_id)
    notes = folder / "train" / class_id if trained else folder / "val"
    if trained and notes.is_dir() and not (notes / f"{stem}.xml").exists():
        return ()
    boxes = tuple(box for named, box in read_annotation(notes / f"{stem}.xml") if named == class_id)
    if not (boxes or trained):
        raise ValueError(f"{notes / stem}.xml: got no object of {class_id}, the class of {record}")
    return boxes
