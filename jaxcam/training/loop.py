"""The loop: batches in, checkpoints out; resumed where it was cut off."""

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxcam.batches import Batch, batches, check_squash
from jaxcam.card import Card
from jaxcam.checkpoints import load
from jaxcam.datasets import Dataset
from jaxcam.forward import forward
from jaxcam.networks import Classifier
from jaxcam.params import Params, default_card, init, network_shapes
from jaxcam.training.parallel import Parallel, make_parallel
from jaxcam.training.recipes import Recipe
from jaxcam.training.run_folder import RunFolder
from jaxcam.training.step import TrainState, start

REPORT_EVERY = 50  # steps between two looks at the metrics: a look waits for the device


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: str | os.PathLike,
    initial: str | os.PathLike | None = None,
    record: dict[str, Any] | None = None,
    cache: bool = False,
    how: str = "jit",
) -> Params:
    """Train a network, or go on with a run that was cut off.

    Writes `out/checkpoint` (the averaged weights, after every epoch), `out/states` (to resume from), `out/recipe.json`
    and `out/log.jsonl` (a line an epoch). Started again with the same arguments it continues from the last epoch
    saved; the data order and all random numbers follow from the seed and the step.

    Args:
        dataset: the training images; `recipe.holdout` of them, evenly spread, are left out to measure on.
        recipe: how to train.
        out: a folder.
        initial: a checkpoint to fine-tune: its network, and all its weights of matching shape.
        record: what else the checkpoint's `card.json` shall tell.
        cache: keep all decoded images in memory.
        how: "jit" or "pmap", on all devices of this host; see `jaxcam.training.parallel`. A run may go on with the
            other, and on other devices.

    Returns:
        The params with the averaged weights.

    Raises:
        ValueError: for a data set too small, a batch that the devices cannot share evenly, a run in `out` with another
            recipe, or a loss that is not finite.
    """
    devices, (training, held_out) = make_parallel(how, recipe.batch_size), split(dataset, recipe.holdout)
    steps_an_epoch = len(training) / recipe.batch_size
    steps = max(1, math.ceil(recipe.epochs * steps_an_epoch))
    state = start(initial_params(dataset, recipe, initial), recipe, steps=steps, steps_an_epoch=steps_an_epoch)
    with RunFolder(Path(out), recipe, initial, training, record or {}) as run:
        state = run.resume(state)
        if int(state.step) < steps:
            stream = batches(
                training,
                batch_size=recipe.batch_size,
                image_size=state.card.image_size,
                interpolation=state.card.preprocessing.interpolation,
                shuffle_seed=recipe.seed,
                start=int(state.step),
                cache=cache,
            )
            state = _go_on(state, stream, held_out, run, devices)
    return state.params


def _go_on(
    state: TrainState, stream: Iterator[Batch], held_out: Dataset, run: RunFolder, devices: Parallel
) -> TrainState:
    """The steps that are left, with a look at the metrics now and then, and a state kept after every epoch."""
    recipe, steps, done, metrics = state.recipe, state.steps, int(state.step), []
    epoch_ends = {math.ceil(epoch * state.steps_an_epoch): float(epoch) for epoch in range(1, math.ceil(recipe.epochs))}
    epoch_ends[steps] = recipe.epochs
    placed = devices.place(state)
    with _progress(done, steps, recipe.batch_size) as progress:
        for step in range(done + 1, steps + 1):
            placed, measured = devices.step(placed, next(stream))
            metrics.append(measured)
            progress.update(recipe.batch_size)
            if step % REPORT_EVERY == 0:
                progress.set_postfix(_means(metrics[-REPORT_EVERY:], step))
            if step in epoch_ends:
                state = devices.one(placed)
                figures = {"step": step, "epoch": epoch_ends[step], **_means(metrics, step)}
                figures["held_out_accuracy"] = accuracy(state.params, held_out, recipe.batch_size)
                run.keep(state, figures)
                progress.write(", ".join(f"{name} {value}" for name, value in figures.items()))
                metrics = []
    return state


def split(dataset: Dataset, holdout: float) -> tuple[Dataset, Dataset]:
    """The images to train on, and the share `holdout` of them, evenly spread, that is left out to measure on."""
    count = round(len(dataset) * holdout)
    if len(dataset) - count < 1:
        raise ValueError(f"dataset: got {len(dataset)} images, of which {count} are held out; give more")
    held = {(2 * part + 1) * len(dataset) // (2 * count) for part in range(count)}
    left = tuple(example for index, example in enumerate(dataset.examples) if index not in held)
    return replace(dataset, examples=left), replace(dataset, examples=tuple(dataset[index] for index in sorted(held)))


def initial_params(dataset: Dataset, recipe: Recipe, initial: str | os.PathLike | None) -> Params:
    """Fresh weights for the data set's classes; with `initial`, that checkpoint's network and its weights that fit."""
    old = None if initial is None else load(initial)
    same_classes = old is not None and old.card.classes == dataset.classes
    card = old.card if old else default_card(recipe.network, ())
    card = replace(card, classes=dataset.classes, class_ids=dataset.class_ids)
    if not same_classes:  # a threshold was chosen for other classes
        card = replace(card, threshold=Card().threshold)
    check_squash(card)
    if recipe.image_size is not None:
        card = replace(card, image_size=(recipe.image_size, recipe.image_size))
    key = jax.random.key(recipe.seed)
    if old is None:
        return init(recipe.network, key, card=card, **recipe.network_options())
    # A network of the table, since no other was named to `load`.
    network = cast("Classifier", old.network).for_classes(len(dataset.classes))
    fresh = init(network, key, card=card)
    one_more = network_shapes(network.for_classes(len(dataset.classes) + 1), card)

    def choose(new, kept, with_one_more):
        # What grows with the classes means nothing for other classes, even where their number is the same.
        fits = new.shape == kept.shape and (same_classes or new.shape == with_one_more.shape)
        return kept if fits else new

    return fresh.replace(variables=jax.tree.map(choose, fresh.variables, old.variables, one_more))


def accuracy(params: Params, dataset: Dataset, batch_size: int) -> float | None:
    """Share of images whose best class is right; None without images."""
    if len(dataset) == 0:
        return None
    right = 0
    size, how = params.card.image_size, params.card.preprocessing.interpolation
    for batch in batches(dataset, batch_size=batch_size, image_size=size, interpolation=how):
        best = np.asarray(forward(params, jnp.asarray(batch.images))[1].argmax(-1))
        right += int(((best == batch.labels) & batch.mask).sum())
    return round(right / len(dataset), 4)


def _means(metrics, step):
    """Means over steps; this is where the host waits for the device."""
    fetched = jax.device_get(metrics)
    means = {name: float(np.mean([one[name] for one in fetched])) for name in fetched[0]}
    if not math.isfinite(means["loss"]):
        raise ValueError(f"loss: not finite by step {step}; lower the learning rate, the last good states are kept")
    return {name: round(mean, 4) for name, mean in means.items()}


def _progress(done, steps, batch_size):
    # In a log file a line every half minute is enough.
    pause = 0.5 if sys.stderr.isatty() else 30.0
    total, first = steps * batch_size, done * batch_size
    return tqdm(total=total, initial=first, unit=" images", unit_scale=True, mininterval=pause, desc="training")
