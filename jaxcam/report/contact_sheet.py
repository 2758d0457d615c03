"""A contact sheet: a sample of an evaluation in one picture, right and wrong ones as they come."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from jaxcam.arrays import Photos
from jaxcam.report.heatmaps import overlay
from jaxcam.report.sheet import shortened
from jaxcam.whole_files import whole_file

COLUMNS, CELL_WIDTH, CELL_HEIGHT, DPI = 4, 2.4, 2.9, 120  # inches, dots an inch
LETTERS = 28  # of a name
FOUND, TRUE = "white", "#39d353"
RIGHT, HALF_RIGHT, WRONG = "#1a7f37", "#9a6700", "#cf222e"


@dataclass(frozen=True, eq=False)
class Sample:
    """An image as the network sees it. Boxes are half-open (x0, y0, x1, y1) in pixels of the photo.

    Attributes:
        photo: uint8 (h, w, 3).
        map: raw map (h, w) of the predicted class; in training, of the true one.
        box: (4,) from that map.
        truth: (m, 4) ground-truth boxes; none where the data set has none.
        guess: name of the predicted class.
        probability: of that class, in [0, 1]; None of a classifier that has none.
        label: name of the true class.
        class_right: whether the guess is the label.
        box_right: whether the box has an IoU of .5 or more with any ground-truth box.
    """

    photo: Photos
    map: Float[np.ndarray, "h w"]
    box: Float[np.ndarray, "4"]
    truth: Float[np.ndarray, "m 4"]
    guess: str
    probability: float | None
    label: str
    class_right: bool
    box_right: bool

    @property
    def percent(self) -> str:
        """The probability, "" where there is none."""
        return "" if self.probability is None else f"{self.probability:.0%}"

    @property
    def verdict(self) -> str:
        """What is right and what is wrong about the guess."""
        if len(self.truth) == 0:
            return "right" if self.class_right else "wrong"
        if self.class_right:
            return "right" if self.box_right else "right class, wrong box"
        return "wrong class, right box" if self.box_right else "wrong"


def save_contact_sheet(path: str | os.PathLike[str], samples: Sequence[Sample]) -> None:
    """Write a PNG with a heatmap of the predicted class a sample: its box in white, the ground truth in green.

    Args:
        path: the PNG; written beside and renamed, so that it is there whole or not at all.
        samples: at least one; four stand in a row.

    Raises:
        ValueError: for no sample.
    """
    if not samples:
        raise ValueError("samples: got none; give at least one")
    rows = ceil(len(samples) / COLUMNS)
    figure = Figure(
        figsize=(COLUMNS * CELL_WIDTH, rows * CELL_HEIGHT + 0.3), dpi=DPI, facecolor="white", layout="tight"
    )
    for axes in figure.subplots(rows, COLUMNS, squeeze=False).flat:
        axes.set_axis_off()
    for axes, sample in zip(figure.axes, samples, strict=False):
        draw_sample(axes, sample)
    truth = " · green box: ground truth" if any(len(sample.truth) for sample in samples) else ""
    figure.supxlabel(f"heat and white box: the predicted class{truth}", fontsize=8.5)
    with whole_file(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        FigureCanvasAgg(figure).print_png(file)


def draw_sample(axes: Axes, sample: Sample) -> None:
    """A sample's heatmap with its boxes; what is guessed stands above, what is true below."""
    height, width = sample.photo.shape[:2]
    axes.imshow(overlay(sample.photo, sample.map), extent=(0, width, height, 0), interpolation="bicubic")
    _outline(axes, sample.box, FOUND, 3.0)
    for box in sample.truth:  # narrower and on top, so that both are seen where they meet
        _outline(axes, box, TRUE, 1.5)
    colour = {"right": RIGHT, "wrong": WRONG}.get(sample.verdict, HALF_RIGHT)
    guess, label = (shortened(name, LETTERS) for name in (sample.guess, sample.label))
    style: dict[str, Any] = {"fontsize": 8.5, "parse_math": False}
    axes.set_title(f"{guess} {sample.percent}\n{sample.verdict}", color=colour, **style)
    axes.text(0.5, -0.03, f"true: {label}", transform=axes.transAxes, ha="center", va="top", **style)


def _outline(axes: Axes, box: np.ndarray, colour: str, width: float) -> None:
    x0, y0, x1, y1 = map(float, box)
    outline = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width, clip_on=False)
    outline.set_path_effects([withStroke(linewidth=width + 1.5, foreground="black")])
    axes.add_patch(outline)
