"""The picture of an answered question: the photo, a heatmap an answer, and under each what speaks for it."""

import os
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcam.applications.question_answering import Answering
from jaxcam.arrays import Photos
from jaxcam.report.heatmaps import overlay
from jaxcam.report.sheet import save_sheet

DPI = 150
# Inches.
PHOTO_HEIGHT, WIDEST, NARROWEST, BAR, GAP, LEFT, TOP, BETWEEN, FOOT = 2.4, 4.0, 2.1, 0.23, 1.0, 0.95, 0.75, 0.75, 0.75
FOR, AGAINST, PHOTO, GREY = "#d1495b", "#3b6fb6", "#2a2a2a", "#6b6b6b"
LETTERS = 16  # of a word
CAPTION = (
    "Heat: where the photo speaks for the answer, from nothing (blue) to its most (red), each map by its own maximum. "
    "Bars: shares of the answer's score,\nof each word, of the photo (the mean of the map) and of the bias; red for, "
    "blue against. The maps do not depend on the question."
)


def save_answering(path: str | os.PathLike[str], photo: Photos, found: Answering, *, title: str = "") -> None:
    """Write an answered question as PNG, whole or not at all.

    Args:
        path: the PNG.
        photo: uint8 (h, w, 3), of the maps' size.
        found: of `answer_question`.
        title: of the photo, such as its file's name.
    """
    save_sheet(path, draw_answering(photo, found, title=title))


def draw_answering(photo: Photos, found: Answering, *, title: str = "") -> Figure:
    """The figure that `save_answering` writes."""
    width = float(np.clip(PHOTO_HEIGHT * photo.shape[1] / photo.shape[0], NARROWEST, WIDEST))
    bars = BAR * (len(found.known) + 2)
    columns = 1 + len(found.answers)
    size = LEFT / 2 + columns * width + (columns - 1) * GAP + LEFT / 2, TOP + PHOTO_HEIGHT + BETWEEN + bars + FOOT
    figure = Figure(figsize=size, dpi=DPI, facecolor="white")

    def axes(column: int, top: float, height: float) -> Axes:
        left = LEFT / 2 + column * (width + GAP)
        return figure.add_axes((left / size[0], 1 - (top + height) / size[1], width / size[0], height / size[1]))

    plain: dict[str, Any] = {"parse_math": False}
    figure.text(LEFT / 2 / size[0], 1 - 0.3 / size[1], shorten(found.question, 110), size=13, weight="bold", **plain)
    _show(axes(0, TOP, PHOTO_HEIGHT), photo, shorten(title, 40) or "photo", "normal")
    _unknown(axes(0, TOP + PHOTO_HEIGHT + BETWEEN, bars), found)
    limits = _limits(found)
    for column, (answer, share) in enumerate(zip(found.answers, found.probabilities, strict=True), start=1):
        heat = overlay(photo, found.maps[column - 1])
        _show(axes(column, TOP, PHOTO_HEIGHT), heat, f"{shorten(answer, 24)}  {share:.1%}", "bold")
        _bars(axes(column, TOP + PHOTO_HEIGHT + BETWEEN, bars), found, column - 1, limits)
    figure.text(LEFT / 2 / size[0], 0.2 / size[1], CAPTION, size=7.5, color=GREY, **plain)
    return figure


def _show(axes: Axes, picture: Photos, title: str, weight: str) -> None:
    axes.imshow(picture, interpolation="bicubic")
    axes.set_axis_off()
    axes.set_title(title, size=10, weight=weight, parse_math=False)


def _unknown(axes: Axes, found: Answering) -> None:
    """Under the photo: how the bars add up, and which words are left out."""
    axes.set_axis_off()
    lines = ["score = words + photo + bias"]
    if found.unknown:
        lines += ["", "unknown, left out:", *(shorten(word, 2 * LETTERS) for word in found.unknown[:4])]
    axes.text(0, 1, "\n".join(lines), size=8.5, va="top", color=GREY, parse_math=False)


def _limits(found: Answering) -> tuple[float, float]:
    """The same for all bar charts, with room for the figures at the bars' ends."""
    shares = np.concatenate([found.words, found.photo[:, None], found.bias[:, None]], axis=1)
    low, high = min(0.0, float(shares.min())), max(0.0, float(shares.max()))
    room = 0.28 * ((high - low) or 1.0)
    return low - (room if low < 0 else 0), high + room


def _bars(axes: Axes, found: Answering, row: int, limits: tuple[float, float]) -> None:
    """A bar a word, and one each for photo and bias."""
    names = [*(shorten(word, LETTERS, placeholder="…") for word in found.known), "the photo", "bias"]
    shares = [*found.words[row].tolist(), float(found.photo[row]), float(found.bias[row])]
    places = range(len(names))
    axes.barh(places, shares, color=[FOR if share > 0 else AGAINST for share in shares], height=0.7)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(
            f"{share:+.2f}",
            (share, place),
            (3 if share >= 0 else -3, 0),
            textcoords="offset points",
            ha="left" if share >= 0 else "right",
            va="center",
            size=7.5,
            color=GREY,
        )
    axes.axvline(0, color=PHOTO, linewidth=0.8)
    axes.axhline(len(found.known) - 0.5, color=GREY, linewidth=0.5, linestyle=":")
    axes.set_yticks(places, names, size=8.5, parse_math=False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set(xlim=limits, ylim=(len(names) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.set_title(f"score {found.scores[row]:.2f}", size=8.5, color=GREY)
