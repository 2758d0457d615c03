"""The units of a class in one picture: a row a unit, and in it the images that activate the unit most."""

import os
import warnings
from collections import Counter
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from jaxcam.arrays import Photos
from jaxcam.report.sheet import shortened
from jaxcam.whole_files import whole_file

DPI = 150
# Lengths in inches, sizes of letters in points.
MARGIN, HEAD, SIDE, GAP, LINE, TITLE, NOTE_LINE = 0.25, 1.15, 1.1, 0.07, 0.17, 0.62, 0.17
NAME, SMALL, TINY = 13.0, 8.5, 6.5
LETTERS, LETTERS_INCH = 21, 15  # of a class's name under a photo; of a note, an inch
INK, GREY, FIELD = "#1a1a1a", "#6b6b6b", "#ffd23f"
DIMMED = 0.3  # of a photo's brightness, outside of the segment


class TopImage(NamedTuple):
    """An image that activates a unit much.

    Attributes:
        place: in the data set.
        path: of the image file.
        label: name of its class.
        activation: the unit's highest, of all cells.
        cell: (y, x) of that, the first of equal ones.
        field: the receptive field of that cell, half-open (x0, y0, x1, y1) in pixels of the photo, which it may exceed;
            None where it is not known.
        photo: uint8 (h, w, 3), squashed as the network is given it.
        segment: bool (h, w), where the upsampled activation is above the unit's threshold.
    """

    place: int
    path: str
    label: str
    activation: float
    cell: tuple[int, int]
    field: tuple[int, int, int, int] | None
    photo: Photos
    segment: Bool[np.ndarray, "_h _w"]

    def picture(self) -> Photos:
        """The photo with all but the segment dimmed."""
        return np.where(self.segment[..., None], self.photo, (DIMMED * self.photo).astype(np.uint8))


class Unit(NamedTuple):
    """A channel of the last feature map.

    Attributes:
        unit: its number.
        weight: of the class, kernel[unit, class].
        threshold: the activation that segments are above.
        images: those with the highest activations, the highest first.
    """

    unit: int
    weight: float
    threshold: float
    images: tuple[TopImage, ...]

    def labels(self) -> dict[str, int]:
        """How many of the images are of each class, the most frequent first."""
        return dict(Counter(image.label for image in self.images).most_common())


class ClassUnits(NamedTuple):
    """A class and its units, that with the largest weight first."""

    label: int
    name: str
    units: tuple[Unit, ...]


def save_unit_sheet(path: str | os.PathLike[str], found: ClassUnits, *, note: str = "") -> None:
    """Write a PNG: a row a unit with its weight, and its images, the segment bright and the receptive field outlined.

    Args:
        path: the PNG; written beside and renamed, so that it is there whole or not at all.
        found: units with as many images each.
        note: sentences at the foot.
    """
    height, width = found.units[0].images[0].photo.shape[:2]
    tall, columns, rows = SIDE * height / width, len(found.units[0].images), len(found.units)
    across = 2 * MARGIN + HEAD + columns * (SIDE + GAP)
    notes = wrap(note, int(LETTERS_INCH * (across - 2 * MARGIN)))
    down = MARGIN + TITLE + rows * (tall + LINE + GAP) + NOTE_LINE * len(notes) + MARGIN
    page = Figure(figsize=(across, down), dpi=DPI, facecolor="white")

    def text(x: float, y: float, letters: str, size: float, **style: Any) -> None:
        page.text(x / across, 1 - y / down, letters, size=size, parse_math=False, **style)

    text(MARGIN, MARGIN + 0.17, found.name, NAME, weight="bold", color=INK)
    text(MARGIN, MARGIN + 0.4, "units with the largest weights, and what activates them most", SMALL, color=GREY)
    for row, unit in enumerate(found.units):
        y = MARGIN + TITLE + row * (tall + LINE + GAP)
        text(MARGIN, y + tall / 2 - 0.08, f"unit {unit.unit}", SMALL + 1, weight="bold", color=INK)
        text(MARGIN, y + tall / 2 + 0.1, f"weight {unit.weight:.3f}", SMALL, color=GREY)
        for column, image in enumerate(unit.images):
            x = MARGIN + HEAD + column * (SIDE + GAP)
            axes = page.add_axes((x / across, 1 - (y + tall) / down, SIDE / across, tall / down))
            axes.set_axis_off()
            axes.imshow(image.picture(), extent=(0, width, height, 0), aspect="auto", interpolation="bicubic")
            _outline(axes, image.field)
            name = shortened(image.label, LETTERS)
            ink = {"color": INK, "weight": "bold"} if image.label == found.name else {"color": GREY}
            text(x, y + tall + 0.11, name, TINY, **ink)
    for number, line in enumerate(reversed(notes)):
        text(MARGIN, down - MARGIN - number * NOTE_LINE, line, SMALL, color=GREY)
    with whole_file(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        FigureCanvasAgg(page).print_png(file)


def _outline(axes: Any, field: tuple[int, int, int, int] | None) -> None:
    """As much of a receptive field's border as lies in the photo."""
    if field is None:
        return
    x0, y0, x1, y1 = field
    frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=FIELD, linewidth=1.2)
    frame.set_path_effects([withStroke(linewidth=2.2, foreground=INK)])
    axes.add_patch(frame)
