"""Curves of accuracy over thresholds, drawn as SVG in text."""

from collections.abc import Iterable, Mapping
from html import escape
from math import ceil
from typing import NamedTuple

COLOURS = 6  # that page.css gives to curves; a seventh has the first one's again
NEAR_X, NEAR_Y = 30, 7  # in percent of the chart: labels nearer to each other than that would overlap
# Where a label's letters stand, in percent of the chart from its dot: above or below it, or else further away.
PLACES = (-4, 8, -11, 15, -18, 22, 29, 36)


class Curve(NamedTuple):
    """Accuracy in percent at each of some thresholds, which ascend in [0, 1].

    >>> Curve((0.1, 0.2, 0.3), (40.0, 60.0, 60.0)).best
    (0.2, 60.0)
    """

    thresholds: tuple[float, ...]
    percent: tuple[float, ...]

    @property
    def best(self) -> tuple[float, float]:
        """The threshold with the highest accuracy, the smallest of several, and that accuracy."""
        index = self.percent.index(max(self.percent))
        return self.thresholds[index], self.percent[index]


def draw_curves(curves: Mapping[str, Curve]) -> str:
    """A chart of the curves with their best points, and a legend that names them; nothing for no curve."""
    if not curves:
        return ""
    for name, curve in curves.items():
        _check(name, curve)
    highest = max(curve.best[1] for curve in curves.values())
    top = min(100, max(10, 10 * ceil(1.05 * highest / 10)))  # of the axis, with room above the best point
    lines = "".join(
        f'<polyline class="curve c{number % COLOURS}" points="{_points(curve)}"/>'
        for number, curve in enumerate(curves.values())
    )
    legend = "".join(
        f'<li class="c{number % COLOURS}"><b>{escape(name)}</b> <span>{_best(curve)}</span></li>'
        for number, (name, curve) in enumerate(curves.items())
    )
    names = escape("; ".join(f"{name}: {_best(curve)}" for name, curve in curves.items()))
    # The outer picture has no coordinates of its own, so that letters and dots keep their size at any width; the inner
    # one is stretched over it, with the data themselves as coordinates.
    return (
        '<div class="chart"><p class="axis">accuracy %</p>\n'
        f'<svg role="img" aria-label="Accuracy over thresholds. {names}">{_axes(top)}\n'
        f'<svg viewBox="0 0 1 {top}" preserveAspectRatio="none">'
        f'<g transform="matrix(1 0 0 -1 0 {top})">{lines}</g></svg>\n'
        f'<line class="cursor" y2="100%" visibility="hidden"/>{_marks(curves, top)}</svg>\n'
        '<p class="axis">threshold, as a share of the map\'s range (WSOL benchmark)</p></div>\n'
        f'<ul class="legend">{legend}</ul>'
    )


def _check(name: str, curve: Curve) -> None:
    thresholds, percent = curve
    if len(thresholds) != len(percent) or not thresholds:
        raise ValueError(
            f"curves: got {len(thresholds)} thresholds and {len(percent)} values for {name!r}; give as many"
        )
    if not (thresholds[0] >= 0 and thresholds[-1] <= 1 and list(thresholds) == sorted(thresholds)):
        raise ValueError(f"curves: got thresholds of {name!r} out of order or range; give them ascending in [0, 1]")
    if not all(0 <= value <= 100 for value in percent):
        raise ValueError(f"curves: got {name!r} with values out of [0, 100] or NaN; give shares in percent")


def _best(curve: Curve) -> str:
    threshold, percent = curve.best
    return f"best {percent:.2f} % at {threshold:g}"


def _points(curve: Curve) -> str:
    return " ".join(f"{x:g},{round(y, 2):g}" for x, y in zip(*curve, strict=True))


def _axes(top: int) -> str:
    """Lines across the chart, and the figures beside them."""
    step = 10 if top <= 50 else 20
    rows = (
        f'<line class="grid" x2="100%" y1="{100 - 100 * y / top:g}%" y2="{100 - 100 * y / top:g}%"/>'
        f'<text x="-0.6em" y="{100 - 100 * y / top:g}%" dy="0.35em" text-anchor="end">{y}</text>'
        for y in range(0, top + 1, step)
    )
    columns = (f'<text x="{x}%" y="100%" dy="1.5em" text-anchor="middle">{x / 100:g}</text>' for x in range(0, 101, 20))
    return "".join([*rows, *columns])


def _marks(curves: Mapping[str, Curve], top: int) -> str:
    """A dot on the best point of each curve with its values above, or elsewhere if they would cover another's."""
    marks: list[str] = []
    dots = {name: (100 * curve.best[0], 100 - 100 * curve.best[1] / top) for name, curve in curves.items()}
    placed: list[tuple[float, float]] = []
    for number, (name, curve) in sorted(enumerate(curves.items()), key=lambda item: -item[1][1].best[1]):
        (threshold, percent), (x, y) = curve.best, dots[name]
        free = (y + place for place in PLACES if _is_free(x, y + place, placed, dots.values()))
        height = next(free, y + PLACES[0])
        placed.append((x, height))
        anchor = "start" if x < 12 else "end" if x > 88 else "middle"
        marks.append(
            f'<g class="best c{number % COLOURS}"><circle cx="{x:g}%" cy="{y:g}%" r="5"/>'
            f'<text x="{x:g}%" y="{height:g}%" text-anchor="{anchor}">{percent:.1f} at {threshold:g}</text>'
            f"<title>{escape(name)}: {_best(curve)}</title></g>"
        )
    return "".join(marks)


def _is_free(
    x: float, height: float, placed: Iterable[tuple[float, float]], dots: Iterable[tuple[float, float]]
) -> bool:
    """Whether a label whose letters stand at that height lies within the chart, and covers no other and no dot."""
    on_label = any(abs(x - near_x) < NEAR_X and abs(height - near_y) < NEAR_Y for near_x, near_y in placed)
    on_dot = any(2 * abs(x - near_x) < NEAR_X and -2 < height - near_y < NEAR_Y for near_x, near_y in dots)
    return 0 < height < 100 and not on_label and not on_dot
