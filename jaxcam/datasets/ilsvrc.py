"""ILSVRC CLS-LOC: 1000 classes, boxes for the 50,000 validation images and part of the 1.28 million training ones.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015, arXiv 1409.0575.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from tqdm import tqdm

from jaxcam.class_names import class_names
from jaxcam.datasets.damage import collect
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import half_open, integer, numbered_fields, numbered_lines

GIVE = "the folder that holds Data, Annotations and ImageSets, or the one around it"
SPLITS = ("train", "val")


def ilsvrc(
    data_dir: str | os.PathLike[str],
    *,
    split: str = "val",
    blacklist: str | os.PathLike[str] | None = None,
    on_error: str = "stop",
) -> Dataset:
    """List ILSVRC CLS-LOC, unpacked as it is distributed.

    Classes are WordNet ids, sorted: those of `LOC_synset_mapping.txt` where it is there, else the challenge's 1000.
    The boxes of the XML files are 0-based and inclusive; here they are half-open, (x0, y0, x1 + 1, y1 + 1).

    Args:
        data_dir: the folder that holds `Data/CLS-LOC`, `Annotations/CLS-LOC` and, if wanted, `ImageSets/CLS-LOC`, or
            the one around it that also holds `LOC_synset_mapping.txt`.
        split: "val", where every image has boxes, or "train" (sorted by class), where some have.
        blacklist: the development kit's list of validation images, a number a line, whose boxes are not to be scored.
            They come without boxes, and so count for classification alone.
        on_error: "stop" at an image that is listed but missing, or whose XML is missing or damaged, or "skip" it: leave
            it out, and list it in the data set's `skipped`.

    Returns:
        A Dataset; an example's boxes are those of its own class. No image is opened.

    Raises:
        ValueError: for another split or `on_error`, or a missing or malformed file that is not to be skipped: which
            one, and in which line.

    >>> import jaxcam.datasets
    >>> dataset = jaxcam.datasets.ilsvrc("ILSVRC")  # doctest: +SKIP
    >>> dataset  # doctest: +SKIP
    Dataset(val, 50000 images, 1000 classes)

    Source: https://image-net.org/challenges/LSVRC/2012
    """
    if split not in SPLITS:
        hint = ", whose labels were never published" if split == "test" else ""
        raise ValueError(f'split: got {split!r}{hint}; use "train" or "val"')
    if blacklist is not None and split != "val":
        raise ValueError('blacklist: it numbers the validation images; use split="val"')
    root = Path(data_dir, "ILSVRC") if Path(data_dir, "ILSVRC").is_dir() else Path(data_dir)
    classes = _classes(Path(data_dir), root)
    left_out = set() if blacklist is None else _numbers(Path(blacklist))
    makers = _train(root, tuple(classes)) if split == "train" else _val(root, tuple(classes), left_out)
    examples, skipped = collect(makers, on_error=on_error)
    return Dataset(examples, tuple(classes.values()), tuple(classes), split, skipped)


def read_annotation(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """The objects of an XML file.

    Args:
        path: a file of CLS-LOC's annotations, with corners that are 0-based and inclusive.

    Returns:
        WordNet id and half-open box (x0, y0, x1, y1) in pixels of each object, in the file's order.

    Raises:
        ValueError: for a file that is missing, is no XML, or has a box that is none: which one, and what is wrong.

    >>> import tempfile
    >>> corners = "<xmin>5</xmin><ymin>0</ymin><xmax>9</xmax><ymax>3</ymax>"
    >>> with tempfile.TemporaryDirectory() as home:
    ...     path = Path(home, "ILSVRC2012_val_00000001.xml")
    ...     text = f"<a><object><name>n02012849</name><bndbox>{corners}</bndbox></object></a>"
    ...     _ = path.write_text(text)
    ...     read_annotation(path)
    [('n02012849', (5.0, 0.0, 10.0, 4.0))]
    """
    try:
        tree = ET.parse(path).getroot()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; unpack the annotations of CLS-LOC beside its images") from None
    except (ET.ParseError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not readable as XML: {error}") from error
    objects = []
    for number, entry in enumerate(tree.iter("object"), start=1):
        corners = [entry.findtext(f"bndbox/{name}", "").strip() for name in ("xmin", "ymin", "xmax", "ymax")]
        objects.append((entry.findtext("name", "").strip(), half_open(corners, f"{path}, object {number}")))
    return objects


def _classes(data_dir: Path, root: Path) -> Mapping[str, str]:
    """WordNet id -> names."""
    for folder in (data_dir, root):
        path = folder / "LOC_synset_mapping.txt"
        if path.is_file():
            lines = [line.partition(" ") for _, line in numbered_lines(path, give=GIVE)]
            return dict(sorted((class_id, names.strip() or class_id) for class_id, _, names in lines))
    names, ids = class_names(1000)
    return dict(zip(ids, names, strict=True))


def _train(root: Path, ids: Sequence[str]) -> Iterator[Callable[[], Example]]:
    for label, class_id in enumerate(tqdm(ids, "listing", unit=" classes", disable=None)):
        folder = root / "Data/CLS-LOC/train" / class_id
        notes = root / "Annotations/CLS-LOC/train" / class_id
        annotated = _stems(notes) if notes.is_dir() else {}
        for stem, photo in _stems(folder).items():
            yield partial(_train_example, photo, label, annotated.get(stem), class_id)


def _train_example(photo: Path, label: int, path: Path | None, class_id: str) -> Example:
    objects = [] if path is None else read_annotation(path)
    return Example(photo, label, tuple(box for named, box in objects if named == class_id))


def _val(root: Path, ids: Sequence[str], left_out: set[int]) -> Iterator[Callable[[], Example]]:
    labels = {class_id: label for label, class_id in enumerate(ids)}
    photos = _stems(root / "Data/CLS-LOC/val")
    for stem in tqdm(_listed(root, photos), "listing", unit=" images", disable=None):
        yield partial(_val_example, root, stem, photos.get(stem), labels, scored=_number(stem) not in left_out)


def _val_example(root: Path, stem: str, photo: Path | None, labels: Mapping[str, int], *, scored: bool) -> Example:
    if photo is None:
        raise ValueError(f"{root / 'Data/CLS-LOC/val' / stem}.JPEG: no such file, but val.txt lists it")
    path = root / "Annotations/CLS-LOC/val" / f"{stem}.xml"
    objects = read_annotation(path)
    named = {class_id for class_id, _ in objects}
    if len(named) != 1 or not named <= labels.keys():
        raise ValueError(f"{path}: got objects of {', '.join(sorted(named)) or 'no class'}; expected one known class")
    return Example(photo, labels[named.pop()], tuple(box for _, box in objects) if scored else ())


def _listed(root: Path, photos: Mapping[str, Path]) -> Sequence[str]:
    """The validation images in order: as listed, or else by name, which is the same order."""
    path = root / "ImageSets/CLS-LOC/val.txt"
    return [fields[0] for _, fields in numbered_fields(path, 2, give=GIVE)] if path.is_file() else tuple(photos)


def _stems(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names without the suffix, sorted."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give {GIVE}")
    return {file.stem: file for file in sorted(folder.iterdir()) if not file.name.startswith(".")}


def _numbers(path: Path) -> set[int]:
    lines = numbered_lines(path, give="the development kit's blacklist of validation images")
    return {integer(line, f"{path}, line {number}", least=1) for number, line in lines}


def _number(stem: str) -> int:
    """The number of a validation image, from 1: the end of its name."""
    digits = stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else 0
