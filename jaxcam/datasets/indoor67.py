"""MIT Indoor67: 67 kinds of rooms, with lists of 80 images a class to train on and 20 to test.

Quattoni and Torralba, "Recognizing Indoor Scenes", CVPR 2009.
"""

import os
from pathlib import Path

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import numbered_lines

GIVE = "the folder that holds Images, TrainImages.txt and TestImages.txt"
LISTS = {"train": "TrainImages.txt", "test": "TestImages.txt"}


def indoor67(data_dir: str | os.PathLike[str], *, split: str = "test") -> Dataset:
    """List MIT Indoor67, unpacked as it is distributed.

    Args:
        data_dir: the folder that holds `Images`, `TrainImages.txt` and `TestImages.txt`.
        split: "train" or "test".

    Returns:
        A Dataset in the order of the list, whose classes are the folders that the lists name, sorted. No image is
        opened.

    Raises:
        ValueError: for another split, or a missing or malformed list.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "TrainImages.txt").write_text("bar/a.jpg\\n")
    ...     _ = Path(home, "TestImages.txt").write_text("kitchen/int474.jpg\\n")
    ...     indoor67(home)[0].label
    1

    Source: https://web.mit.edu/torralba/www/indoor.html
    """
    if split not in LISTS:
        raise ValueError(f'split: got {split!r}; use "train" or "test"')
    root = Path(data_dir)
    listed = {part: list(_photos(root / name)) for part, name in LISTS.items()}
    classes = sorted({name for photos in listed.values() for name, _ in photos})
    examples = (Example(root / "Images" / name / photo, classes.index(name)) for name, photo in listed[split])
    return Dataset(tuple(examples), tuple(classes), split=split)


def _photos(path):
    """The class and the file's name in each line of a list."""
    for number, line in numbered_lines(path, give=GIVE):
        name, _, photo = line.strip().partition("/")
        if not (name and photo):
            raise ValueError(f"{path}, line {number}: got {line.strip()!r}; expected class/file")
        yield name, photo
