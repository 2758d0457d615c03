"""Figures of features on many data sets, in the columns of the CAM paper's table."""

from collections.abc import Mapping, Sequence
from itertools import count

NAME, COLUMN = 30, 13  # letters

Cell = tuple[float, float | None]  # the mean over splits in percent, and its standard deviation


def feature_table(columns: Mapping[str, str], measured: Sequence[tuple[str, str, Cell]]) -> str:
    """A row a kind of features, a column a data set.

    Args:
        columns: data set -> heading, in order; those of other data sets come behind.
        measured: of each: the row's name, the data set, and its figure. A second figure of the same row and data set
            stands in a row of its own, numbered 2.

    Returns:
        Lines of percentages: means over the splits, with their standard deviations where there are several.

    >>> columns = {"indoor67": "Indoor67", "caltech101": "Caltech101"}
    >>> print(feature_table(columns, [("gap of resnet10", "caltech101", (60.5, 0.84))]))
    %                                  Indoor67   Caltech101
    gap of resnet10                           -   60.50±0.84
    """
    headings = {**columns, **{name: name for _, name, _ in measured if name not in columns}}
    widths = {name: max(COLUMN, len(heading) + 2) for name, heading in headings.items()}
    rows: dict[str, dict[str, Cell]] = {}
    for row, name, cell in measured:
        numbered = (row if number == 1 else f"{row} {number}" for number in count(1))
        rows.setdefault(next(title for title in numbered if name not in rows.get(title, {})), {})[name] = cell
    first = max([NAME, *(len(row) for row in rows)])
    lines = [f"{'%':<{first}}" + "".join(f"{headings[name]:>{width}}" for name, width in widths.items())]
    for row, cells in rows.items():
        lines.append(
            f"{row:<{first}}" + "".join(f"{_cell(cells.get(name)):>{width}}" for name, width in widths.items())
        )
    return "\n".join(lines)


def _cell(cell):
    if cell is None:
        return "-"
    mean, spread = cell
    return f"{mean:.2f}" if spread is None else f"{mean:.2f}±{spread:.2f}"
