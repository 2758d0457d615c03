"""The units of several classes as one web page, complete in itself."""

import os
from collections.abc import Mapping, Sequence
from html import escape

from jaxcam.report._page_file import write_page
from jaxcam.report._page_gallery import draw_photo
from jaxcam.report.unit_sheet import FIELD, INK, ClassUnits, TopImage, Unit

STYLE = f"""
.units {{ width: auto; }}
.units td, .units tbody th {{ padding: 4px; vertical-align: top; text-align: left; }}
.units .frame {{ width: 128px; }}
.units .box {{ border: 2px solid {FIELD}; box-shadow: 0 0 0 1px {INK}, inset 0 0 0 1px {INK}; }}
.units p {{ width: 128px; margin: 2px 0 8px; font-size: .8rem; overflow: hidden; text-overflow: ellipsis; }}
.units .other {{ color: var(--grey); }}
"""


def save_unit_page(
    path: str | os.PathLike[str],
    found: Sequence[ClassUnits],
    *,
    title: str,
    settings: Mapping[str, str],
    notes: Sequence[str] = (),
) -> None:
    """Write a web page with a table a class: a row a unit, and its images under the activation of each.

    Args:
        path: the HTML file; written beside and renamed, so that it is there whole or not at all.
        found: the classes, in order.
        title: heading of the page.
        settings: name -> value of what a reader needs to repeat it.
        notes: sentences that stand above the tables.
    """
    links = "".join(f'<li><a href="#class-{each.label}">{escape(each.name)}</a></li>' for each in found)
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in settings.items())
    tables = "\n".join(map(_table, found))
    parts = {
        "Classes": f'<ul class="notes">{told}</ul>\n<ul>{links}</ul>\n{tables}',
        "Settings": f"<dl>{items}</dl>",
    }
    write_page(path, title=title, parts=parts, style=STYLE)


def _table(found: ClassUnits) -> str:
    rows = "\n".join(_row(unit, found.name) for unit in found.units)
    heading = f'<h3 id="class-{found.label}">{escape(found.name)}</h3>'
    return f'{heading}\n<div class="wide"><table class="units"><tbody>\n{rows}\n</tbody></table></div>'


def _row(unit: Unit, name: str) -> str:
    head = f"unit {unit.unit}<br><small>weight {unit.weight:.3f}<br>above {unit.threshold:.3f}</small>"
    cells = "".join(f"<td>{_cell(image, name)}</td>" for image in unit.images)
    return f'<tr><th scope="row">{head}</th>{cells}</tr>'


def _cell(image: TopImage, name: str) -> str:
    height, width = image.photo.shape[:2]
    label, outline = escape(image.label), ""
    if image.field is not None:
        # What lies outside of the photo is cut off by its frame.
        x0, y0, x1, y1 = (100 * side / (width, height)[axis % 2] for axis, side in enumerate(image.field))
        place = f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"
        outline = f'<span class="box" style="{place}"></span>'
    picture = f'<img alt="segment of {label}" src="{draw_photo(image.picture())}">'
    other = "" if image.label == name else ' class="other"'
    return (
        f'<div class="frame" title="{escape(image.path)}" style="--shape:{width / height:.4f}">{picture}{outline}</div>'
        f"<p{other}>{image.activation:.2f} {label}</p>"
    )
