"""Pictures of an earlier result, which are not to lie beside those of a new one."""

import json
from pathlib import Path, PurePath


def remove_pictures(report: Path) -> None:
    """Remove the PNG files that a report lists as its "pictures", and the folder that they leave empty; nothing else.

    Args:
        report: a JSON file with names of files below its own folder; one that is missing or damaged lists none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("1.png", "2.png"):
    ...         Path(home, name).touch()
    ...     _ = Path(home, "report.json").write_text('{"pictures": ["1.png"]}')
    ...     remove_pictures(Path(home, "report.json"))
    ...     [path.name for path in Path(home).glob("*.png")]
    ['2.png']
    """
    try:
        told = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return
    listed = told.get("pictures") if isinstance(told, dict) else None
    for name in listed if isinstance(listed, list) else ():
        picture = PurePath(str(name))
        if picture.suffix == ".png" and not picture.is_absolute() and ".." not in picture.parts:
            path = report.parent / picture
            path.unlink(missing_ok=True)
            if path.parent != report.parent and path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()
