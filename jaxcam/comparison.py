"""Map methods compared on the same images: how well they find objects, how faithful they are, how fast."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.batches import Batch, batches
from jaxcam.box_rules import boxes
from jaxcam.class_names import distinct_names
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_classes
from jaxcam.geometry import resize
from jaxcam.metrics import highest_points, localized, pointed
from jaxcam.params import Params
from jaxcam.report.comparison import Column, Pictured, draw_table, save_comparison_page
from jaxcam.whole_files import whole_file

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
COLUMNS = {
    "gt_known": Column(
        "GT-known %",
        "localization",
        "Share of images for which the box of the true class's map has an IoU of .5 or more, at one threshold for all.",
    ),
    "gt_known_best": Column(
        "best %",
        "localization",
        "The same at each method's best threshold of .05, .10 ... .95, chosen on these very images: an upper bound.",
    ),
    "best_threshold": Column("at", "localization", "That threshold, as a share of a map's maximum.", "", 2),
    "pointing": Column(
        "pointing %",
        "localization",
        "Share of images for which the map of the true class is highest inside a ground-truth box (the pointing game).",
    ),
    "images_per_second": Column(
        "images/s", "speed", "Maps of one class an image, compiled and warm: the median over the batches."
    ),
}


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
        return draw_table(self.rows, self.columns)


def compare(
    params: Params,
    dataset: Dataset,
    methods: Mapping[str, Callable[..., Array]],
    *,
    threshold: float | None = None,
    batch_size: int = 16,
    pictures: int = 12,
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
        on_error: "stop" at an unreadable image, or "skip" and count it.
        progress: show a bar on stderr.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: for classes that are not the network's, no method or no image, or what a method refuses.
    """
    if not methods:
        raise ValueError("methods: got none; give one or more, by name")
    check_classes(params.card, dataset)
    cut = params.card.threshold if threshold is None else threshold
    tallies = {name: _Tally(method) for name, method in {**methods, "centre": centre, "random": random}.items()}
    rows = batches(
        dataset,
        batch_size=min(batch_size, len(dataset)),
        image_size=params.card.image_size,
        interpolation=params.card.preprocessing.interpolation,
        on_error=on_error,
    )
    wanted, shown, skipped = _places(len(dataset), pictures), [], 0
    names = distinct_names(params.card.classes, params.card.class_ids)
    with tqdm(total=len(dataset) * len(tallies), unit="map", disable=None if progress else True) as bar:
        for batch in rows:
            maps = {}
            truth = _truth(dataset, batch, params.card.image_size)
            for name, tally in tallies.items():
                bar.set_description(name)
                maps[name] = tally.add(params, batch, *truth, np.array([*THRESHOLDS, cut], np.float32))
                bar.update(int(batch.mask.sum()))
            shown += _pictured(batch, maps, names, wanted)
            skipped += int((~batch.mask & (batch.index >= 0)).sum())
    numbers = {name: tally.numbers() for name, tally in tallies.items()}
    first = next(iter(tallies.values()))
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
    with whole_file(Path(out, "comparison.json")) as file:
        file.write(json.dumps({**settings, "methods": comparison.rows, "columns": columns}, indent=1).encode())
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


def centre(params: Params, images: Images, labels: LabelsLike | None = None) -> Float[Array, "b h w"]:
    """Maps that are highest in the middle, whatever the image: 1 - distance to it, the corners' being 1."""
    height, width = images.shape[1:3]
    y, x = jnp.linspace(-1, 1, height)[:, None], jnp.linspace(-1, 1, width)[None]
    middle = 1 - jnp.sqrt((y**2 + x**2) / 2)
    return jnp.broadcast_to(middle[None], (len(images), height, width))


def random(params: Params, images: Images, labels: LabelsLike | None = None) -> Float[Array, "b h w"]:
    """Maps of noise in 7x7 cells, another for each place in the batch."""
    noise = jax.random.uniform(jax.random.key(0), (len(images), 7, 7))
    return jnp.asarray(resize(noise, images.shape[1:3], axis=1))


@dataclass
class _Tally:
    """A method and what is counted of it so far."""

    method: Callable[..., Array]
    seconds: list[float] = field(default_factory=list)
    images: int = 0
    boxed: int = 0
    pointed: int = 0
    right: np.ndarray | int = 0

    def add(
        self, params: Params, batch: Batch, targets: np.ndarray, target_mask: np.ndarray, thresholds: np.ndarray
    ) -> np.ndarray:
        """Count a batch, and give its maps."""
        images, labels = jnp.asarray(batch.images), jnp.asarray(batch.labels)
        if not self.seconds:  # the first call compiles
            jax.block_until_ready(self.method(params, images, labels))
        started = time.perf_counter()
        maps = jax.block_until_ready(self.method(params, images, labels))
        self.seconds.append((time.perf_counter() - started) / len(images))
        right, hit = jax.device_get(_found(maps, targets, target_mask, thresholds))
        boxed = target_mask.any(axis=1) & batch.mask
        self.images += int(batch.mask.sum())
        self.boxed += int(boxed.sum())
        self.right = self.right + right[:, boxed].sum(axis=1)
        self.pointed += int(hit[boxed].sum())
        return np.asarray(maps)

    def numbers(self) -> dict[str, float]:
        """Those of its row."""
        numbers: dict[str, float] = (
            {} if self.method in (centre, random) else {"images_per_second": 1 / median(self.seconds)}
        )
        if self.boxed:
            shares = 100 * np.asarray(self.right) / self.boxed
            best = int(shares[:-1].argmax())
            numbers |= {"gt_known": float(shares[-1]), "gt_known_best": float(shares[best])}
            numbers |= {"best_threshold": THRESHOLDS[best], "pointing": 100 * self.pointed / self.boxed}
        return numbers


@jax.jit
def _found(
    maps: Float[Array, "b h w"],
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    thresholds: Float[type_of_array, "t"],
) -> tuple[Bool[Array, "t b"], Bool[Array, "b"]]:
    """Whether each image's box is right at each threshold, and whether its point is."""

    def right(threshold: Array) -> Any:
        return localized(boxes(maps, threshold=threshold)[:, None], targets, target_mask)[:, 0]

    hit: Any = pointed(highest_points(maps), targets, target_mask)
    return jax.lax.map(right, jnp.asarray(thresholds)), hit


def _truth(dataset: Dataset, batch: Batch, image_size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ground-truth boxes (b, m, 4) in pixels of the squashed images, and which of them there are."""
    most = max(1, *(len(example.boxes) for example in dataset), 1)
    targets = np.zeros((len(batch.index), most, 4), np.float32)
    mask = np.zeros(targets.shape[:2], bool)
    for row, index in enumerate(batch.index.tolist()):
        given = np.array(dataset[index].boxes if index >= 0 else (), np.float32).reshape(-1, 4)
        scale = np.tile(np.array(image_size) / batch.sizes[row], 2)[[1, 0, 3, 2]]
        targets[row, : len(given)] = given * scale
        mask[row, : len(given)] = True
    return targets, mask


def _places(total: int, count: int) -> set[int]:
    """`count` places evenly spaced among `total`."""
    return {(2 * part + 1) * total // (2 * count) for part in range(count)} if count else set()


def _pictured(batch: Batch, maps: Mapping[str, np.ndarray], names: tuple[str, ...], wanted: set[int]) -> list[Pictured]:
    """The images of a batch that are wanted, with their maps."""
    rows = [row for row, index in enumerate(batch.index.tolist()) if index in wanted and batch.mask[row]]
    methods = [name for name in maps if name not in ("centre", "random")]
    return [
        Pictured(batch.images[row], names[batch.labels[row]], {name: maps[name][row] for name in methods})
        for row in rows
    ]
