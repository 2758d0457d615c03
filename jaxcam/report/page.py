"""The figures, curves and images of an evaluation as one web page, complete in itself: it asks for nothing else."""

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import NamedTuple

from jaxcam.report._page_curves import Curve, draw_curves
from jaxcam.report._page_file import HERE, write_page
from jaxcam.report._page_gallery import draw_gallery
from jaxcam.report.contact_sheet import FOUND, HALF_RIGHT, RIGHT, TRUE, WRONG, Sample
from jaxcam.report.table import NAMES, Figure

COLOURS = {"found": FOUND, "true": TRUE, "right": RIGHT, "half": HALF_RIGHT, "wrong": WRONG}


class ClassRow(NamedTuple):
    """The accuracies of one class in percent; None for what was not measured."""

    name: str
    images: int
    top1: float
    gt_known: float | None = None
    top1_loc: float | None = None


# Field of a ClassRow -> heading of its column.
MEASURES = {"top1": "Top-1", "gt_known": "GT-known", "top1_loc": "Top-1 Loc"}


def save_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    settings: Mapping[str, str],
    figures: Mapping[str, Figure],
    notes: Sequence[str] = (),
    curves: Mapping[str, Curve] = {},
    classes: Sequence[ClassRow] = (),
    samples: Sequence[Sample] = (),
) -> None:
    """Write a web page of an evaluation: table, curves, classes to sort, and a gallery to filter by class and outcome.

    What is not given has no part on the page. Names are shown as they are, whatever letters they have.

    Args:
        path: the HTML file; written beside and renamed, so that it is there whole or not at all.
        title: heading of the page.
        settings: name -> value of what a reader needs to repeat the evaluation.
        figures: shares in percent by their names in `report.json`.
        notes: sentences that stand under the table.
        curves: name -> accuracy in percent over thresholds in [0, 1].
        classes: a row each, in the order in which they stand before a reader sorts them.
        samples: images of the gallery; 96 photos take 2 to 3 MB.

    Raises:
        ValueError: for a curve of no or uneven length or out of range, a figure of a class that is not finite, or a
            sample whose map or box has a NaN.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as home:
    ...     page = Path(home, "report.html")
    ...     save_page(page, title="Tiny", settings={"rule": "paper"}, figures={"gt_known": Figure(62.0, 60.1, 63.9, 9)})
    ...     "<td>60.10..63.90</td>" in page.read_text()
    True
    """
    parts = {
        "Figures": _figures(figures) + _notes(notes),
        "Thresholds": draw_curves(curves),
        "Classes": _classes(classes),
        "Images": draw_gallery(samples),
        "Settings": _settings(settings),
    }
    colours = "".join(f"--{name}:{value};" for name, value in COLOURS.items())
    script = (HERE / "page.js").read_text(encoding="utf-8")
    write_page(path, title=title, parts=parts, style=f":root{{{colours}}}", script=script)


def _figures(figures: Mapping[str, Figure]) -> str:
    """A table with a group of rows for each group of `NAMES`; a bar shows the value, a line on it the interval."""
    if not figures:
        return ""
    headings = "".join(f'<th scope="col">{text}</th>' for text in ("accuracy %", "95% interval", "error %", "images"))
    rows, last = [], None
    for name, (group, row) in _headings(figures).items():
        if group != last:
            rows.append(f'<tr class="group"><th scope="rowgroup" colspan="6">{escape(group)}</th></tr>')
        value, low, high, n = figures[name]
        rows.append(
            f'<tr><th scope="row">{escape(row)}</th>'
            f'<td class="range" style="--value:{value:.2f};--low:{low:.2f};--high:{high:.2f}"><i></i></td>'
            f'<td class="value">{value:.2f}</td><td>{low:.2f}..{high:.2f}</td><td>{100 - value:.2f}</td>'
            f"<td>{n:,}</td></tr>"
        )
        last = group
    head = f'<thead><tr><th></th><th class="range"></th>{headings}</tr></thead>'
    return f'<div class="wide"><table class="figures">{head}\n<tbody>\n' + "\n".join(rows) + "\n</tbody></table></div>"


def _headings(figures: Mapping[str, Figure]) -> dict[str, tuple[str, str]]:
    """The group and the row's name of each figure, in the order of `NAMES`, and then those that it lacks."""
    headings, group = {}, ""
    for name, heading in NAMES.items():
        first, _, row = re.sub(r"\s{2,}", "\n", heading).rpartition("\n")
        group = first or group
        headings[name] = (group, row)
    known = {name: heading for name, heading in headings.items() if name in figures}
    return known | {name: ("further", name.replace("_", " ")) for name in figures if name not in known}


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _settings(settings: Mapping[str, str]) -> str:
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in settings.items())
    return f"<dl>{items}</dl>" if items else ""


def _classes(classes: Sequence[ClassRow]) -> str:
    """A table of all classes in a box that scrolls; its headings sort it."""
    if not classes:
        return ""
    measures = [field for field in MEASURES if any(getattr(row, field) is not None for row in classes)]
    columns = {"name": "Class", "images": "Images"} | {field: MEASURES[field] for field in measures}
    headings = "".join(f'<th scope="col"><button type="button">{text}</button></th>' for text in columns.values())
    rows = (
        f'<tr><th scope="row">{escape(row.name)}</th><td>{row.images}</td>'
        + "".join(_bar(row.name, getattr(row, field)) for field in measures)
        + "</tr>"
        for row in classes
    )
    return (
        f"<p>{len(classes):,} classes; accuracy in percent. A heading sorts by its column.</p>\n"
        '<div class="scroll" tabindex="0" role="region" aria-label="Accuracy of each class">\n'
        f'<table class="classes"><thead><tr>{headings}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _bar(name: str, percent: float | None) -> str:
    if percent is None:
        return "<td>&ndash;</td>"
    if not isfinite(percent):
        raise ValueError(f"classes: got {percent} for {name!r}; give a share in percent, or None where there is none")
    return f'<td class="bar" style="--value:{percent:.1f}">{percent:.1f}</td>'
