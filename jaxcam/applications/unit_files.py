"""What `find_units` found, and its files: a picture a class, a web page of all, and JSON."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxcam.applications.receptive_fields import ReceptiveField
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.evaluation.origin import origin
from jaxcam.report.unit_page import save_unit_page
from jaxcam.report.unit_sheet import ClassUnits, Unit, save_unit_sheet
from jaxcam.whole_files import whole_file


@dataclass(frozen=True)
class FoundUnits:
    """What `find_units` found; `print` shows it.

    Attributes:
        classes: as they were asked for.
        field: the receptive field of a cell; None where it is not known.
        unknown: why it is not.
        images: how many were looked at.
        cells: (y, x) of the last feature map.
        image_size: (height, width) that images were squashed to, in pixels.
        top_share: of a unit's cells in all images, which are above its threshold at most.
        skipped: files that could not be read, and why.
    """

    classes: tuple[ClassUnits, ...]
    field: ReceptiveField | None
    unknown: str
    images: int
    cells: tuple[int, int]
    image_size: tuple[int, ...]
    top_share: float
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = []
        for found in self.classes:
            lines += [f"{found.name} (class {found.label})", f"{'unit':>6}{'weight':>9}{'above':>9}  top images"]
            for unit in found.units:
                labels = ", ".join(f"{count} {name}" for name, count in unit.labels().items())
                lines.append(f"{unit.unit:>6}{unit.weight:>9.3f}{unit.threshold:>9.3f}  {labels}")
            lines.append("")
        return "\n".join([*lines, *self.notes()])

    def notes(self) -> list[str]:
        """What a reader must know about the pictures."""
        size = " x ".join(map(str, reversed(self.image_size)))
        notes = [f"The top images are those of {self.images}, squashed to {size} pixels.", *self.legend()]
        shown = [image for found in self.classes for unit in found.units for image in unit.images]
        empty = sum(not image.segment.any() for image in shown)
        if empty:
            notes.append(f"{empty} of {len(shown)} pictures have no segment: nothing in them is above the threshold.")
        if self.skipped:
            notes.append(f"Files that could not be read, and count for nothing: {len(self.skipped)}.")
        return notes

    def legend(self) -> list[str]:
        """What is bright and what is framed."""
        share = f"{100 * self.top_share:g}%"
        lines = [
            f"Bright is where a unit's activation is above that of all but {share} of its cells in all images.",
            f"Receptive field of a cell: {self.field or f'not known, as {self.unknown}'}.",
        ]
        if self.field is not None and not self.field.whole_image:
            lines.append("A frame shows it around the cell where the unit is highest, as far as it lies in the image.")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON values."""
        field = None if self.field is None else {**self.field._asdict(), "whole_image": self.field.whole_image}
        return {
            "images": self.images,
            "image_size": self.image_size,
            "cells": self.cells,
            "top_share": self.top_share,
            "receptive_field": field,
            "classes": [
                {"label": found.label, "name": found.name, "units": [_unit(unit) for unit in found.units]}
                for found in self.classes
            ],
            "notes": self.notes(),
            "skipped": self.skipped,
        }


def save_units(
    found: FoundUnits,
    out: str | os.PathLike[str],
    *,
    dataset: str,
    checkpoint: str,
    options: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write a PNG a class, `units.html` and `units.json`, each there whole or not at all.

    Args:
        found: of `find_units`.
        out: the folder of the files.
        dataset: its name.
        checkpoint: that the params are from.
        options: what else the JSON shall tell of how it was made, as JSON values.

    Returns:
        The names of the files.
    """
    out, sheets = Path(out), {each.label: _file_name(each) for each in found.classes}
    for each in found.classes:
        save_unit_sheet(out / sheets[each.label], each, note=" ".join(found.legend()))
    told = {"dataset": dataset, "checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin()}
    settings = {"dataset": dataset, "checkpoint": checkpoint, "sha256": told["checkpoint_sha256"]}
    settings |= {"devices": told["devices"], **{name: str(value) for name, value in (options or {}).items()}}
    title = f"Units by class \N{MIDDLE DOT} {dataset} \N{MIDDLE DOT} {checkpoint}"
    save_unit_page(out / "units.html", found.classes, title=title, settings=settings, notes=found.notes())
    told |= {"options": dict(options or {}), **found.as_json(), "pictures": list(sheets.values())}
    with whole_file(out / "units.json") as file:
        file.write(f"{json.dumps(told, indent=1)}\n".encode())
    return ["units.html", "units.json", *sheets.values()]


def _file_name(found: ClassUnits) -> str:
    """Such as 030_tabby.png: two classes may have one name, and names may have any letters."""
    return f"{found.label:03}_{re.sub('[^0-9A-Za-z]+', '-', found.name).strip('-')[:60]}.png"


def _unit(unit: Unit) -> dict[str, Any]:
    told = ("place", "path", "label", "activation", "cell", "field")
    images = [{name: getattr(image, name) for name in told} for image in unit.images]
    return {"unit": unit.unit, "weight": unit.weight, "threshold": unit.threshold, "images": images}
