"""A running record of what activates units most: top images and highest activations, whatever the batches were."""

import json
import os
import time
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Bool, Float

from jaxcam.whole_files import whole_file

SAVE_SECONDS = 15.0  # between two states on disk
ARRAYS = ("scores", "places", "cells", "highest", "grid", "skipped", "done")


class TopActivations:
    """What is known of each of u units after some images of a data set, in its order.

    Attributes:
        scores: float32 (u, n), the highest activations of the top images, in descending order.
        places: (u, n) of these images in the data set; of equal scores the first stands first.
        cells: (u, n) where the activation is highest, counted row by row.
        highest: float32 (u, m), the highest activations of all cells so far, in no order.
        grid: (2,), the (y, x) of the cells.
        skipped: places of images that could not be read.
        done: images that were looked at or skipped.

    Args:
        units: their number u.
        num_images: n of each unit.
        total: images of the data set.
        top_share: of all cells, that `thresholds` leave above them.
        settings: all that the record depends on, as JSON values. A state of other settings is refused, and stays.
        path: the file of the state; None to keep none.

    Raises:
        ValueError: for a state of other settings, or a damaged one.
    """

    def __init__(
        self,
        units: int,
        num_images: int,
        total: int,
        top_share: float,
        settings: dict[str, Any],
        path: str | os.PathLike[str] | None,
    ):
        self.total, self.top_share, self.settings = total, top_share, json.loads(json.dumps(settings))
        self.path, self.saved = None if path is None else Path(path), time.monotonic()
        self.scores = np.full((units, num_images), -np.inf, np.float32)
        self.places = np.full((units, num_images), -1)
        self.cells = np.zeros((units, num_images), int)
        self.highest = np.empty((units, 0), np.float32)
        self.grid, self.skipped, self.done = np.zeros(2, int), np.zeros(0, int), np.array(0)
        if self.path is not None and self.path.exists():
            self._load(self.path)

    @property
    def images(self) -> int:
        """How many were looked at."""
        return int(self.done) - len(self.skipped)

    def add(self, activations: Float[np.ndarray, "b y x u"], mask: Bool[np.ndarray, " b"]) -> None:
        """The next images; those that the mask leaves out were skipped.

        Raises:
            ValueError: for activations that are not finite.
        """
        places = int(self.done) + np.arange(len(mask))
        self.done, self.skipped = self.done + len(mask), np.concatenate([self.skipped, places[~mask]])
        places, activations = places[mask], activations[mask]
        finite = np.isfinite(activations).all(axis=(1, 2, 3))
        if not finite.all():
            raise ValueError(f"params: the activations of image {places[~finite][0]} are not all finite numbers")
        self.grid = np.array(activations.shape[1:3])
        values = np.moveaxis(activations.reshape(len(places), self.grid.prod(), activations.shape[-1]), -1, 0)
        at = np.broadcast_to(places, (len(values), len(places)))
        scores = np.concatenate([self.scores, values.max(axis=2)], axis=1)
        # Stable, and what was there before stands in front: so ties go by the order of the data set.
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.scores.shape[1]]
        places, cells = (
            np.concatenate([self.places, at], axis=1),
            np.concatenate([self.cells, values.argmax(2)], axis=1),
        )
        self.scores, self.places, self.cells = (np.take_along_axis(a, order, 1) for a in (scores, places, cells))
        highest = np.concatenate([self.highest, values.reshape(len(values), values[0].size)], axis=1)
        room = self._above(self.total) + 1
        self.highest = np.partition(highest, -room, axis=1)[:, -room:] if highest.shape[1] > room else highest
        if self.path is not None and time.monotonic() - self.saved >= SAVE_SECONDS:
            self._save(self.path)

    def thresholds(self) -> Float[np.ndarray, " u"]:
        """Of each unit the smallest activation that at most `top_share` of all its activations are above."""
        return np.sort(self.highest, axis=1)[:, -1 - self._above(self.images)]

    def _above(self, images: int) -> int:
        """How many activations of so many images may be above the threshold; rounded first, as 0.29 * 100 is no 29."""
        return int(round(self.top_share * images * int(self.grid.prod()), 6))

    def _save(self, path: Path) -> None:
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ARRAYS}
        with whole_file(path) as file:
            np.savez(file, settings=json.dumps(self.settings), **arrays)
        self.saved = time.monotonic()

    def _load(self, path: Path) -> None:
        try:
            with np.load(BytesIO(path.read_bytes())) as kept:
                theirs, arrays = json.loads(str(kept["settings"])), {name: kept[name] for name in ARRAYS}
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise ValueError(f"{path}: damaged ({error}); delete it to start anew") from error
        different = [name for name in {**theirs, **self.settings} if theirs.get(name) != self.settings.get(name)]
        if different:
            told = "; ".join(f"{name}: {theirs.get(name)} there, {self.settings.get(name)} here" for name in different)
            raise ValueError(
                f"{path}: an unfinished pass with other settings ({told}); finish it with those, give another folder, "
                "or delete the file"
            )
        for name, array in arrays.items():
            setattr(self, name, array)
