"""The file that an evaluation writes its lines to as it goes, so that an interrupted one goes on where it stopped."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcam.evaluation.outcomes import Line
from jaxcam.whole_files import whole_file


class Journal:
    """Lines of JSON behind a first one that says what they are of; an unfinished last line is dropped.

    Args:
        path: the file; None to keep nothing.
        settings: all that the lines depend on, as JSON values. A file of other settings is refused, and stays.

    Raises:
        ValueError: for a file of other settings, or one that is no journal.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     path = Path(home, "predictions.jsonl.part")
    ...     Journal(path, {"threshold": 0.2}).append([{"index": 0}, {"index": 1}])
    ...     sorted(Journal(path, {"threshold": 0.2}).done)
    [0, 1]
    """

    def __init__(self, path: str | os.PathLike[str] | None, settings: dict[str, Any]):
        self.path = None if path is None else Path(path)
        self.done: dict[int, Line] = {}
        if self.path is None:
            return
        if self.path.exists():
            self.done = _read(self.path, json.loads(json.dumps(settings)))
        if not self.done:
            with whole_file(self.path) as file:
                file.write(_line({"settings": settings}))
        self._inode = self.path.stat().st_ino

    def append(self, lines: Sequence[Line]) -> None:
        """Write lines behind the others, at once.

        Raises:
            ValueError: if another run has replaced the file with its own, or finished and removed it.
        """
        if self.path is None:
            return
        if not self.path.exists() or self.path.stat().st_ino != self._inode:
            raise ValueError(f"{self.path}: another run has used it since; give each a folder of its own")
        with self.path.open("ab") as file:
            file.write(b"".join(map(_line, lines)))


def write_lines(path: str | os.PathLike[str], lines: Sequence[Line]) -> None:
    """Write a line an image, all or none."""
    with whole_file(path) as file:
        file.writelines(map(_line, lines))


def of_all_hosts(make: Callable[[], Sequence[Line]]) -> list[Line]:
    """The lines that every host makes, on each of them, in the order of the data set.

    Raises:
        ValueError: on all hosts where one of them meets an error, so that none waits for it.
    """
    if jax.process_count() == 1:
        lines = make()
    else:
        lines, error = [], None
        try:
            lines = make()
        except (ValueError, OSError) as met:
            error = met
        failed = np.flatnonzero(multihost_utils.process_allgather(np.array(error is not None)))
        if error is not None:
            raise error
        if len(failed):
            raise ValueError(f"host {failed[0]}: it met an error, see there; what the others found is kept")
        mine = np.frombuffer(b"".join(map(_line, lines)), np.uint8)
        lengths = np.asarray(multihost_utils.process_allgather(np.array(len(mine))))
        padded = np.zeros(lengths.max(), np.uint8)
        padded[: len(mine)] = mine
        everyone = np.asarray(multihost_utils.process_allgather(padded))
        texts = [host[:length].tobytes() for host, length in zip(everyone, lengths.ravel(), strict=True)]
        lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return sorted(lines, key=lambda line: line["index"])


def _line(contents: dict[str, Any]) -> bytes:
    return json.dumps(contents, allow_nan=False).encode() + b"\n"


def _read(path: Path, settings: dict[str, Any]) -> dict[int, Line]:
    """The lines of a journal by their index; an unfinished last one is cut off."""
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        first, *lines = map(json.loads, whole.splitlines())
        theirs, done = dict(first["settings"]), {line["index"]: line for line in lines}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it to start the evaluation anew") from error
    if not done:  # it was for other settings perhaps, but nothing is lost with it
        return {}
    different = [name for name in {**theirs, **settings} if theirs.get(name) != settings.get(name)]
    if different:
        told = "; ".join(f"{name}: {theirs.get(name)} there, {settings.get(name)} here" for name in different)
        raise ValueError(
            f"{path}: an unfinished evaluation with other settings ({told}); finish it with those, give another "
            "folder, or delete the file"
        )
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    return done
