"""Objects counted by scene category: how often each lies under high activation, and how often it is there at all."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jaxcam.applications.svm import LinearSvm
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.evaluation.journal import write_lines
from jaxcam.evaluation.origin import origin
from jaxcam.whole_files import whole_file

NAME = 26  # letters of an object's name in a table


class ObjectCount(NamedTuple):
    """An object in the photos of a scene category.

    Attributes:
        name: of the object.
        photos: that it is in.
        overlapping: those of them where it overlaps the high activation.
        share: of its pixels that are under high activation, in percent: the mean over the photos that it is in.
    """

    name: str
    photos: int
    overlapping: int
    share: float


@dataclass(frozen=True, eq=False)
class SceneObjects:
    """What `find_scene_objects` found; `print` shows the table.

    Attributes:
        categories: of scenes, in the data set's order.
        lines: of each photo its "category", and in "objects" of each object's name the share of its pixels under high
            activation; "nothing" where its map has nothing above zero.
        svm: what made the maps.
        threshold: of high activation, as a share of a map's maximum.
        overlap: share of an object's pixels under high activation from which it overlaps.
        image_size: (height, width) that photos were squashed to, in pixels.
        skipped: photos and categories that were left out, and why.

    >>> import numpy as np
    >>> line = {"category": "kitchen", "objects": {"oven": 0.75, "wall": 0.25}, "nothing": False}
    >>> svm = LinearSvm(np.zeros((2, 2)), np.zeros(2), np.arange(2), 1.0, 0.9)
    >>> found = SceneObjects(("kitchen", "street"), (line,), svm, 0.5, 0.5, (64, 64))
    >>> found.objects("kitchen")
    (ObjectCount(name='oven', photos=1, overlapping=1, share=75.0), ObjectCount(name='wall', photos=1, overlapping=0,
    share=25.0))
    """

    categories: tuple[str, ...]
    lines: tuple[Mapping[str, Any], ...] = field(repr=False)
    svm: LinearSvm = field(repr=False)
    threshold: float
    overlap: float
    image_size: tuple[int, ...]
    skipped: tuple[str, ...] = field(default=(), repr=False)

    def photos(self, category: str) -> int:
        """How many photos of a category were looked at."""
        return len(self._by_category[category])

    def objects(self, category: str) -> tuple[ObjectCount, ...]:
        """The objects of a category, the one that overlaps in most photos first."""
        shares: dict[str, list[float]] = {}
        for objects in self._by_category[category]:
            for name, share in objects.items():
                shares.setdefault(name, []).append(share)
        counts = [
            ObjectCount(name, len(of), sum(share >= self.overlap for share in of), 100 * sum(of) / len(of))
            for name, of in shares.items()
        ]
        return tuple(sorted(counts, key=lambda count: (-count.overlapping, -count.share, count.name)))

    def frequent(self, category: str) -> tuple[ObjectCount, ...]:
        """The objects of a category, the one that is in most photos first."""
        return tuple(sorted(self.objects(category), key=lambda count: (-count.photos, count.name)))

    def table(self, category: str, *, top: int = 6) -> str:
        """The objects that tell a category apart, beside the most frequent ones.

        Args:
            category: its name.
            top: how many of each.
        """
        photos = self.photos(category)
        title = f"{category} ({photos} photos)"
        left = f"{title:<{NAME + 2}}{'overlaps %':>10}{'pixels %':>10}"
        lines = [f"{left}   {'most frequent':<{NAME + 2}}{'photos %':>8}"]
        overlapping = [count for count in self.objects(category) if count.overlapping]
        frequent = self.frequent(category)
        for row in range(min(top, len(frequent))):
            left = f"{'':<{NAME + 22}}"
            if row < len(overlapping):
                count = overlapping[row]
                left = f"  {_short(count.name)}{100 * count.overlapping / photos:>10.1f}{count.share:>10.1f}"
            lines.append(f"{left}   {_short(frequent[row].name)}  {100 * frequent[row].photos / photos:>8.1f}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def text(self, *, top: int = 6) -> str:
        """All tables, and how they were made."""
        tables = [self.table(category, top=top) for category in self.categories]
        return "\n\n".join(["\n".join(self.heading()), *tables, "\n".join(self.notes())])

    def heading(self) -> list[str]:
        """What was looked at, and how."""
        size = "x".join(map(str, self.image_size))
        heading = [f"{len(self.lines)} photos of {len(self.categories)} scene categories, squashed to {size}"]
        heading.append(
            f"under high activation: at least {self.threshold:g} of the map's maximum; an object overlaps with "
            f"{self.overlap:g} of its pixels there, or more"
        )
        if self.svm.held_out is not None:
            heading.append(
                f"linear SVM, C = {self.svm.penalty:g}: {100 * self.svm.held_out:.2f}% right in cross-validation"
            )
        return heading

    def notes(self) -> list[str]:
        """What a reader must know about the tables."""
        notes = ["overlaps %: of the photos; pixels %: of the object's, the mean over the photos that it is in."]
        nothing = sum(line["nothing"] for line in self.lines)
        if nothing:
            notes.append(f"Maps with nothing above zero, where no object overlaps: {nothing}.")
        if self.skipped:
            notes.append(f"Left out, and why is told in scenes.json: {len(self.skipped)}.")
        return notes

    @cached_property
    def _by_category(self) -> dict[str, list[Mapping[str, float]]]:
        photos: dict[str, list[Mapping[str, float]]] = {name: [] for name in self.categories}
        for line in self.lines:
            photos[line["category"]].append(line["objects"])
        return photos

    def as_json(self) -> dict[str, Any]:
        """Everything but the lines and the SVM's weights, as JSON values."""
        return {
            "photos": len(self.lines),
            "image_size": list(self.image_size),
            "threshold": self.threshold,
            "overlap": self.overlap,
            "penalty": self.svm.penalty,
            "accuracy": self.svm.held_out,
            "nothing": sum(line["nothing"] for line in self.lines),
            "categories": {
                name: {"photos": self.photos(name), "objects": [count._asdict() for count in self.objects(name)]}
                for name in self.categories
            },
            "skipped": list(self.skipped),
        }


def save_scene_objects(
    found: SceneObjects,
    folder: str | os.PathLike[str],
    *,
    checkpoint: str,
    top: int = 6,
    options: Mapping[str, Any] | None = None,
) -> Sequence[str]:
    """Write `scenes.json` and `scenes.txt`, and `photos.jsonl` with a line a photo, each there whole or not at all.

    Args:
        found: of `find_scene_objects`.
        folder: for the files.
        checkpoint: that the params are from; its hash and the versions go into the JSON.
        top: how many objects a category has in the table; the JSON has all.
        options: what else the JSON shall tell of how it was made, as JSON values.

    Returns:
        The files' names.
    """
    told = {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin(), **(options or {})}
    texts = {"scenes.json": json.dumps({**told, **found.as_json()}, indent=1), "scenes.txt": found.text(top=top)}
    for name, text in texts.items():
        with whole_file(Path(folder, name)) as file:
            file.write(f"{text}\n".encode())
    write_lines(Path(folder, "photos.jsonl"), [dict(line) for line in found.lines])
    return (*texts, "photos.jsonl")


def _short(name: str) -> str:
    return f"{name if len(name) <= NAME else f'{name[: NAME - 1]}…':<{NAME}}"
