"""A page for a scene category: the objects under its maps, the most frequent ones, and photos with both outlined."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from jaxcam.arrays import Photos
from jaxcam.report.heatmaps import overlay
from jaxcam.report.sheet import shortened
from jaxcam.whole_files import whole_file

# Lengths in inches, sizes of letters in points.
WIDTH, MARGIN, HEAD, LINE, FOOT, DPI = 10.8, 0.3, 0.85, 0.24, 0.4, 120
COLUMNS, LABEL, SMALL, LETTERS = 3, 8.0, 9.0, 30
CELL_WIDTH, CELL_HEIGHT = (WIDTH - (COLUMNS + 1) * MARGIN) / COLUMNS, 3.2  # at most
INK, GREY, PALE = "#1a1a1a", "#6b6b6b", "#e4e4e4"
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#f032e6")


@dataclass(frozen=True, eq=False)
class ScenePhoto:
    """A photo to show.

    Attributes:
        photo: uint8 (h, w, 3).
        map: raw map (h, w) of its scene category.
        objects: where the objects are that the page names, by their names.
    """

    photo: Photos
    map: Float[np.ndarray, "h w"]
    objects: Mapping[str, Bool[np.ndarray, "h w"]]


def save_scene_sheet(
    path: str | os.PathLike[str],
    photos: Sequence[ScenePhoto],
    *,
    title: str,
    subtitle: str,
    overlapping: Sequence[tuple[str, float]],
    frequent: Sequence[tuple[str, float]],
    threshold: float,
) -> None:
    """Write a PNG with two lists of objects, and three pictures a photo: itself, its heatmap, its objects' outlines.

    Args:
        path: the PNG; written beside and renamed, so that it is there whole or not at all.
        photos: to show, one in a row.
        title: the scene category.
        subtitle: how the lists were made.
        overlapping: the objects that overlap the high activation most often, and in how many percent of the photos;
            these are outlined, each in a colour of its own.
        frequent: the most frequent objects, likewise.
        threshold: of high activation, as a share of a map's maximum.
    """
    lines = 1 + max(len(overlapping), len(frequent), 1)
    lists = LINE * lines + 0.2
    tallest = max((shown.photo.shape[0] / shown.photo.shape[1] for shown in photos), default=0)
    row = min(CELL_HEIGHT, CELL_WIDTH * tallest) + 0.15
    height = HEAD + lists + len(photos) * row + FOOT
    page = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")

    def area(x: float, y: float, width: float, tall: float) -> Axes:
        axes = page.add_axes((x / WIDTH, 1 - (y + tall) / height, width / WIDTH, tall / height))
        axes.set_axis_off()
        return axes

    def write(below: float, text: str, **style: Any) -> None:
        page.text(MARGIN / WIDTH, 1 - below / height, text, parse_math=False, va="top", **style)

    write(0.2, title, fontsize=15, weight="bold", color=INK)
    write(0.53, subtitle, fontsize=SMALL, color=GREY)
    colours = {name: COLOURS[rank % len(COLOURS)] for rank, (name, _) in enumerate(overlapping)}
    half = (WIDTH - 3 * MARGIN) / 2
    columns = (("objects most often under high activation", overlapping), ("most frequent objects", frequent))
    for number, (heading, objects) in enumerate(columns):
        _list(area(MARGIN + number * (half + MARGIN), HEAD, half, lists - 0.2), heading, objects, colours, lines)
    for number, photo in enumerate(photos):
        sides = (MARGIN + column * (CELL_WIDTH + MARGIN) for column in range(COLUMNS))
        cells = [area(side, HEAD + lists + number * row, CELL_WIDTH, row - 0.15) for side in sides]
        _draw_photo(cells, photo, colours, threshold)
    foot = f"middle: the scene's map, and a line around its high activation, at least {threshold:g} of the maximum"
    write(height - 0.35, foot, fontsize=SMALL, color=GREY)
    _save(path, page)


def _save(path: str | os.PathLike[str], page: Figure) -> None:
    with whole_file(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        FigureCanvasAgg(page).print_png(file)


def _list(
    axes: Axes, heading: str, objects: Sequence[tuple[str, float]], colours: Mapping[str, str], lines: int
) -> None:
    """A heading, and for each object a bar as long as its percentage."""
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    style: dict[str, Any] = {"fontsize": SMALL, "va": "center", "parse_math": False}
    axes.text(0, 0.4, f"{heading}, % of the photos", weight="bold", color=INK, **style)
    if not objects:
        axes.text(0, 1.5, "none", color=GREY, **style)
    for line, (name, percent) in enumerate(objects, start=1):
        axes.text(0, line + 0.5, shortened(name, LETTERS), color=INK, **style)
        for share, colour in ((1.0, PALE), (percent / 100, colours.get(name, GREY))):
            axes.add_patch(Rectangle((0.44, line + 0.25), 0.44 * share, 0.5, color=colour, linewidth=0))
        axes.text(1, line + 0.5, f"{percent:.1f}", ha="right", color=INK, **style)


def _draw_photo(cells: Sequence[Axes], shown: ScenePhoto, colours: Mapping[str, str], threshold: float) -> None:
    height, width = shown.photo.shape[:2]
    for axes, picture in zip(cells, (shown.photo, overlay(shown.photo, shown.map), shown.photo), strict=True):
        axes.imshow(picture, extent=(0, width, height, 0), interpolation="bilinear")
        axes.autoscale(False)
    top = shown.map.max()
    if top > 0:
        _outline(cells[1], shown.map >= threshold * top, "white")
    taken: list[tuple[float, float, float, float]] = []
    for name, colour in colours.items():
        if name in shown.objects and shown.objects[name].any():
            _outline(cells[2], shown.objects[name], colour)
            _label(cells[2], name, shown.objects[name], colour, taken)


def _outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    # A frame of nothing closes what reaches the photo's edge; the middle of pixel 0 is at 0.5.
    framed = np.pad(mask, 1).astype(np.float32)
    x, y = np.arange(framed.shape[1]) - 0.5, np.arange(framed.shape[0]) - 0.5
    lines = axes.contour(x, y, framed, levels=[0.5], colors=[colour], linewidths=1.6)
    lines.set_path_effects([withStroke(linewidth=3.0, foreground="black")])


def _label(
    axes: Axes, name: str, mask: np.ndarray, colour: str, taken: list[tuple[float, float, float, float]]
) -> None:
    """A name at the pixel of its object that is farthest from the object's edge, or below names that stand there."""
    from scipy.ndimage import distance_transform_edt

    y, x = np.unravel_index(distance_transform_edt(np.pad(mask, 1)).argmax(), np.add(mask.shape, 2))
    text, (height, width) = shortened(name, LETTERS), mask.shape
    pixel = max(height / CELL_HEIGHT, width / CELL_WIDTH) / 72  # in a point
    tall, half = 1.3 * LABEL * pixel, 0.33 * LABEL * pixel * len(text)
    x, y = float(np.clip(x, min(half, width / 2), max(width - half, width / 2))), float(y)

    def free(y: float) -> bool:
        return all(abs(y - other) >= tall or x + half < left or x - half > right for left, right, other, _ in taken)

    places = [y + step * tall for step in (0, 1, -1, 2, -2, 3, -3, 4, -4)]
    y = next((place for place in places if tall / 2 <= place <= height - tall / 2 and free(place)), y)
    taken.append((x - half, x + half, y, tall))
    written = axes.text(x, y, text, fontsize=LABEL, color="white", ha="center", va="center", parse_math=False)
    written.set_path_effects([withStroke(linewidth=2.5, foreground=colour)])
