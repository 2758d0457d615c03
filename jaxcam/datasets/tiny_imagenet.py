"""Tiny ImageNet: 200 classes, 64 x 64 pixels, one box an image, 100,000 to train on and 10,000 to evaluate."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jaxcam.datasets.damage import collect
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import half_open, numbered_lines, short_names

GIVE = "the folder that holds wnids.txt, train and val"
SPLITS = ("train", "val")


def tiny_imagenet(data_dir: str | os.PathLike[str], *, split: str = "train", on_error: str = "stop") -> Dataset:
    """List Tiny ImageNet, unpacked as it is distributed.

    Classes are the WordNet ids of `wnids.txt`, sorted; a class is named by the first of its names in `words.txt`.
    The files' boxes are 0-based and inclusive; here they are half-open, (x0, y0, x1 + 1, y1 + 1).

    Args:
        data_dir: the folder that holds `wnids.txt`, `words.txt`, `train` and `val`.
        split: "train" (sorted by class) or "val".
        on_error: "stop" at an image that is listed but missing, or "skip" it: leave it out, and list it in the data
            set's `skipped`.

    Returns:
        A Dataset, one box an example. No image is opened.

    Raises:
        ValueError: for another split or `on_error`, or a missing or malformed file: which one, and in which line.

    >>> import jaxcam.datasets
    >>> dataset = jaxcam.datasets.tiny_imagenet("tiny-imagenet-200", split="val")  # doctest: +SKIP
    >>> dataset  # doctest: +SKIP
    Dataset(val, 10000 images, 200 classes)

    Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip
    """
    if split == "test":
        raise ValueError('split: got "test", whose labels were never published; use "train" or "val"')
    if split not in SPLITS:
        raise ValueError(f'split: got {split!r}; use "train" or "val"')
    root = Path(data_dir)
    ids = sorted({line.strip() for _, line in numbered_lines(root / "wnids.txt", give=GIVE)})
    if not ids:
        raise ValueError(f"{root / 'wnids.txt'}: got no class; give one WordNet id a line")
    makers = _train(root, ids) if split == "train" else _val(root, ids)
    examples, skipped = collect(makers, on_error=on_error)
    return Dataset(examples, _names(root / "words.txt", ids), tuple(ids), split, skipped)


def _train(root: Path, ids: list[str]) -> Iterator[Callable[[], Example]]:
    for label, class_id in enumerate(ids):
        folder = root / "train" / class_id
        yield from _annotated(folder / f"{class_id}_boxes.txt", folder / "images", label=label)


def _val(root: Path, ids: list[str]) -> Iterator[Callable[[], Example]]:
    labels = {class_id: label for label, class_id in enumerate(ids)}
    yield from _annotated(root / "val" / "val_annotations.txt", root / "val" / "images", labels=labels)


def _annotated(
    path: Path, images: Path, *, label: int = 0, labels: dict[str, int] | None = None
) -> Iterator[Callable[[], Example]]:
    """Make the examples of one annotation file; with `labels`, each line also holds the class id, after the name."""
    if not images.is_dir():
        raise ValueError(f"{images}: no such folder; unpack Tiny ImageNet as it is distributed")
    present = {file.name for file in images.iterdir()}
    columns = 5 if labels is None else 6
    for number, line in numbered_lines(path, give=GIVE):
        fields = line.split()
        if len(fields) != columns:
            raise ValueError(f"{path}, line {number}: got {len(fields)} fields; expected {columns}: {line.strip()!r}")
        if labels is not None:
            if fields[1] not in labels:
                raise ValueError(f"{path}, line {number}: got class {fields[1]!r}, which wnids.txt does not list")
            label = labels[fields[1]]
        where = f"{path}, line {number}"
        box = half_open(fields[-4:], where)
        yield partial(_example, images / fields[0], label, box, present=fields[0] in present, where=where)


def _example(photo: Path, label: int, box: tuple[float, float, float, float], *, present: bool, where: str) -> Example:
    if not present:
        raise ValueError(f"{where}: {photo.name} is not in {photo.parent}; unpack the whole archive")
    return Example(photo, label, (box,))


def _names(path: Path, ids: list[str]) -> tuple[str, ...]:
    """The first name of each id, or all of its names where the first is another class's too."""
    synsets = dict.fromkeys(ids, "")
    for number, line in numbered_lines(path, give=GIVE):
        class_id, tab, names = line.partition("\t")
        if not tab:
            raise ValueError(f"{path}, line {number}: got {line.strip()!r}; expected an id, a tab and names")
        if class_id in synsets:
            synsets[class_id] = names.strip()
    for class_id, names in synsets.items():
        if not names:
            raise ValueError(f"{path}: got no name for {class_id}; expected every id of wnids.txt")
    return short_names(synsets)
