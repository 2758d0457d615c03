"""The prediction files of ILSVRC's development kit, `*.pred.loc.txt`, which its evaluation scripts score.

Format: section "Submission format" of the readme of the ILSVRC2012 development kit, unchanged in section 3.3 of that of
ILSVRC2015; Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015, arXiv 1409.0575.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from jaxcam.class_names import ilsvrc2012_id
from jaxcam.whole_files import whole_file

MOST = 5  # guesses a line; the scripts leave out any further ones
INCLUSIVE = np.array([0, 0, 1, 1])  # what a half-open box has more than one whose last pixels are named
NOTHING = np.zeros(4)  # an empty box, which overlaps none


def write_predictions(
    path: str | os.PathLike[str],
    guesses: Int[np.ndarray, "n guesses"],
    boxes: Float[np.ndarray, "n guesses 4"],
    *,
    class_ids: Sequence[str],
) -> None:
    """Write a line an image, label xmin ymin xmax ymax of each guess; the file is there whole or not at all.

    Labels are ILSVRC2012_IDs. The readme gives corners no origin, but the scripts compare them with those of the XML
    files as they are, and those are 0-based and inclusive: (x0, y0, x1 - 1, y1 - 1) of a half-open box. Fractions of
    pixels are kept, to nine digits.

    Args:
        path: the file, by custom `NAME.pred.loc.txt`.
        guesses: (n, k) classes, best first, at most five; -1 where there is none. The images are in the order of the
            scripts' own list, which is that of their names.
        boxes: (n, k, 4) half-open (x0, y0, x1, y1) in the pixels of the image files. A box with a NaN is written as an
            empty one: the scripts would count it as right.
        class_ids: the WordNet id of each class.

    Raises:
        ValueError: for more than five guesses, an image without any, a class without an id, or an id not of ILSVRC's.

    >>> import tempfile
    >>> boxes = np.array([[[0, 0, 500, 375], [12.5, 3, 40, 60]]], np.float32)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     path = Path(home, "demo.pred.loc.txt")
    ...     write_predictions(path, np.array([[1, 0]]), boxes, class_ids=["n01440764", "n02119789"])
    ...     path.read_text()
    '1 0 0 499 374 449 12.5 3 39 59\\n'
    """
    if guesses.shape[1] > MOST:
        raise ValueError(f"guesses: got {guesses.shape[1]} an image; give at most {MOST}")
    if guesses.size and guesses.max() >= len(class_ids):
        raise ValueError(f"guesses: got class {guesses.max()} of {len(class_ids)} class_ids; classes count from 0")
    if not (guesses >= 0).any(axis=1).all():
        row = int((guesses >= 0).any(axis=1).argmin())
        raise ValueError(f"guesses: got none for image {row}; give at least one, or its line is lost on the scripts")
    labels = [ilsvrc2012_id(name) for name in class_ids]
    corners = np.where(np.isfinite(boxes).all(axis=-1, keepdims=True), boxes, NOTHING) - INCLUSIVE
    with whole_file(path) as file:
        for classes, rows in zip(guesses.tolist(), corners.tolist(), strict=True):
            guessed = [(labels[index], row) for index, row in zip(classes, rows, strict=True) if index >= 0]
            words = [f"{number:.9g}" for label, row in guessed for number in (label, *row)]
            file.write((" ".join(words) + "\n").encode())


def read_predictions(
    path: str | os.PathLike[str], *, class_ids: Sequence[str]
) -> tuple[Int[np.ndarray, "n 5"], Float[np.ndarray, "n 5 4"]]:
    """Read such a file, as the scripts do: label 0 is no guess, and what follows five guesses is left out.

    Args:
        path: the file.
        class_ids: the WordNet id of each class.

    Returns:
        guesses, boxes: int32 (n, 5), -1 where there is none, and float32 (n, 5, 4), half-open.

    Raises:
        ValueError: names the line that is not made of numbers in fives, or whose label is no class.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     path = Path(home, "demo.pred.loc.txt")
    ...     _ = path.write_text("449 0 0 499 374\\n")
    ...     guesses, boxes = read_predictions(path, class_ids=["n01440764"])
    >>> guesses[0, 0], boxes[0, 0]
    (np.int32(0), array([  0.,   0., 500., 375.], dtype=float32))
    """
    classes = {ilsvrc2012_id(name): index for index, name in enumerate(class_ids)} | {0: -1}
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    guesses, boxes = np.full((len(lines), MOST), -1, np.int32), np.zeros((len(lines), MOST, 4), np.float32)
    for number, line in enumerate(lines):
        fives = _fives(line, f"{path}, line {number + 1}")[:MOST]
        for place, (label, *corners) in enumerate(fives):
            if label not in classes:
                raise ValueError(f"{path}, line {number + 1}: got label {label:g}; give an ILSVRC2012_ID of class_ids")
            guesses[number, place] = classes[int(label)]
            if label:
                boxes[number, place] = corners + INCLUSIVE
    return guesses, boxes


def _fives(line: str, where: str) -> list[list[float]]:
    """The numbers of a line, five by five."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        raise ValueError(f"{where}: got {line!r}; give numbers, label xmin ymin xmax ymax of each guess") from None
    if not numbers or len(numbers) % 5:
        raise ValueError(f"{where}: got {len(numbers)} numbers; give five a guess, label xmin ymin xmax ymax")
    return [numbers[start : start + 5] for start in range(0, len(numbers), 5)]
