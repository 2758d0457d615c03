"""The curves of a training run: loss, accuracy and learning rate in one picture."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcam.report.sheet import DPI, GREY, INK, PALE, save_sheet

POINTS = 1000  # of a curve: a dot of the picture each
# Blue and vermilion: Okabe and Ito's colours, which the colour-blind tell apart, as do those who print in grey.
BLUE, VERMILION = "#0072B2", "#D55E00"


class _Curve(NamedTuple):
    name: str  # of the figure, as `RunLog.write` is given it
    label: str
    colour: str


class _Panel(NamedTuple):
    title: str
    unit: str
    scale: float
    curves: tuple[_Curve, ...]


PANELS = (
    _Panel("Loss", "nats an image", 1, (_Curve("loss", "training", BLUE),)),
    _Panel(
        "Accuracy",
        "% of images",
        100,
        (_Curve("accuracy", "training", BLUE), _Curve("held_out_accuracy", "held out", VERMILION)),
    ),
    _Panel("Learning rate", "", 1, (_Curve("learning_rate", "training", BLUE),)),
)


def draw_curves(lines: Sequence[Mapping[str, Any]], *, title: str = "Training") -> Figure:
    """Draw what a run's log holds: loss, accuracy (training and held out) and learning rate, over epochs.

    A figure that a line does not have leaves its curve as it is; one that is null, or not finite, is a gap in it. A
    curve of more than `POINTS` values is drawn through the means of as many values each as it takes.

    Args:
        lines: in the order of their steps, each with "step" and some of "epoch" (with its fraction), "loss",
            "accuracy", "held_out_accuracy" (shares in [0, 1]) and "learning_rate". If any lacks its epoch, steps are
            the x axis.
        title: over all.

    Returns:
        A figure of Matplotlib's, drawn without its global state.

    Raises:
        ValueError: for no line.

    >>> figure = draw_curves([{"step": 50, "epoch": 0.5, "loss": 4.6}, {"step": 100, "epoch": 1.0, "loss": 4.1}])
    >>> figure.axes[0].lines[0].get_xydata()
    array([[0.5, 4.6],
           [1. , 4.1]])
    """
    if not lines:
        raise ValueError("lines: got none; give those of a run's metrics.jsonl")
    over = "epoch" if all(math.isfinite(_number(line.get("epoch"))) for line in lines) else "step"
    figure = Figure(figsize=(8.0, 8.4), dpi=DPI, facecolor="white", layout="constrained")
    figure.suptitle(title, x=0.012, ha="left", weight="bold", color=INK, parse_math=False)
    panels = figure.subplots(len(PANELS), 1, sharex=True, height_ratios=(3, 3, 2))
    for axes, panel in zip(panels, PANELS, strict=True):
        _draw(axes, panel, lines, over)
    panels[-1].set_xlabel(over)
    panels[-1].set_xlim(0, 1.02 * (max(_number(line[over]) for line in lines) or 1))
    panels[-1].xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 5, 10], integer=over == "step"))
    return figure


def save_curves(path: str | os.PathLike[str], lines: Sequence[Mapping[str, Any]], *, title: str = "Training") -> None:
    """Write `draw_curves` as PNG, so that it is there whole or not at all."""
    save_sheet(path, draw_curves(lines, title=title))


def _draw(axes: Axes, panel: _Panel, lines: Sequence[Mapping[str, Any]], over: str) -> None:
    for name, label, colour in panel.curves:
        points = _thinned(_points(lines, over, name) * [1, panel.scale])
        if np.isfinite(points[:, 1]).any():
            # Dots show a value between two gaps, and how often one was measured.
            size = 5.0 if len(points) <= 60 else 2.0
            style: dict[str, Any] = {
                "linewidth": 1.4,
                "marker": "o",
                "markersize": size,
                "markeredgewidth": 0.0,
                "clip_on": False,
            }
            axes.plot(*points.T, color=colour, label=label, **style)
    axes.set_title(panel.title, loc="left", size=10, color=INK)
    axes.set_ylabel(panel.unit, color=GREY)
    axes.set_ylim(bottom=0)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=GREY)
    if len(axes.lines) > 1:
        axes.legend(frameon=False, fontsize=9, loc="lower right")


def _points(lines: Sequence[Mapping[str, Any]], over: str, name: str) -> Float[np.ndarray, "n 2"]:
    """(x, y) of the lines that have the figure; NaN where it is null."""
    pairs = [(_number(line[over]), _number(line[name])) for line in lines if name in line]
    return np.array(pairs, float).reshape(-1, 2)


def _number(value: Any) -> float:
    """A figure of a line; NaN where it is none, or not finite."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def _thinned(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """Means of so many neighbours that few enough points are left; of a gap and others it is a gap."""
    size = math.ceil(len(points) / POINTS)
    if size <= 1:
        return points
    return np.array([part.mean(0) for part in np.split(points, range(size, len(points), size))])
