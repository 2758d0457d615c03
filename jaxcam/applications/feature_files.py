"""Features of a whole data set on disk: rows are written as they come, and an interrupted pass goes on behind them.

A folder holds `features.npy`, float32 (n, k), a row an image, and `features.json`: what they are of, the images with
their labels and splits, and the hash of the other file. While the pass goes on, the rows are in `features.npy.part`.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxcam.applications.pools import Pool, pool_as_json, pool_from_json
from jaxcam.datasets import Dataset
from jaxcam.records import Record
from jaxcam.whole_files import whole_file

FORMAT = 1
RECORD, ROWS, PART = "features.json", "features.npy", "features.npy.part"
IMAGES = ("classes", "class_ids", "images")  # what a pool tells of these, and not of its splits
FILES = "files_sha256"
LONGEST = 200  # characters of a setting in an error


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """What `read_features` reads.

    Attributes:
        values: (n, k), a row an image, read from disk as they are wanted; NaN for an image that could not be read.
        pool: the images, with their labels and splits.
        readable: which images have features.
        about: all that they depend on, as `write_features` was told: of `extract_features`, `dataset`,
            `checkpoint_sha256`, `network`, `layer` and `image_size`.
        further: what else it was told: of `extract_features`, `checkpoint`, its name then, and `origin()`.
        sha256: of their file.
    """

    values: Float[np.ndarray, "n k"]
    pool: Pool
    readable: Bool[np.ndarray, " n"]
    about: dict[str, Any]
    further: dict[str, Any]
    sha256: str


def write_features(
    folder: str | os.PathLike[str],
    pool: Pool,
    width: int,
    rows: Callable[[Dataset], Iterator[np.ndarray]],
    *,
    about: dict[str, Any],
    further: dict[str, Any] | None = None,
) -> StoredFeatures:
    """Write the features of all images of a pool; where a pass was interrupted, go on behind its last whole row.

    Args:
        folder: for `features.npy` and `features.json`.
        pool: which images.
        width: the number k of features.
        rows: gives the features of a data set's images in order, in arrays (b, k).
        about: all that the features depend on, as JSON values. A folder of others is refused, and stays.
        further: what else is to be kept, such as versions.

    Returns:
        The features. At once, where they are there already.

    Raises:
        ValueError: for a folder with features of another kind, of image files that have changed since, or damaged ones.

    >>> import tempfile
    >>> from jaxcam.datasets import Example
    >>> pool = Pool(Dataset((Example(Path("cat.jpg"), 0), Example(Path("dog.jpg"), 1)), ("cat", "dog")))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     found = write_features(home, pool, 2, lambda images: iter(np.eye(2, dtype=np.float32)[None]), about={})
    ...     np.array(found.values).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    told = json.loads(json.dumps(pool_as_json(pool)))
    shape = [len(pool.dataset), width]
    of = {"format": FORMAT, "shape": shape, **about, **{name: told.pop(name) for name in IMAGES}}
    of[FILES] = files_hash(example.path for example in pool.dataset)
    # Only what the features depend on is compared: other splits of the same images need no new ones.
    record = {"complete": False, "of": json.loads(json.dumps(of)), "splits": told, **(further or {})}
    found = _record(folder) if (folder / RECORD).exists() else record
    _check_same(folder, found["of"], record["of"])
    if found["complete"]:
        record = {**found, "splits": told}
    _write_record(folder, record)
    if not record["complete"]:
        if not (folder / ROWS).exists():
            _write_rows(folder, pool.dataset, shape, rows)
        _write_record(folder, {**record, "complete": True, "sha256": _hash(folder / ROWS)})
    return read_features(folder)


def read_features(folder: str | os.PathLike[str]) -> StoredFeatures:
    """The features that `write_features` wrote.

    Raises:
        ValueError: for a folder without any, of a pass that was not finished, or whose file is not as it was written.
    """
    folder = Path(folder)
    found = _record(folder)
    of = found["of"]
    if not found["complete"]:
        done, total = _whole_rows(folder, of["shape"]), of["shape"][0]
        raise ValueError(
            f"{folder}: partial, {done} of {total} images have features; the same command that began them goes on"
        )
    if not (folder / ROWS).is_file() or _hash(folder / ROWS) != found["sha256"]:
        raise ValueError(f"{folder / ROWS}: missing, or not as it was written; delete the folder and make it anew")
    values = np.load(folder / ROWS, mmap_mode="r")
    pool = pool_from_json({**found["splits"], **{name: of[name] for name in IMAGES}})
    about = {name: value for name, value in of.items() if name not in (*IMAGES, FILES, "format", "shape")}
    further = {name: value for name, value in found.items() if name not in ("complete", "of", "splits", "sha256")}
    return StoredFeatures(values, pool, np.isfinite(values).all(axis=1), about, further, found["sha256"])


def files_hash(paths: Iterable[Path | Record]) -> str:
    """SHA-256 over the sizes and times of last change of files, of records those of their shards.

    >>> files_hash([Path("missing.jpg")]) == files_hash([Path("other.jpg")])
    True
    """
    files = (path.shard if isinstance(path, Record) else path for path in paths)
    return hashlib.sha256(json.dumps([_state(file) for file in files]).encode()).hexdigest()


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _write_rows(folder, dataset, shape, rows):
    """Write the rows that are not there yet, and give the file its name."""
    path, header = folder / PART, _header(shape)
    done = _whole_rows(folder, shape)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(header)
        file.truncate(len(header) + 4 * done * shape[1])  # a row that was half-written goes
        file.seek(0, os.SEEK_END)
        for found in rows(dataset[done:]) if done < len(dataset) else ():
            file.write(np.ascontiguousarray(found, "<f4").tobytes())
            file.flush()
            done += len(found)
    if done != len(dataset):
        raise ValueError(f"{folder}: got features of {done} images; expected {len(dataset)}")
    path.replace(folder / ROWS)


def _header(shape: list[int]) -> bytes:
    """How a .npy file begins."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)})
    return file.getvalue()


def _whole_rows(folder: Path, shape: list[int]) -> int:
    """How many rows of an unfinished file are written whole."""
    path = folder / PART if (folder / PART).exists() else folder / ROWS
    if not path.exists():
        return 0
    return max(0, path.stat().st_size - len(_header(shape))) // (4 * shape[1])


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give a folder that `jaxcam features` wrote")
    try:
        found = json.loads(path.read_bytes())
        if found["of"]["format"] != FORMAT or not isinstance(found["complete"], bool):
            raise ValueError(f"format {found['of']['format']!r}, expected {FORMAT}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not as `jaxcam features` writes it ({error}); delete the folder") from error
    return found


def _check_same(folder, theirs, ours):
    different = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if different == [FILES]:
        raise ValueError(f"{folder}: the image files have changed since it was begun; give another, or delete it")
    if different:
        told = (
            f"{name}: {_short(theirs.get(name))} there, {_short(ours.get(name))} here"
            for name in different
            if name != FILES
        )
        raise ValueError(
            f"{folder}: it holds features of another kind ({'; '.join(told)}); give another folder, or delete it"
        )


def _short(value):
    return f"{len(value)} entries" if isinstance(value, list | dict) and len(str(value)) > LONGEST else value


def _write_record(folder, told):
    with whole_file(folder / RECORD) as file:
        file.write(f"{json.dumps(told)}\n".encode())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
