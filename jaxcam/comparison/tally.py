"""What is counted of each method, batch by batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.batches import Batch
from jaxcam.box_rules import boxes
from jaxcam.datasets import Dataset
from jaxcam.datasets.masks import truth_mask
from jaxcam.faithfulness import Record, Truth, figures, measure_faithfulness, merge
from jaxcam.geometry import resize, scale_boxes
from jaxcam.metrics import FRAME, highest_points, localized, pointed
from jaxcam.params import Params

THRESHOLDS = tuple(step / 20 for step in range(1, 20))


def centre(params: Params, images: Images, labels: LabelsLike | None = None) -> Float[Array, "b h w"]:
    """Maps that are highest in the middle, whatever the image: 1 - distance to it, the corners' being 1."""
    height, width = images.shape[1:3]
    y, x = jnp.linspace(-1, 1, height, dtype=jnp.float32)[:, None], jnp.linspace(-1, 1, width, dtype=jnp.float32)[None]
    middle = 1 - jnp.sqrt((y**2 + x**2) / 2)
    return jnp.broadcast_to(middle[None], (len(images), height, width))


def random(params: Params, images: Images, labels: LabelsLike | None = None) -> Float[Array, "b h w"]:
    """Maps of noise in 7x7 cells, another for each place in the batch."""
    noise = jax.random.uniform(jax.random.key(0), (len(images), 7, 7), jnp.float32)
    return jnp.asarray(resize(noise, images.shape[1:3], axis=1))


@dataclass
class Tally:
    """A method and what is counted of it so far."""

    method: Callable[..., Array]
    metrics: set[str]
    thresholds: tuple[float, ...]  # the last is the one for all methods
    fresh: Params | None = None  # the network with random weights
    record: Record | None = None
    seconds: list[float] = field(default_factory=list)
    images: int = 0
    boxed: int = 0
    pointed: int = 0
    right: np.ndarray | int = 0

    def add(self, params: Params, batch: Batch, truth: Truth) -> np.ndarray:
        """Count a batch, and give its maps."""
        images, labels = jnp.asarray(batch.images), jnp.asarray(batch.labels)
        if not self.seconds:  # the first call compiles
            jax.block_until_ready(self.method(params, images, labels))
        started = time.perf_counter()
        maps = jax.block_until_ready(self.method(params, images, labels))
        self.seconds.append((time.perf_counter() - started) / len(images))
        cuts = np.array(self.thresholds, np.float32)
        right, hit = jax.device_get(_found(maps, truth.targets, truth.target_mask, cuts))
        boxed = np.asarray(truth.target_mask).any(axis=1) & batch.mask
        self.images += int(batch.mask.sum())
        self.boxed += int(boxed.sum())
        self.right = self.right + right[:, boxed].sum(axis=1)
        self.pointed += int(hit[boxed].sum())
        if self.metrics:
            self._add_record(params, batch, truth)
        return np.asarray(maps)

    def _add_record(self, params: Params, batch: Batch, truth: Truth) -> None:
        record = measure_faithfulness(
            params,
            self.method,
            batch.images,
            batch.labels,
            key=jax.random.key(0),
            mask=batch.mask,
            metrics=self.metrics,
            truth=truth,
            random=self.fresh,
        )
        # Waited for, so that the next method's time is its own.
        self.record = jax.block_until_ready(record if self.record is None else merge(self.record, record))

    def numbers(self) -> dict[str, float]:
        """Those of its row."""
        numbers: dict[str, float] = (
            {} if self.method in (centre, random) else {"images_per_second": 1 / median(self.seconds)}
        )
        if self.boxed:
            shares = 100 * np.asarray(self.right) / self.boxed
            best = int(shares.argmax())
            numbers |= {"gt_known": float(shares[-1]), "gt_known_best": float(shares[best])}
            numbers |= {"best_threshold": self.thresholds[best], "pointing": 100 * self.pointed / self.boxed}
        return numbers | ({} if self.record is None else figures(self.record))


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


def truths(
    dataset: Dataset, image_size: tuple[int, ...], *, masked: bool, on_error: str
) -> Callable[[Batch], tuple[Batch, Truth]]:
    """A batch's ground-truth boxes in pixels of the squashed images, and its masks if it is to be `masked`.

    An image of which a mask cannot be read is an error, or with `on_error="skip"` counts for nothing in the batch.
    """
    most = max((len(example.boxes) for example in dataset), default=0)

    def of_batch(batch: Batch) -> tuple[Batch, Truth]:
        readable = batch.mask.copy()
        targets = np.zeros((len(batch.index), max(most, 1), 4), np.float32)
        there = np.zeros(targets.shape[:2], bool)
        masks = np.zeros((len(batch.index), *FRAME), np.uint8) if masked else None
        for row in np.flatnonzero(batch.mask).tolist():
            example, (height, width) = dataset[int(batch.index[row])], batch.sizes[row].tolist()
            given = np.array(example.boxes, np.float32).reshape(-1, 4)
            targets[row, : len(given)] = scale_boxes(given, (height, width), (image_size[0], image_size[1]))
            there[row, : len(given)] = True
            if masks is None:
                continue
            try:
                masks[row] = truth_mask(example)
            except ValueError:
                if on_error == "stop":
                    raise
                readable[row] = False
        return batch._replace(mask=readable), Truth(targets, there, masks)

    return of_batch
