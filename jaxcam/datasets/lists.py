"""Lists in text files: every complaint names the file and the line."""

from collections.abc import Iterator, Mapping
from pathlib import Path


def numbered_lines(path: Path, *, give: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, numbered from 1.

    Args:
        path: the file.
        give: what to give instead of a folder without it, for the error.

    Raises:
        ValueError: if the file is missing or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path}: no such file; give {give}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None


def numbered_fields(
    path: Path, count: int, *, give: str, separator: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """The fields of every line, split from the right so that the first of them may hold the separator.

    Args:
        path: the file.
        count: how many fields a line has.
        give: as for `numbered_lines`.
        separator: between fields; None for white space.

    Raises:
        ValueError: if the file is missing or a line has fewer fields.
    """
    for number, line in numbered_lines(path, give=give):
        fields = line.strip().rsplit(separator, count - 1)
        if len(fields) != count:
            raise ValueError(f"{path}, line {number}: got {len(fields)} fields; expected {count}: {line.strip()!r}")
        yield number, fields


def half_open(fields: list[str], where: str) -> tuple[float, float, float, float]:
    """The half-open box (x0, y0, x1 + 1, y1 + 1) of four 0-based inclusive pixels, as they stand in a file.

    >>> half_open(["0", "2", "9", "4"], "boxes.txt, line 1")
    (0.0, 2.0, 10.0, 5.0)
    """
    try:
        x0, y0, x1, y1 = map(int, fields)
    except ValueError:
        raise ValueError(f"{where}: got box {' '.join(fields)}; expected four integers") from None
    if not (0 <= x0 <= x1 and 0 <= y0 <= y1):
        raise ValueError(f"{where}: got box {' '.join(fields)}; expected 0 <= x0 <= x1 and 0 <= y0 <= y1")
    return float(x0), float(y0), float(x1 + 1), float(y1 + 1)


def integer(text: str, where: str, *, least: int = 0) -> int:
    """A whole number of `least` or more, or a ValueError that says where it stands."""
    if not text.strip().isdecimal() or int(text) < least:
        raise ValueError(f"{where}: got {text.strip()!r}; expected a whole number from {least}")
    return int(text)


def short_names(synsets: Mapping[str, str]) -> tuple[str, ...]:
    """The first of the names, separated by commas, of each class; all of them where the first is another's too.

    >>> short_names({"n1": "crane, wading bird", "n2": "crane", "n3": "tench, Tinca tinca"})
    ('crane, wading bird', 'crane', 'tench')
    """
    first = [names.split(",")[0] for names in synsets.values()]
    return tuple(name if first.count(name) == 1 else names for name, names in zip(first, synsets.values(), strict=True))
