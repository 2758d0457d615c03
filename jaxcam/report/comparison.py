"""Map methods side by side: a table for the console, and a web page with their maps of the same images."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxcam.arrays import Photos
from jaxcam.report._page_file import write_page
from jaxcam.report._page_gallery import draw_heat, draw_photo


class Column(NamedTuple):
    """What one number of a comparison means.

    Attributes:
        heading: a word or two, with the unit.
        group: of columns that stand together.
        meaning: a sentence.
        better: "higher", "lower", or "" where neither is.
        digits: after the point.
    """

    heading: str
    group: str
    meaning: str
    better: str = "higher"
    digits: int = 1


@dataclass(frozen=True, eq=False)
class Pictured:
    """An image and each method's map of its true class.

    Attributes:
        photo: uint8 (h, w, 3), as the network sees it.
        label: name of the class.
        maps: method -> raw map (h, w).
    """

    photo: Photos
    label: str
    maps: Mapping[str, Float[np.ndarray, "h w"]]


# Method -> column -> number; NaN, or none, where it was not measured.
Rows = Mapping[str, Mapping[str, float]]
Columns = Mapping[str, Column]


def draw_table(rows: Rows, columns: Columns) -> str:
    """The numbers as text: a table a group, a line a method. The best of each column has a star.

    >>> right = Column("GT-known %", "localization", "Share of boxes that are right.")
    >>> print(draw_table({"cam": {"gt_known": 50.0}, "grad_cam": {"gt_known": 40.0}}, {"gt_known": right}))
    localization  GT-known %
    cam                50.0*
    grad_cam           40.0
    """
    tables = []
    for group, members in _groups(rows, columns).items():
        lines = [group, *rows]
        for name, column in members.items():
            best = _best(rows, name, column)
            cells = [f"{column.heading} ", *(_text(rows[method], name, column, method in best) for method in rows)]
            left, right = max(map(len, lines)), max(map(len, cells))
            lines = [f"{line:<{left}}  {cell:>{right}}" for line, cell in zip(lines, cells, strict=True)]
        tables.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(tables)


def save_comparison_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    settings: Mapping[str, str],
    rows: Rows,
    columns: Columns,
    notes: Sequence[str] = (),
    pictures: Sequence[Pictured] = (),
) -> None:
    """Write a web page: a table of all methods, what its columns mean, and a grid of images by methods.

    Args:
        path: the HTML file; written beside and renamed, so that it is there whole or not at all.
        title: heading of the page.
        settings: name -> value of what a reader needs to repeat the comparison.
        rows: method -> column -> number.
        columns: by their names, in order.
        notes: sentences that stand under the table.
        pictures: a row each; each has a map of every method.

    >>> import tempfile
    >>> from pathlib import Path
    >>> right = Column("GT-known %", "localization", "Share of boxes that are right.")
    >>> with tempfile.TemporaryDirectory() as home:
    ...     page = Path(home, "comparison.html")
    ...     how = {"rows": {"cam": {"gt_known": 50.0}}, "columns": {"gt_known": right}, "settings": {"images": "2"}}
    ...     save_comparison_page(page, title="Two cats", **how)
    ...     "<b>50.0</b>" in page.read_text()
    True
    """
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in settings.items())
    parts = {
        "Methods": _tables(rows, columns) + _list(notes),
        "Maps": _grid(pictures),
        "Columns": _meanings(rows, columns),
        "Settings": f"<dl>{items}</dl>" if items else "",
    }
    write_page(path, title=title, parts=parts)


def _groups(rows: Rows, columns: Columns) -> dict[str, dict[str, Column]]:
    """The columns in which anything was measured, by their groups."""
    groups: dict[str, dict[str, Column]] = {}
    for name, column in columns.items():
        if any(isfinite(row.get(name, nan)) for row in rows.values()):
            groups.setdefault(column.group, {})[name] = column
    return groups


def _best(rows: Rows, name: str, column: Column) -> set[str]:
    """The methods with the best number, as far as its digits tell; none where no number is better."""
    numbers = {method: round(row[name], column.digits) for method, row in rows.items() if isfinite(row.get(name, nan))}
    if not column.better:
        return set()
    best = max(numbers.values()) if column.better == "higher" else min(numbers.values())
    return {method for method, number in numbers.items() if number == best}


def _text(row: Mapping[str, float], name: str, column: Column, best: bool) -> str:
    number = row.get(name, nan)
    return f"{number:,.{column.digits}f}{'*' if best else ' '}" if isfinite(number) else "- "


def _tables(rows: Rows, columns: Columns) -> str:
    return "\n".join(_html_table(group, rows, members) for group, members in _groups(rows, columns).items())


def _html_table(group: str, rows: Rows, columns: Columns) -> str:
    heads = "".join(
        f'<th scope="col" title="{escape(column.meaning)}">{escape(column.heading)}'
        f"{ {'higher': ' &uarr;', 'lower': ' &darr;'}.get(column.better, '') }</th>"
        for column in columns.values()
    )
    best = {name: _best(rows, name, column) for name, column in columns.items()}
    lines = []
    for method, row in rows.items():
        cells = ""
        for name, column in columns.items():
            text = _text(row, name, column, best=False).strip()
            cells += f"<td>{f'<b>{text}</b>' if method in best[name] else text}</td>"
        lines.append(f'<tr><th scope="row">{escape(method)}</th>{cells}</tr>')
    head = f'<thead><tr><th scope="col">{escape(group)}</th>{heads}</tr></thead>'
    return (
        f'<div class="wide"><table class="figures methods">{head}<tbody>\n'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _list(notes: Sequence[str]) -> str:
    return '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>" if notes else ""


def _meanings(rows: Rows, columns: Columns) -> str:
    shown = [column for members in _groups(rows, columns).values() for column in members.values()]
    text = {"higher": " Higher is better.", "lower": " Lower is better.", "": ""}
    return (
        "<dl>"
        + "".join(
            f"<div><dt>{escape(column.heading)}</dt><dd>{escape(column.meaning)}{text[column.better]}</dd></div>"
            for column in shown
        )
        + "</dl>"
    )


def _heat(method: str, picture: Pictured) -> str:
    """Nothing for a map with a NaN."""
    found = picture.maps[method]
    if not np.isfinite(found).all():
        return ""
    return f'<img class="heat" alt="{escape(method)} of {escape(picture.label)}" src="{draw_heat(found)}">'


def _grid(pictures: Sequence[Pictured]) -> str:
    """A table of images by methods. A photo is there once; its cells show it under their heat."""
    if not pictures:
        return ""
    methods = list(pictures[0].maps)
    heads = "".join(f'<th scope="col">{escape(method)}</th>' for method in methods)
    lines = []
    for picture in pictures:
        height, width = picture.photo.shape[:2]
        cells = "".join(
            f'<td><div class="frame" style="--shape:{width / height:.4f}"><i class="photo"></i>'
            f"{_heat(method, picture)}</div></td>"
            for method in methods
        )
        bare = f'<td><div class="frame" style="--shape:{width / height:.4f}"><i class="photo"></i></div></td>'
        lines.append(
            f'<tr style="--photo:url({draw_photo(picture.photo)})"><th scope="row">{escape(picture.label)}</th>'
            f"{bare}{cells}</tr>"
        )
    head = f'<thead><tr><th scope="col">class</th><th scope="col">photo</th>{heads}</tr></thead>'
    return f'<div class="wide"><table class="maps">{head}<tbody>\n' + "\n".join(lines) + "</tbody></table></div>"
