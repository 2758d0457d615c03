"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends well; an older file is replaced by it.

    Args:
        path: the file; missing folders are made.

    Yields:
        A binary file, written beside `path` first, under a name of its own. An error in the block removes it again.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     with whole_file(Path(home, "new", "letter.txt")) as file:
    ...         _ = file.write(b"Dear reader")
    ...         list(Path(home, "new").glob("*.txt"))
    ...     Path(home, "new", "letter.txt").read_text()
    []
    'Dear reader'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not named after the file, whose name may be as long as names can be; nor by the process, which is not one a host.
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
