"""The comparison: one pass over the images, in which every method maps each batch."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array
from tqdm import tqdm

from jaxcam.batches import Batch, batches
from jaxcam.card import Card
from jaxcam.class_names import distinct_names
from jaxcam.comparison.columns import ALL, COLUMNS, HIDDEN_PIXELS, QUICK
from jaxcam.comparison.tally import THRESHOLDS, Tally, centre, random, truths
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_classes, check_threshold
from jaxcam.faithfulness import randomized
from jaxcam.networks import Classifier
from jaxcam.params import Params
from jaxcam.report.comparison import Column, Pictured, draw_table, save_comparison_page
from jaxcam.whole_files import whole_file

RANDOM = ("randomized_spearman", "randomized_ssim")
_NOTE = (
    "Maps are those of each image's true class. Heat is scaled by each map's own maximum. The rows centre and random "
    "are maps that look at no image: what a method must beat."
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found; `print` gives its table.

    Attributes:
        rows: method -> column -> number. "centre" and "random" look at no image.
        columns: column -> what it means.
        pictures: some images with every method's map.
        images: how many were compared on.
        boxed: how many of them have ground-truth boxes.
        threshold: the one for all.
        skipped: images that could not be read.
    """

    rows: Mapping[str, Mapping[str, float]]
    columns: Mapping[str, Column]
    pictures: tuple[Pictured, ...]
    images: int
    boxed: int
    threshold: float
    skipped: int = 0

    def __str__(self) -> str:
        table = draw_table(self.rows, self.columns)
        told = f"\n\nFiles that could not be read, and count for nothing: {self.skipped}."
        return table + told * bool(self.skipped)


def compare(
    params: Params,
    dataset: Dataset,
    methods: Mapping[str, Callable[..., Array]],
    *,
    threshold: float | None = None,
    batch_size: int = 16,
    pictures: int = 12,
    metrics: Iterable[str] = QUICK,
    on_error: str = "stop",
    progress: bool = True,
) -> Comparison:
    """Compare methods by their maps of each image's true class.

    Images are squashed to the network's size, and boxes, points and faithfulness are measured there. Beside the methods
    stand two maps that look at no image: "centre", highest in the middle, and "random", noise in 7x7 cells.

    Args:
        params: a network's.
        dataset: labelled images; those without boxes count for all but localization.
        methods: name -> `(params, images, labels) -> maps`, such as `{"cam": jaxcam.cam}`.
        threshold: share of a map's maximum above which a pixel belongs to its box; None for the card's.
        batch_size: images a step.
        pictures: how many images, evenly spaced, to keep with their maps.
        metrics: of faithfulness, names of `jaxcam.faithfulness.METRICS` among `ALL`; the default leaves out those that
            take longest, `STABILITY`. What needs masks is left out where the images have none.
        on_error: "stop" at an unreadable image, or "skip" and count it.
        progress: show a bar on stderr.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: for classes that are not the network's, no method, no image that can be read, or what a method
            refuses.
    """
    check_classes(params.card, dataset)
    cut = check_threshold(params.card.threshold if threshold is None else threshold)
    measured = _metrics(metrics, params, dataset)
    tallies = _tallies(params, methods, measured, (*THRESHOLDS, cut))
    truth_of = truths(dataset, params.card.image_size, masked="mask_iou" in measured, on_error=on_error)
    rows = batches(
        dataset,
        batch_size=min(batch_size, len(dataset)),
        image_size=params.card.image_size,
        interpolation=params.card.preprocessing.interpolation,
        on_error=on_error,
    )
    places, shown, skipped = _places(len(dataset), pictures), [], len(dataset.skipped)
    with tqdm(total=len(dataset) * len(tallies), unit="map", disable=None if progress else True) as bar:
        for number, read in enumerate(rows):
            maps, (batch, truth) = {}, truth_of(read)
            # Each batch begins with another method: photos are still being read while the first one runs.
            for name in [*tallies, *tallies][number % len(tallies) :][: len(tallies)]:
                bar.set_description(name)
                maps[name] = tallies[name].add(params, batch, truth)
                bar.update(int(batch.mask.sum()))
            shown += _pictured(batch, {name: maps[name] for name in methods}, params.card, places)
            skipped += int((~batch.mask & (batch.index >= 0)).sum())
    numbers = {name: tally.numbers() for name, tally in tallies.items()}
    first = next(iter(tallies.values()))
    if not first.images:
        raise ValueError(f"dataset: none of {skipped} images could be read")
    return Comparison(numbers, COLUMNS, tuple(shown), first.images, first.boxed, cut, skipped)


def save_comparison(
    comparison: Comparison, out: str | os.PathLike[str], *, dataset: str = "", checkpoint: str = ""
) -> list[str]:
    """Write `comparison.json` and `comparison.html`.

    Args:
        comparison: by `compare`.
        out: their folder, made where it is missing.
        dataset: its name, for the reader.
        checkpoint: likewise.

    Returns:
        The names of the files.
    """
    Path(out).mkdir(parents=True, exist_ok=True)
    settings = {"dataset": dataset, "checkpoint": checkpoint, "images": comparison.images, "boxed": comparison.boxed}
    settings |= {"threshold": comparison.threshold, "skipped": comparison.skipped, "jaxcam": version("jaxcam")}
    columns = {name: column._asdict() for name, column in comparison.columns.items()}
    rows = {
        method: {name: number if isfinite(number) else None for name, number in row.items()}
        for method, row in comparison.rows.items()
    }
    with whole_file(Path(out, "comparison.json")) as file:
        told = {**settings, "methods": rows, "columns": columns}
        file.write(json.dumps(told, indent=1, allow_nan=False).encode())
    save_comparison_page(
        Path(out, "comparison.html"),
        title="Map methods compared",
        settings={name: f"{value}" for name, value in settings.items()},
        rows=comparison.rows,
        columns=comparison.columns,
        notes=[_NOTE],
        pictures=comparison.pictures,
    )
    return ["comparison.json", "comparison.html"]


def _check_names(methods: Mapping[str, Callable[..., Array]]) -> None:
    if not methods:
        raise ValueError("methods: got none; give one or more, by name")
    if reserved := {"centre", "random"} & {*methods}:
        raise ValueError(f"methods: got one called {', '.join(reserved)}, as the maps beside them; name it otherwise")


def _metrics(metrics: Iterable[str], params: Params, dataset: Dataset) -> set[str]:
    """Those that are wanted and can be had; a ValueError for unknown ones."""
    wanted = set(metrics)
    if unknown := wanted - {*ALL}:
        raise ValueError(f"metrics: got {', '.join(sorted(unknown))}; known are {', '.join(ALL)}")
    if not all(example.masks for example in dataset):
        wanted -= {"mask_iou"}
    if not isinstance(params.network, Classifier):  # one made from functions cannot begin afresh
        wanted -= {*RANDOM}
    return wanted


def _tallies(
    params: Params, methods: Mapping[str, Callable[..., Array]], metrics: set[str], thresholds: tuple[float, ...]
) -> dict[str, Tally]:
    """One a method, and those of the maps that look at no image."""
    _check_names(methods)
    fresh = randomized(params, jax.random.key(0), stage=params.network.stages[0]) if metrics & {*RANDOM} else None
    hidden = metrics & {*HIDDEN_PIXELS}
    tallies = {name: Tally(method, metrics, thresholds, fresh) for name, method in methods.items()}
    return tallies | {"centre": Tally(centre, hidden, thresholds), "random": Tally(random, hidden, thresholds)}


def _places(total: int, count: int) -> set[int]:
    """`count` places evenly spaced among `total`."""
    return {(2 * part + 1) * total // (2 * count) for part in range(count)} if count else set()


def _pictured(batch: Batch, maps: Mapping[str, np.ndarray], card: Card, wanted: set[int]) -> list[Pictured]:
    """The images of a batch that are wanted, with their maps."""
    names = distinct_names(card.classes, card.class_ids)
    rows = [row for row, index in enumerate(batch.index.tolist()) if index in wanted and batch.mask[row]]
    return [
        Pictured(batch.images[row], names[batch.labels[row]], {name: found[row] for name, found in maps.items()})
        for row in rows
    ]
