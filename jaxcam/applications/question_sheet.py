"""The picture of an answered question: the photo, a heatmap an answer, and under each what speaks for it."""

import os
import warnings
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcam.applications.question_answering import Answering
from jaxcam.arrays import Photos
from jaxcam.report.heatmaps import overlay
from jaxcam.report.sheet import save_sheet, shortened

DPI = 150
# Inches: of the pictures, then of what stands around them.
HIGHEST, WIDEST, NARROWEST = 2.4, 4.0, 2.1
SIDE, GAP, BELOW, FOOT, BAR = 0.45, 1.0, 0.5, 0.2, 0.23
QUESTION, CAPTION_SIZE = 13.0, 7.5  # points
FOR, AGAINST, PHOTO, GREY = "#d1495b", "#3b6fb6", "#2a2a2a", "#6b6b6b"
LETTERS = 16  # of a word
CAPTION = (
    "Heat: where the photo speaks for the answer, from nothing (blue) to its most (red), each map by its own maximum. "
    "Bars: shares of the answer's score, of each word, of the photo (the mean of the map) and of the bias; red for, "
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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        save_sheet(path, draw_answering(photo, found, title=title))


def draw_answering(photo: Photos, found: Answering, *, title: str = "") -> Figure:
    """The figure that `save_answering` writes."""
    aspect = photo.shape[1] / photo.shape[0]
    height = min(HIGHEST, WIDEST / aspect)
    width, bars = max(height * aspect, NARROWEST), BAR * (len(found.known) + 2)
    columns = 1 + len(found.answers)
    page = 2 * SIDE + columns * width + (columns - 1) * GAP
    title_lines = _wrapped(found.question, page, QUESTION, lines=2)
    caption_lines = _wrapped(CAPTION, page, CAPTION_SIZE, lines=9)
    top = 0.55 + 0.25 * len(title_lines)
    charts = top + height + BELOW
    total = charts + bars + 0.3 + 0.14 * len(caption_lines) + FOOT
    figure = Figure(figsize=(page, total), dpi=DPI, facecolor="white")

    def axes(column: int, upper: float, tall: float) -> Axes:
        left = SIDE + column * (width + GAP)
        return figure.add_axes((left / page, 1 - (upper + tall) / total, width / page, tall / total))

    style: dict[str, Any] = {"parse_math": False, "linespacing": 1.2}
    figure.text(SIDE / page, 1 - 0.15 / total, "\n".join(title_lines), size=QUESTION, weight="bold", va="top", **style)
    _show(axes(0, top, height), photo, shortened(title, 30) or "photo", "normal")
    _unknown(axes(0, charts, bars), found)
    limits = _limits(found)
    for row, (answer, share) in enumerate(zip(found.answers, found.probabilities, strict=True)):
        name = f"{shortened(answer, 20)}  {share:.1%}"
        _show(axes(row + 1, top, height), overlay(photo, found.maps[row]), name, "bold")
        _bars(axes(row + 1, charts, bars), found, row, limits)
    figure.text(SIDE / page, FOOT / total, "\n".join(caption_lines), size=CAPTION_SIZE, color=GREY, **style)
    return figure


def _wrapped(text: str, page: float, size: float, *, lines: int) -> list[str]:
    """Text in lines as long as the page is wide, for letters of usual width: .6 of their height, and a bit."""
    return wrap(text, int((page - 2 * SIDE) / (0.65 * size / 72)), max_lines=lines, placeholder=" …")


def _show(axes: Axes, picture: Photos, title: str, weight: str) -> None:
    axes.imshow(picture, interpolation="bicubic")
    axes.set_axis_off()
    axes.set_title(title, size=10, weight=weight, parse_math=False)


def _unknown(axes: Axes, found: Answering) -> None:
    """Under the photo: how the bars add up, and which words are left out."""
    axes.set_axis_off()
    lines = ["score = words + photo + bias"]
    if found.unknown:
        rest = len(found.unknown) - 4
        lines += ["", "unknown, left out:", *(shortened(word, LETTERS) for word in found.unknown[:4])]
        lines += [f"and {rest} more"] if rest > 0 else []
    axes.text(0, 1, "\n".join(lines), size=8.5, va="top", color=GREY, parse_math=False)


def _limits(found: Answering) -> tuple[float, float]:
    """The same for all bar charts, with room for the figures at the bars' ends."""
    shares = np.concatenate([found.words, found.photo[:, None], found.bias[:, None]], axis=1)
    low, high = min(0.0, float(shares.min())), max(0.0, float(shares.max()))
    room = 0.28 * ((high - low) or 1.0)
    return low - (room if low < 0 else 0), high + room


def _bars(axes: Axes, found: Answering, row: int, limits: tuple[float, float]) -> None:
    """A bar a word, and one each for photo and bias."""
    names = [*(shortened(word, LETTERS) for word in found.known), "the photo", "bias"]
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
