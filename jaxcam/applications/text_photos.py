"""Photos with text, photos without, and whether these are different photos."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from jaxcam.applications._concept_photos import photos_in
from jaxcam.datasets import Dataset, Example
from jaxcam.datasets.svt import svt

KINDS = ("text", "no text", "unknown")  # what is known of a photo: the classes of `photo_set`
TEXT, NO_TEXT, UNKNOWN = range(3)


def read_photos(source: str | os.PathLike[str], *, on_error: str = "stop") -> Dataset:
    """The photos of a folder and of the folders in it, or those that an XML file of SVT names, with their word boxes.

    Args:
        source: a folder, or such a file: see `jaxcam.datasets.svt.svt`.
        on_error: "stop" at a photo of the XML file that is missing or damaged, or "skip" it.

    Returns:
        A Dataset of one class. Photos of a folder have no boxes, and are not opened.

    Raises:
        ValueError: for a folder that is missing, holds no photo, or lists of SVT; or as `svt` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "sign.jpg").touch()
    ...     len(read_photos(home))
    1
    """
    path = Path(source)
    if path.suffix.lower() == ".xml":
        return svt(path, on_error=on_error)
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; give a folder of photos, or train.xml or test.xml of SVT")
    lists = [str(file) for name in ("train.xml", "test.xml") if (file := path / name).is_file()]
    if lists:
        raise ValueError(f"{path}: holds the photos of all lists of SVT; give one of these: {', '.join(lists)}")
    return Dataset(tuple(Example(file, 0) for file in photos_in(path)), (path.name,))


def photo_set(*, text: Dataset | None = None, no_text: Dataset | None = None, unknown: Iterable[Path] = ()) -> Dataset:
    """Photos to look for text in, with what is known of each as its label.

    Args:
        text: photos with text.
        no_text: photos without.
        unknown: further ones, or folders of them.

    Returns:
        A Dataset of the classes "text", "no text" and "unknown".

    Raises:
        ValueError: for a folder without a photo.

    >>> photo_set(unknown=[Path("street.jpg")])[0].label
    2
    """
    known = [part for part in (text, no_text) if part is not None]
    labelled = [
        replace(example, label=kind)
        for kind, part in ((TEXT, text), (NO_TEXT, no_text))
        for example in part or ()
    ]  # fmt: skip
    files = (file for path in unknown for file in (photos_in(path) if path.is_dir() else (path,)))
    labelled += [Example(file, UNKNOWN) for file in files]
    return Dataset(tuple(labelled), KINDS, skipped=tuple(reason for part in known for reason in part.skipped))


def check_apart(first: Dataset, second: Dataset, *, names: tuple[str, str]) -> None:
    """Refuse two sets that share photos: the same file, or another one with the same bytes.

    Raises:
        ValueError: how many of the second set's are in the first, and which is one of them.

    >>> some = Dataset((Example(Path("a.jpg"), 0),), ("any",))
    >>> check_apart(some, some, names=("positives", "negatives"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ... 1 photos of the second are in the first too, such as a.jpg (a.jpg there); give sets ...
    """
    first_paths, second_paths = ([Path(str(example.path)) for example in part] for part in (first, second))
    # A hash reads the whole file, so only those of equal lengths are read.
    shared = {_length(path) for path in first_paths} & {_length(path) for path in second_paths}
    known = {key: path for path in first_paths for key in _keys(path, shared)}
    both = [(path, known[key]) for path in second_paths for key in _keys(path, shared) if key in known]
    if both:
        here, there = both[0]
        raise ValueError(
            f"{names[0]}, {names[1]}: {len(dict(both))} photos of the second are in the first too, such as {here} "
            f"({there} there); give sets of different photos"
        )


def _keys(path: Path, shared: set[int]) -> list[Path | bytes]:
    """What a photo is known by: its place, and its content where another may have the same."""
    length = _length(path)
    content = [hashlib.sha256(path.read_bytes()).digest()] if length > 0 and length in shared else []
    return [path.resolve(), *content]


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
