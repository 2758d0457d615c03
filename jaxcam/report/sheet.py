"""A sheet: one picture that shows a photo, and beside it where the network sees each of its classes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image, PngImagePlugin

from jaxcam.arrays import Boxes, Maps, Photos
from jaxcam.report.heatmaps import overlay
from jaxcam.whole_files import whole_file

DPI, COMPRESSION = 150, 4
# Lengths in inches, sizes of letters in points.
PHOTO_AREA, PHOTO_WIDTH, PHOTO_HEIGHT, CELL_WIDTH = 7.5, 8.0, 5.0, 2.1
MARGIN, GAP, LINE, NOTE_LINE, BAR, BAR_WIDTH, FIGURES = 0.3, 0.3, 0.2, 0.16, 0.055, 4.0, 0.55
NAME, SMALL, FONT = 11.0, 8.5, "DejaVu Sans"
INK, GREY, PALE, ACCENT = "#1a1a1a", "#6b6b6b", "#e4e4e4", "#d1495b"


def draw_sheet(
    photo: Photos,
    maps: Maps,
    boxes: Boxes,
    names: Sequence[str],
    probabilities: Sequence[float],
    *,
    title: str = "",
    subtitle: str = "",
    caption: str = "",
) -> Figure:
    """Draw a photo and a heatmap of each class over it, with the class's name, probability and box.

    Args:
        photo: uint8 (h, w, 3).
        maps: raw maps (n, h, w), one a class.
        boxes: (n, 4) half-open (x0, y0, x1, y1) in pixels of the photo.
        names: of the n classes.
        probabilities: of the n classes, in [0, 1].
        title: over the photo, such as the file's name.
        subtitle: under the title, such as its size.
        caption: a line or more at the foot.

    Returns:
        A figure of Matplotlib's, drawn without its global state, for `save_sheet`.

    Raises:
        ValueError: if these do not fit together.

    >>> photo = np.zeros((40, 60, 3), np.uint8)
    >>> sheet = draw_sheet(photo, np.ones((1, 40, 60)), np.array([[0.0, 0, 60, 40]]), ["night"], [0.9])
    >>> len(sheet.axes)
    2
    """
    counts = {"maps": len(maps), "boxes": len(boxes), "names": len(names), "probabilities": len(probabilities)}
    if len(set(counts.values())) != 1:
        raise ValueError(f"sheet: got {counts}; give as many of each, one a class")
    plan = _plan(photo.shape[0], photo.shape[1], 1 + len(names))
    titles = [_wrap(text, plan.cell_width, NAME, lines=2, weight="bold") for text in (title, *names)]
    notes = _wrap(caption, plan.page_width - 2 * MARGIN, SMALL, lines=9)
    page = _Page(plan, titles, notes)
    page.subtitle(0, _wrap(subtitle, plan.cell_width, SMALL, lines=1)[0])
    page.picture(0, photo)
    for cell, (class_map, box, probability) in enumerate(zip(maps, boxes, probabilities, strict=True), start=1):
        page.probability(cell, probability)
        page.picture(cell, overlay(photo, class_map), np.asarray(box))
    return page.figure


def save_sheet(path: str | os.PathLike[str], sheet: Figure, *, notes: Mapping[str, str] | None = None) -> None:
    """Write a sheet as PNG: beside its place first, then renamed, so that it is there whole or not at all.

    Args:
        path: the PNG.
        sheet: what `draw_sheet` drew.
        notes: text entries of the PNG, which no viewer shows, for `read_notes`.
    """
    entries = PngImagePlugin.PngInfo()
    for name, text in (notes or {}).items():
        entries.add_text(name, text)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # no part is transparent: a smaller file, sooner written
    with whole_file(path) as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=COMPRESSION, pnginfo=entries)


def read_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text entries at the head of a PNG; none where there is no file, or one that is no PNG."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return {str(name): text for name, text in image.info.items() if isinstance(text, str)}
    except Exception:  # noqa: BLE001 (a broken file raises errors of many kinds, and is nothing that we wrote)
        return {}


def shortened(name: str, letters: int) -> str:
    """A name of at most so many letters: its beginning and an ellipsis where it has more, with blanks or without.

    >>> shortened("187.American_Three_toed_Woodpecker", 20)
    '187.American_Three_…'
    """
    name = " ".join(name.split())
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class _Plan:
    """How large a photo is shown, and how many stand in a row; in inches."""

    columns: int
    rows: int
    photo_width: float
    photo_height: float
    cell_width: float  # at least so wide that a name fits above a narrow photo

    @property
    def page_width(self) -> float:
        return self.columns * (self.cell_width + GAP) - GAP + 2 * MARGIN


def _plan(height: int, width: int, cells: int) -> _Plan:
    """All photos shown with the same area as far as it goes, in a page near 16:10 with few empty cells."""
    aspect = width / height
    photo_width = min(sqrt(PHOTO_AREA * aspect), PHOTO_WIDTH, PHOTO_HEIGHT * aspect)
    photo_height = photo_width / aspect
    cell_width = max(photo_width, CELL_WIDTH)

    def badness(columns: int) -> float:
        rows = ceil(cells / columns)
        shape = columns * (cell_width + GAP) / (rows * (photo_height + 4 * LINE + GAP))
        return abs(log(shape / 1.6)) + (columns * rows - cells) / cells

    columns = min(range(1, cells + 1), key=badness)
    return _Plan(columns, ceil(cells / columns), photo_width, photo_height, cell_width)


class _Page:
    """A figure measured in inches from its upper left corner, with a cell (titles, a line, a picture) a class."""

    def __init__(self, plan: _Plan, titles: list[list[str]], notes: list[str]):
        self.plan = plan
        self.corners: list[tuple[float, float]] = []  # of the lines between the titles and the pictures
        y = MARGIN
        for first in range(0, len(titles), plan.columns):
            row = titles[first : first + plan.columns]
            y += LINE * max(map(len, row))
            self.corners += [(MARGIN + column * (plan.cell_width + GAP), y) for column in range(len(row))]
            y += LINE + 0.08 + plan.photo_height + GAP
        self.width, self.height = plan.page_width, y + NOTE_LINE * len(notes) + (MARGIN - GAP if not notes else 0.2)
        self.figure = Figure(figsize=(self.width, self.height), dpi=DPI, facecolor="white")
        for (left, bottom), lines in zip(self.corners, titles, strict=True):
            for number, line in enumerate(reversed(lines)):
                self.text(left, bottom - number * LINE - 0.05, line, NAME, weight="bold")
        for number, line in enumerate(notes):
            self.text(MARGIN, y + (number + 0.5) * NOTE_LINE, line, SMALL, color=GREY)

    def text(self, x: float, baseline: float, text: str, size: float, **style: Any) -> None:
        style = {"color": INK, "family": FONT, **style}
        self.figure.text(x / self.width, 1 - baseline / self.height, text, size=size, parse_math=False, **style)

    def area(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A rectangle from its upper left corner, as Matplotlib wants it."""
        return x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height

    def subtitle(self, cell: int, text: str) -> None:
        x, y = self.corners[cell]
        self.text(x, y + 0.12, text, SMALL, color=GREY)

    def probability(self, cell: int, probability: float) -> None:
        """A bar as long as the probability, and its figure at the right."""
        x, y = self.corners[cell]
        width = min(self.plan.cell_width, BAR_WIDTH)
        for length, colour in ((1.0, PALE), (probability, ACCENT)):
            left, bottom, *size = self.area(x, y + 0.055, length * (width - FIGURES), BAR)
            self.figure.add_artist(Rectangle((left, bottom), *size, color=colour, linewidth=0))
        self.text(x + width, y + 0.12, _percent(probability), SMALL, ha="right")

    def picture(self, cell: int, picture: Photos, box: np.ndarray | None = None) -> None:
        x, y = self.corners[cell]
        axes = self.figure.add_axes(self.area(x, y + LINE + 0.02, self.plan.photo_width, self.plan.photo_height))
        axes.set_axis_off()
        height, width = picture.shape[:2]
        enlarged = width < DPI * self.plan.photo_width
        # From pixel 0 to pixel w, so that half-open boxes fall on the edges of pixels.
        axes.imshow(
            picture, extent=(0, width, height, 0), aspect="auto", interpolation="bicubic" if enlarged else "antialiased"
        )
        if box is not None:
            (x0, y0), (x1, y1) = box[:2], box[2:]
            frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="white", linewidth=1.6, clip_on=False)
            frame.set(joinstyle="miter", path_effects=[withStroke(linewidth=3.6, foreground=INK)])
            axes.add_patch(frame)


def _percent(probability: float) -> str:
    return "<0.1%" if probability < 0.0005 else f"{100 * probability:.1f}%"


def _wrap(text: str, width: float, size: float, *, lines: int, weight: str = "normal") -> list[str]:
    """Text broken at blanks into at most so many lines of `width` inches; an ellipsis where it is longer."""
    font = get_font(findfont(FontProperties(family=FONT, weight=weight)))
    font.set_size(size, DPI)

    def fits(line: str) -> bool:
        font.set_text(line)
        return font.get_width_height()[0] / 64 <= width * DPI

    # A letter that the font lacks would be a warning and an empty frame.
    known = font.get_charmap()
    words = "".join(letter if ord(letter) in known else "\N{REPLACEMENT CHARACTER}" for letter in text).split()
    wrapped = [""]
    while words:
        longer = f"{wrapped[-1]} {words[0]}".strip()
        if fits(longer):
            wrapped[-1] = longer
            words.pop(0)
        elif len(wrapped) < lines and wrapped[-1]:
            wrapped.append("")
        else:
            wrapped[-1] = f"{wrapped[-1]} {words[0]}".strip()
            while wrapped[-1] and not fits(wrapped[-1] + "\N{HORIZONTAL ELLIPSIS}"):
                wrapped[-1] = wrapped[-1][:-1].rstrip(" ,")
            wrapped[-1] += "\N{HORIZONTAL ELLIPSIS}"
            break
    return wrapped
