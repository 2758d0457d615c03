"""Caltech-UCSD Birds-200-2011: 200 species, one box an image, 5994 images to train on and 5794 to evaluate.

Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", technical report CNS-TR-2011-001, Caltech, 2011.
"""

import math
import os
from pathlib import Path

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import integer, numbered_fields, numbered_lines

GIVE = "the folder that holds images, images.txt and classes.txt"
SPLITS = {"train": "1", "test": "0"}


def cub(data_dir: str | os.PathLike[str], *, split: str = "test") -> Dataset:
    """List CUB-200-2011, unpacked as it is distributed.

    Args:
        data_dir: the folder that holds `images`, `images.txt`, `image_class_labels.txt`, `train_test_split.txt`,
            `bounding_boxes.txt` and `classes.txt`.
        split: "train" or "test".

    Returns:
        A Dataset in the order of `images.txt`, one box an example; "001.Black_footed_Albatross" is named
        "Black footed Albatross". No image is opened.

    Raises:
        ValueError: for another split, or a missing or malformed file: which one, and in which line.

    >>> import jaxcam.datasets
    >>> jaxcam.datasets.cub("CUB_200_2011")  # doctest: +SKIP
    Dataset(test, 5794 images, 200 classes)

    Source: https://data.caltech.edu/records/65de6-vp158
    """
    if split not in SPLITS:
        raise ValueError(f'split: got {split!r}; use "train" or "test"')
    root = Path(data_dir)
    classes = _column(root / "classes.txt")
    labels = {number: label for label, number in enumerate(classes)}
    of_image, parts = _column(root / "image_class_labels.txt"), _column(root / "train_test_split.txt")
    boxes = _boxes(root / "bounding_boxes.txt")
    examples = []
    for number, name in _column(root / "images.txt").items():
        for path, known in (("image_class_labels.txt", of_image), ("train_test_split.txt", parts)):
            if number not in known:
                raise ValueError(f"{root / path}: got no line for image {number}, {name}")
        if of_image[number] not in labels:
            raise ValueError(
                f"{root / 'image_class_labels.txt'}: image {number} has class {of_image[number]!r}, unknown"
            )
        if parts[number] != SPLITS[split]:
            continue
        if number not in boxes:
            raise ValueError(f"{root / 'bounding_boxes.txt'}: got no line for image {number}, {name}")
        examples.append(Example(root / "images" / name, labels[of_image[number]], (boxes[number],)))
    names = tuple(name.partition(".")[2].replace("_", " ") or name for name in classes.values())
    return Dataset(tuple(examples), names, split=split)


def _column(path: Path) -> dict[str, str]:
    """What a list says of each number."""
    column = {}
    for line, text in numbered_lines(path, give=GIVE):
        number, _, rest = text.strip().partition(" ")
        integer(number, f"{path}, line {line}", least=1)
        if not rest.strip():
            raise ValueError(f"{path}, line {line}: got {text.strip()!r}; expected a number and what it stands for")
        if number in column:
            raise ValueError(f"{path}, line {line}: number {number} was there before")
        column[number] = rest.strip()
    return column


def _boxes(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """x, y, width and height, half-open already."""
    boxes = {}
    for line, (number, *fields) in numbered_fields(path, 5, give=GIVE):
        try:
            x, y, width, height = map(float, fields)
        except ValueError:
            raise ValueError(f"{path}, line {line}: got box {' '.join(fields)}; expected four numbers") from None
        if not (x >= 0 and y >= 0 and 0 < width < math.inf and 0 < height < math.inf):
            raise ValueError(f"{path}, line {line}: got box {' '.join(fields)}; expected x, y >= 0 and a size above 0")
        boxes[number] = (x, y, x + width, y + height)
    return boxes
