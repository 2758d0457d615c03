"""A file of class names: one's own, in the order of a network's scores."""

import re
from pathlib import Path


def read_class_names(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids, as a file has them: a name a line, or an id, a tab and a name.

    Args:
        path: a text file in UTF-8.

    Returns:
        The names; the ids, or nothing where the file has none.

    Raises:
        ValueError: for a file without names, a line without one, or ids in some lines only.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     path = Path(home, "names.txt")
    ...     _ = path.write_text("n02123045\\ttabby\\nn02124075\\tEgyptian cat\\n")
    ...     read_class_names(path)
    (('tabby', 'Egyptian cat'), ('n02123045', 'n02124075'))
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: it is no text in UTF-8: {error}") from None
    rows = [(wordnet_id.strip(), name.strip()) for wordnet_id, _, name in (line.rpartition("\t") for line in lines)]
    if not rows:
        raise ValueError(f"{path}: it is empty; give a name a line")
    ids = tuple(wordnet_id for wordnet_id, _ in rows if wordnet_id)
    for number, (wordnet_id, name) in enumerate(rows, start=1):
        if not name or (ids and not re.fullmatch(r"n\d{8}", wordnet_id)):
            raise ValueError(
                f'{path}, line {number}: got {lines[number - 1]!r}; write "name" in all lines, or "n01234567<TAB>name"'
            )
    return tuple(name for _, name in rows), ids
