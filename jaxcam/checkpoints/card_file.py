"""The `card.json` of a checkpoint: format, card, record, and hashes of the leaves, the files and itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

from jaxcam.card import Card, Preprocessing
from jaxcam.whole_files import whole_file

FORMAT = 1


def read_card_file(folder: Path) -> dict[str, Any]:
    """What the `card.json` of a checkpoint says, or a ValueError for a missing, damaged or foreign one."""
    try:
        contents = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"checkpoint {folder}: it has no card.json, so it is no jaxcam checkpoint") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"checkpoint {folder}: its card.json is damaged: {error}") from None
    contents = contents if isinstance(contents, dict) else {}
    missing = [key for key in ("card", "record", "leaves", "files") if not isinstance(contents.get(key), dict)]
    if missing:
        raise ValueError(f"checkpoint {folder}: its card.json lacks {', '.join(missing)}")
    if contents.get("format") != FORMAT:
        raise ValueError(f"checkpoint {folder}: got format {contents.get('format')}, this version reads {FORMAT}")
    if contents.pop("sha256", None) != _digest(contents):
        raise ValueError(
            f"checkpoint {folder}: its card.json is not as it was saved; restore it "
            "(jaxcam.checkpoints.write_card is the way to change it)"
        )
    return contents


def write_card_file(folder: Path, contents: dict[str, Any]) -> None:
    """Write a `card.json`, whole or not at all; a ValueError for a record that is no JSON."""
    try:
        contents = json.loads(json.dumps({"format": FORMAT, **contents}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"record: got a value that JSON has not: {error}") from None
    text = json.dumps({**contents, "sha256": _digest(contents)}, indent=1, ensure_ascii=False) + "\n"
    with whole_file(folder / "card.json") as file:
        file.write(text.encode())


def card_from_json(values: dict[str, Any]) -> Card:
    """The card as it was before JSON turned its tuples into lists."""

    def tuples(values):
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    return Card(**{**tuples(values), "preprocessing": Preprocessing(**tuples(values["preprocessing"]))})


def _digest(contents):
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
