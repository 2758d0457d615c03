"""The compiled steps, one call a batch, and the sum over a data set."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from jaxcam.arrays import Boxes, Features, Labels, Maps, type_of_array
from jaxcam.batches import Batch, batches
from jaxcam.box_rules import boxes
from jaxcam.card import Card
from jaxcam.datasets import Dataset
from jaxcam.forward import forward, kernel_of
from jaxcam.geometry import resize
from jaxcam.methods.activation import cam_from_features
from jaxcam.metrics import LocalizationCounts, localization_counts, localized
from jaxcam.params import Params

RULE = "paper"
SHARES = tuple(percent / 100 for percent in range(1, 101))  # sides of the centred boxes, the last the whole image


class Total(NamedTuple):
    """What `count` adds up, over one batch or many."""

    localization: LocalizationCounts
    centred: Array  # images that the centred box is right for, one number a share of `SHARES`
    random: Array  # images that a random map's box is right for


class Truth(NamedTuple):
    """Ground-truth boxes of a batch, padded to the same number, and the way into their pixels."""

    boxes: Float[type_of_array, "b m 4"]
    mask: Bool[type_of_array, "b m"]
    scale: Float[type_of_array, "b 4"]  # W/S, H/S, W/S, H/S: from the squashed image to the file


def total_over(
    step: Callable[[Batch, Truth], Any],
    card: Card,
    dataset: Dataset,
    *,
    batch_size: int,
    progress: bool,
    figures: Callable[[Any], dict[str, float]],
) -> Any:
    """The sum of `step(batch, truth)` over a data set, with the `figures` of the sum so far behind the progress bar."""

    def shown(rates: dict[str, float]) -> dict[str, str]:
        return {name: f"{rate:.1f}" for name, rate in rates.items()}

    corners, mask = _ground_truth(dataset)
    total = None
    height, width = card.image_size
    how = card.preprocessing.interpolation
    rows = batches(dataset, batch_size=batch_size, image_size=(height, width), interpolation=how)
    with tqdm(total=len(dataset), unit=" images", disable=not progress) as bar:
        for batch in rows:
            # Divided here and not on the device, where a compiler's reciprocal may turn 1 into a little less.
            scale = np.tile(batch.sizes[:, ::-1] / np.array([width, height]), 2).astype(np.float32)
            counted = step(batch, Truth(corners[batch.index], mask[batch.index], scale))
            if total is not None:
                # Of the batches before: waiting for those leaves the device busy with this one.
                bar.set_postfix(shown(figures(total)), refresh=False)
            total = counted if total is None else jax.tree.map(jnp.add, total, counted)
            bar.update(int(batch.mask.sum()))
        bar.set_postfix(shown(figures(total)))
    return total


def _ground_truth(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    most = max(len(example.boxes) for example in dataset) or 1
    corners, mask = np.zeros((len(dataset), most, 4), np.float32), np.zeros((len(dataset), most), bool)
    for row, example in enumerate(dataset):
        for column, box in enumerate(example.boxes):
            corners[row, column], mask[row, column] = box, True
    return corners, mask


@partial(jax.jit, static_argnames="localize")
def count(params: Params, batch: Batch, truth: Truth, *, threshold: Array, localize: bool) -> Total:
    """Everything `evaluate` asks of a batch."""
    features, scores = forward(params, batch.images)
    guesses = jax.lax.top_k(scores, min(5, scores.shape[-1]))[1]
    if localize:
        labels = jnp.concatenate([guesses, batch.labels[:, None]], axis=1)
        maps = jnp.concatenate([class_maps(params, features, labels), _noise(params, features, batch)], axis=1)
        found = file_boxes(maps, truth.scale, threshold)
        nothing = maps[:, -2].max(axis=(-2, -1)) <= 0
    else:
        found = jnp.zeros((len(batch.labels), guesses.shape[1] + 2, 4))
        nothing = jnp.zeros(len(batch.labels), bool)
    counts = localization_counts(
        batch.labels,
        guesses,
        found[:, :-2],
        found[:, -2],
        targets=truth.boxes,
        target_mask=truth.mask,
        mask=batch.mask,
        whole_image=nothing,
    )
    baselines = jnp.concatenate([_centred_boxes(batch), found[:, -1:]], axis=1)
    right = (localized(baselines, truth.boxes, truth.mask) & batch.mask[:, None]).sum(axis=0)
    return Total(counts, right[:-1], right[-1])


@jax.jit
def sweep(params: Params, batch: Batch, truth: Truth, *, thresholds: Array) -> tuple[Array, Array]:
    """How many images each threshold gives the true class a right box in, and how many have a ground-truth box."""
    features, _ = forward(params, batch.images)
    maps = class_maps(params, features, batch.labels[:, None])

    def right(threshold: Array) -> Array:
        found = localized(file_boxes(maps, truth.scale, threshold), truth.boxes, truth.mask)
        return (found[:, 0] & batch.mask).sum()

    return jax.lax.map(right, thresholds), (truth.mask.any(axis=-1) & batch.mask).sum()


def class_maps(params: Params, features: Features, labels: Labels) -> Maps:
    """Maps of the labels (b,) or (b, n), of the card's size: that of the squashed images."""
    return cam_from_features(features, kernel_of(params), labels, size=params.card.image_size)


def file_boxes(maps: Maps, scale: Float[type_of_array, "b 4"], threshold: Array) -> Boxes:
    """Boxes (b, n, 4) of maps (b, n, h, w) of the squashed images, in the pixels of the image files."""
    return boxes(maps, rule=RULE, threshold=threshold) * scale[:, None]


def _noise(params: Params, features: Features, batch: Batch) -> Maps:
    """A map (b, 1, h, w) of noise in the network's cells, the same for an image whatever the batch."""
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(batch.index)
    cells = jax.vmap(lambda key: jax.random.uniform(key, features.shape[1:-1]))(keys)
    return resize(cells, params.card.image_size, axis=1)[:, None]


def _centred_boxes(batch: Batch) -> Boxes:
    """A box (b, len(SHARES), 4) in the middle of each image file, of each share of its sides."""
    shares = np.array(SHARES, np.float32)
    corners = np.stack([1 - shares, 1 - shares, 1 + shares, 1 + shares], axis=-1) / 2
    sides = jnp.asarray(batch.sizes, jnp.float32)[:, np.array([1, 0, 1, 0])]
    return corners[None] * sides[:, None]
