"""Ground-truth boxes for a data set whose own layout has none."""

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from jaxcam.datasets.example import Dataset
from jaxcam.datasets.lists import half_open, numbered_fields
from jaxcam.records import Record


def with_boxes(dataset: Dataset, path: str | os.PathLike[str], *, root: str | os.PathLike[str]) -> Dataset:
    """A data set with the boxes of a list, in the format of the WSOL benchmark.

    Args:
        dataset: of image files.
        path: a text file with "photo,x0,y0,x1,y1" a line: 0-based and inclusive pixels of the file, as in
            `jaxcam.datasets.wsol`; in the data set they are half-open.
        root: the folder that the photos' paths start from.

    Returns:
        The same examples with these boxes in place of their own.

    Raises:
        ValueError: for a missing or malformed file, or a photo that is not in the data set.

    >>> import tempfile
    >>> from jaxcam.datasets import Example
    >>> dataset = Dataset((Example(Path("photos/cat/1.jpg"), 0),), ("cat",))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "boxes.txt").write_text("cat/1.jpg,0,0,9,4\\n")
    ...     with_boxes(dataset, f"{home}/boxes.txt", root="photos")[0].boxes
    ((0.0, 0.0, 10.0, 5.0),)
    """
    path, known = Path(path), {example.path for example in dataset}
    boxes: dict[Path | Record, list] = defaultdict(list)
    for number, (photo, *corners) in numbered_fields(path, 5, give='a list of "photo,x0,y0,x1,y1"', separator=","):
        where = f"{path}, line {number}"
        if Path(root, photo) not in known:
            raise ValueError(f"{where}: {photo} is not in the data set; give paths that start from {root}")
        boxes[Path(root, photo)].append(half_open(corners, where))
    examples = (replace(example, boxes=tuple(boxes.get(example.path, ()))) for example in dataset)
    return replace(dataset, examples=tuple(examples))
