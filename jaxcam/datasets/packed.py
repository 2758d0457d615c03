"""Data sets packed into few large files: the images as they were, in ArrayRecord shards, and an index of the rest.

Folders of small files are slow to list, and to read at random, on the file systems that many hosts share.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxcam.datasets.damage import check_on_error
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import numbered_lines
from jaxcam.image_files import read_bytes
from jaxcam.records import Record, close_shards, write_records

FORMAT = "jaxcam packed 1"
INDEX = "index.jsonl"
SHARD = "images-{:05}.array_record"
GIVE = "a folder that `jaxcam pack` wrote"
SHARD_BYTES = 256 * 2**20


def pack(
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    shard_bytes: int = SHARD_BYTES,
    on_error: str = "stop",
    progress: bool = True,
) -> None:
    """Write a data set into a folder that `packed` reads: the bytes of its image files as they are, none decoded.

    The folder takes its name when all is written, so it is there whole or not at all.

    Args:
        dataset: what to pack, in its order; masks are packed too.
        out: a folder that does not exist yet.
        shard_bytes: a shard ends before the example that would make it larger.
        on_error: "stop" at a file that cannot be read, or "skip" its example; what was skipped, here or by the data
            set's reader, is listed in the folder, and in the `skipped` of the Dataset that `packed` gives.
        progress: show images a second and the time left on stderr.

    Raises:
        ValueError: for an existing folder, no image to pack, a size below 1, another `on_error`, or a file that cannot
            be read and is not to be skipped.

    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as home:
    ...     photo = Path(home, "cat.png")
    ...     Image.new("RGB", (5, 4)).save(photo)
    ...     pack(Dataset((Example(photo, 0),), ("cat",)), f"{home}/packed", progress=False)
    ...     packed(f"{home}/packed")[0].path.read() == photo.read_bytes()
    True
    """
    out = Path(out).absolute()
    check_free(out)
    if not len(dataset):
        raise ValueError("dataset: got no images")
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes: got {shard_bytes}; give at least 1")
    check_on_error(on_error)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as home:
        fresh = Path(home, "fresh")
        fresh.mkdir()
        try:
            lines, shards, skipped = _write(dataset, fresh, shard_bytes, on_error, progress)
        except RuntimeError as error:  # the writer's, where the disk is full, say
            raise OSError(f"{out}: cannot be written: {error}") from error
        head = {
            "format": FORMAT,
            "split": dataset.split,
            "classes": dataset.classes,
            "class_ids": dataset.class_ids,
            "images": len(lines),
            "skipped": [*dataset.skipped, *skipped],
            "shards": [{"name": shard.name, "bytes": shard.stat().st_size} for shard in shards],
        }
        text = "".join(f"{json.dumps(line)}\n" for line in (head, *lines))
        (fresh / INDEX).write_text(text, encoding="utf-8")
        fresh.rename(out)


def packed(data_dir: str | os.PathLike[str], *, split: str | None = None) -> Dataset:
    """List a data set that `pack` wrote.

    Args:
        data_dir: its folder.
        split: the part that was packed, to make sure of it; no other can be read.

    Returns:
        The Dataset that was packed, with records in place of files. No image is read.

    Raises:
        ValueError: for another split, or a missing, truncated or damaged file: which one.

    >>> import jaxcam.datasets
    >>> jaxcam.datasets.packed("ilsvrc_val_packed")  # doctest: +SKIP
    Dataset(val, 50000 images, 1000 classes)
    """
    root = Path(data_dir)
    lines = numbered_lines(root / INDEX, give=GIVE)
    number, line = next(lines, (1, ""))
    with _blaming(f"{root / INDEX}, line {number}"):
        head = json.loads(line)
        if head["format"] != FORMAT:
            raise ValueError(f"got format {head['format']!r}; expected {FORMAT!r}")
        part, count, classes, class_ids = (
            head["split"],
            head["images"],
            tuple(head["classes"]),
            tuple(head["class_ids"]),
        )
        shards = [(root / shard["name"], shard["bytes"]) for shard in head["shards"]]
        skipped = tuple(head.get("skipped", ()))
    if split not in (None, part):
        raise ValueError(f"split: got {split!r}, but {root} holds {part or 'no split'!r}; leave it out")
    for shard, size in shards:
        _check_shard(shard, size)
    close_shards()
    paths, examples = [shard for shard, _ in shards], []
    for number, line in lines:
        with _blaming(f"{root / INDEX}, line {number}"):
            examples.append(_example(json.loads(line), paths))
    if len(examples) != count:
        raise ValueError(f"{root / INDEX}: got {len(examples)} of {count} images; copy it again, or pack again")
    return Dataset(tuple(examples), classes, class_ids, part, skipped)


def check_free(out: Path) -> None:
    """Refuse a folder that `pack` would not write to: before the work whose result it is to hold."""
    if out.exists():
        raise ValueError(f"out: {out} exists; give another folder")


def _write(
    dataset: Dataset, folder: Path, shard_bytes: int, on_error: str, progress: bool
) -> tuple[list[dict[str, Any]], list[Path], list[str]]:
    """Write the shards; the index's line of each example, the shards, and what was left out and why."""
    files = [path for example in dataset for path in _files(example) if isinstance(path, Path)]
    root = os.path.commonpath({path.parent.absolute() for path in files}) if files else ""
    lines, skipped, shards = [], [], _Shards(folder, shard_bytes)
    for example in tqdm(dataset, "packing", unit=" images", disable=None if progress else True):
        try:
            contents = [read_bytes(path) for path in _files(example)]
        except ValueError as error:
            if on_error == "stop":
                raise
            skipped.append(str(error))
            continue
        shard, position = shards.add(contents)
        line = {"shard": shard, "position": position, "name": _name(example.path, root)}
        line |= {"label": example.label, "boxes": example.boxes}
        if example.masks:
            line["masks"] = [_name(path, root) for path in example.masks]
        if example.ignored is not None:
            line["ignored"] = _name(example.ignored, root)
        lines.append(line)
    shards.close()
    if not lines:
        raise ValueError(f"dataset: none of {len(dataset)} images could be read; the first: {skipped[0]}")
    return lines, shards.paths, skipped


class _Shards:
    """One shard after another, in which the files of an example follow each other."""

    def __init__(self, folder: Path, shard_bytes: int):
        self.folder, self.shard_bytes = folder, shard_bytes
        self.writer: Any = None
        self.paths: list[Path] = []
        self.position = self.filled = 0

    def add(self, contents: Sequence[bytes]) -> tuple[int, int]:
        """Write an example's files; where the first of them lies, as the number of its shard and its position there."""
        size = sum(map(len, contents))
        if self.writer is None or self.filled + size > self.shard_bytes:
            self.close()
            self.paths.append(self.folder / SHARD.format(len(self.paths)))
            self.writer = write_records(self.paths[-1])
            self.position = self.filled = 0
        place = len(self.paths) - 1, self.position
        for data in contents:
            self.writer.write(data)
        self.position, self.filled = self.position + len(contents), self.filled + size
        return place

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _files(example: Example) -> list[Path | Record]:
    return [example.path, *example.masks, *([] if example.ignored is None else [example.ignored])]


def _name(path: Path | Record, root: str) -> str:
    return path.name if isinstance(path, Record) else path.absolute().relative_to(root).as_posix()


def _example(line: dict[str, Any], shards: Sequence[Path]) -> Example:
    """What a line of the index says; its records follow each other."""
    ignored = [line["ignored"]] if "ignored" in line else []
    names = [line["name"], *line.get("masks", []), *ignored]
    shard, first = shards[line["shard"]], line["position"]
    path, *masks = (Record(name, shard, first + index) for index, name in enumerate(names))
    boxes = tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in line["boxes"])
    left_out = masks.pop() if ignored else None
    return Example(path, line["label"], boxes, tuple(masks), left_out)


def _check_shard(path: Path, size: int) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: the shard is missing; copy the folder whole, or pack again")
    if path.stat().st_size != size:
        raise ValueError(f"{path}: got {path.stat().st_size} of {size} bytes; copy the shard again, or pack again")


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """Say which line is not as `pack` writes it."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: it is damaged ({type(error).__name__}: {error}); copy it again, or pack again"
        ) from None
