"""Photos explained on disk: image files in; a PNG each and one JSON out."""

import difflib
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxcam.card import Card
from jaxcam.explanation import Explanation, explain
from jaxcam.geometry import scale_boxes
from jaxcam.image_files import read_image, read_size
from jaxcam.methods.table import find_method
from jaxcam.params import Params
from jaxcam.report.sheet import draw_sheet, read_notes, save_sheet
from jaxcam.whole_files import whole_file

MAX_SIDE = 1024
REPORT = "explanations.json"
STEM_BYTES = 235  # of the 255 that a file name may have: room for a number and the suffix
SOFTWARE = "jaxcam explain"  # a note in every picture: it may be replaced by a later run


def explain_photos(
    params: Params,
    photos: Sequence[Path],
    out: Path,
    *,
    checkpoint: str = "",
    method: str = "cam",
    stage: str | None = None,
    top: int | None = None,
    labels: Sequence[int] = (),
    threshold: float | None = None,
    save_maps: bool = False,
) -> list[Path]:
    """Explain photos one by one, printing what is found; a file that cannot be read is named and passed over.

    The work is done on a copy of at most 1024 pixels a side, turned upright; boxes are given in pixels of the photo
    itself, upright. Every file appears whole or not at all, and the JSON, written last, tells of all photos finished
    even where the rest was broken off. What an earlier call wrote is replaced, but no other picture nor array is: where
    `<stem>.png` or `<stem>.npy` is somebody else's, `<stem>-2` is written.

    Args:
        params: a network's.
        photos: image files.
        out: the folder for `<stem>.png` of each photo (a very long stem is cut), `<stem>.npy` (n, h, w) of its maps
            where asked for, and `explanations.json`.
        checkpoint: its name, for the report.
        method: of the maps, a name of `jaxcam.methods.table.METHODS`.
        stage: that the method looks at; None for its own.
        top: number of classes where no labels are given; as for `jaxcam.explain`.
        labels: the classes to explain instead.
        threshold: as for `jaxcam.explain`.
        save_maps: write the raw maps too.

    Returns:
        The photos that could not be read.
    """
    threshold = params.card.threshold if threshold is None else threshold
    settings = {"checkpoint": checkpoint, "method": method, "stage": stage, "threshold": threshold}
    how: dict[str, Any] = {"labels": list(labels) or None, "top": top, "method": _method(method, stage)}
    report: dict[str, list[dict[str, Any]]] = {"photos": [], "unreadable": []}
    stems = _stems(photos, out, save_maps)
    try:
        for photo, stem in zip(tqdm(photos, disable=_quiet(photos), unit="photo"), stems, strict=True):
            try:
                size = read_size(photo, orient=True)
                image = read_image(photo, orient=True, max_side=MAX_SIDE)
            except ValueError as error:
                tqdm.write(_printable(f"error: {error}"), file=sys.stderr)
                report["unreadable"].append({"path": str(photo), "error": str(error)})
                continue
            why = explain(params, image, threshold=threshold, **how)
            entry: dict[str, Any] = {"path": str(photo), "width": size[1], "height": size[0]}
            entry |= {**settings, "picture": f"{stem}.png"}
            entry |= {"maps": f"{stem}.npy"} if save_maps else {}
            entry["classes"] = _classes(params.card, why, image.shape[:2], size)
            _save_picture(out, entry, image, why)
            if save_maps:  # after the picture, whose notes say that these maps are ours
                _save_maps(out / entry["maps"], why)
            report["photos"].append(entry)
            tqdm.write(_printable(_summary(entry, out)), file=sys.stdout)
    finally:
        _save_report(out, report)
    return [Path(entry["path"]) for entry in report["unreadable"]]


def find_label(card: Card, wanted: str) -> int:
    """The class that a user means by a name (any case; the whole name, one of its synonyms or its id) or an index.

    Args:
        card: names the classes.
        wanted: such as "Egyptian cat", "n02124075" or "7".

    Returns:
        Its index.

    Raises:
        ValueError: for an unknown name (close ones are listed), a name of several classes, or an index out of range.

    >>> find_label(Card(classes=("goldfish, Carassius auratus", "tabby, tabby cat")), "Tabby cat")
    1
    """
    names: dict[str, list[int]] = {}
    for label, name in enumerate(card.classes):
        keys = {_key(name), *map(_key, name.split(",")), *map(_key, card.class_ids[label : label + 1])}
        for key in keys:
            names.setdefault(key, []).append(label)
    found = names.get(_key(wanted), [])
    if len(found) > 1:
        choices = "; ".join(f"{label} ({card.classes[label]})" for label in found)
        raise ValueError(f"label: {wanted!r} names {len(found)} classes; give an index: {choices}")
    if found:
        return found[0]
    if wanted.strip().lstrip("-").isdecimal():
        if 0 <= int(wanted) < len(card.classes):
            return int(wanted)
        raise ValueError(f"label: got index {wanted}; this network has classes 0 to {len(card.classes) - 1}")
    close = [card.classes[names[key][0]] for key in difflib.get_close_matches(_key(wanted), names, n=5, cutoff=0.5)]
    close += [name for name in card.classes if _key(wanted) and _key(wanted) in _key(name)]
    hint = f"close ones are: {'; '.join(dict.fromkeys(close[:8]))}" if close else "no class has a name like it"
    raise ValueError(f"label: got {wanted!r}, which is none of the {len(card.classes)} classes; {hint}")


def _method(name: str, stage: str | None) -> Callable[..., Any] | None:
    """For `explain`: None for `cam`, which comes from its own forward pass."""
    method = find_method(name, stage=stage)
    if name == "cam":
        return None
    return method if stage is None else partial(method, stage=stage)


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _quiet(photos: Sequence[Path]) -> bool | None:
    """No progress bar for one photo, nor (None) where nobody watches."""
    return True if len(photos) < 2 else None


def _stems(photos: Sequence[Path], out: Path, save_maps: bool) -> list[str]:
    """A file name of its own for each photo: its stem, or stem-2, stem-3 ... where that is taken.

    A photo that lies in `out` itself takes its name too, and so does any file that no earlier call wrote.
    """
    taken = {_place(photo) for photo in photos}
    stems = []
    for photo in photos:
        start, number = _cut(photo.stem), 1
        stem = start
        while _place(out / f"{stem}.png") in taken or not _is_free(out, stem, save_maps):
            number += 1
            stem = f"{start}-{number}"
        taken.add(_place(out / f"{stem}.png"))
        stems.append(stem)
    return stems


def _cut(stem: str) -> str:
    """A stem in as many bytes as are left for it, without half a letter."""
    while len(os.fsencode(stem)) > STEM_BYTES:
        stem = stem[:-1]
    return stem


def _is_free(out: Path, stem: str, save_maps: bool) -> bool:
    """Whether files of this stem would replace nothing but those of an earlier call, which notes in its PNG tell."""
    picture, maps = out / f"{stem}.png", out / f"{stem}.npy"
    notes = read_notes(picture)
    if os.path.lexists(picture) and notes.get("Software") != SOFTWARE:
        return False
    return not save_maps or not os.path.lexists(maps) or notes.get("Maps") == ascii(maps.name)


def _place(path: Path) -> str:
    """Equal for two paths that may be one file, also where file systems ignore case."""
    return str(path.resolve()).casefold()


def _classes(card: Card, why: Explanation, worked_on: tuple[int, int], size: tuple[int, int]) -> list[dict[str, Any]]:
    """The report's entry a class, with the box in pixels of the photo itself."""
    boxes = scale_boxes(np.asarray(why.boxes, np.float64), worked_on, size).round(3)
    return [
        {
            "label": label,
            "class_id": card.class_ids[label] if card.class_ids else None,
            "name": name,
            "probability": probability,
            "box": box,
        }
        for label, name, probability, box in zip(
            np.asarray(why.labels).tolist(),
            why.names,
            np.asarray(why.probabilities).tolist(),
            boxes.tolist(),
            strict=True,
        )
    ]


def _save_report(out: Path, report: dict[str, list[dict[str, Any]]]) -> None:
    if report["photos"] or report["unreadable"]:
        with whole_file(out / REPORT) as file:
            file.write(json.dumps(report, indent=1).encode())


def _save_maps(path: Path, why: Explanation) -> None:
    with whole_file(path) as file:
        np.save(file, np.asarray(why.maps))


def _save_picture(out: Path, entry: dict[str, Any], image: np.ndarray, why: Explanation) -> None:
    sheet = draw_sheet(
        image,
        np.asarray(why.maps),
        np.asarray(why.boxes),
        [found["name"] for found in entry["classes"]],
        [found["probability"] for found in entry["classes"]],
        title=Path(entry["path"]).name,
        subtitle=f"{entry['width']} \N{MULTIPLICATION SIGN} {entry['height']} pixels",
        caption=f"Heat shows where the evidence for a class lies, from none (blue) to the most for that class (red). "
        f"The box holds the largest region with at least {100 * entry['threshold']:g}% of the most, "
        "or the whole photo where nothing speaks for the class. "
        f"{_maps_by(entry)} of the checkpoint {entry['checkpoint'] or 'given'}.",
    )
    notes = {**read_notes(out / entry["picture"]), "Software": SOFTWARE}  # of maps that an earlier call saved, too
    if "maps" in entry:
        notes["Maps"] = ascii(entry["maps"])
    save_sheet(out / entry["picture"], sheet, notes=notes)


def _maps_by(entry: dict[str, Any]) -> str:
    if entry["method"] == "cam":
        return "Class activation maps"
    return f"Maps by {entry['method']}" + (f", at stage {entry['stage']}," if entry["stage"] else "")


def _summary(entry: dict[str, Any], out: Path) -> str:
    """What is found in a photo, a line a class."""
    lines = [f"{entry['path']} ({entry['width']} x {entry['height']})"]
    for found in entry["classes"]:
        box = " ".join(f"{side:.0f}" for side in found["box"])
        lines.append(f"  {100 * found['probability']:5.1f}%  {found['name']}  [{box}]")
    return "\n".join([*lines, f"  -> {out / entry['picture']}"])


def _printable(text: str) -> str:
    """File names may hold bytes that are no text, and consoles may lack letters."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
