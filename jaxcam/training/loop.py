"""The loop: batches in, checkpoints out; resumed where it was cut off."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcam.batches import Batch, batch_indices, batches
from jaxcam.datasets import Dataset
from jaxcam.forward import forward
from jaxcam.params import Params
from jaxcam.training.parallel import Parallel, make_parallel
from jaxcam.training.preemption import Preempted, watch_for_sigterm
from jaxcam.training.recipes import Recipe
from jaxcam.training.run_folder import RunFolder
from jaxcam.training.run_log import summary_writer
from jaxcam.training.showing import Showing
from jaxcam.training.starting import initial_params, split, tell_of_none
from jaxcam.training.step import TrainState, start
from jaxcam.training.watch import WINDOW, Watch


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: str | os.PathLike,
    initial: str | os.PathLike | None = None,
    record: dict[str, Any] | None = None,
    cache: bool = False,
    parallel: str = "jit",
    save_every: int = 1000,
    tensorboard: bool = False,
    profile: bool = False,
) -> Params:
    """Train a network, or go on with a run that was cut off.

    Writes into `out`: `checkpoint` (the averaged weights, after every epoch), `states` (to resume from), `recipe.json`,
    `metrics.jsonl` (a line every 50 steps and every epoch), `heatmaps` of some held-out images after every epoch, and
    at the end `curves.png` and `emergence.png`. Started again with the same arguments it continues from the last state
    kept; the data order and all random numbers follow from the seed and the step.

    Where the program has several processes (`jax.distributed`), all of them call it, with the same arguments and an
    `out` that all see; each reads its share of every batch.

    Args:
        dataset: the training images; `recipe.holdout` of them, evenly spread, are left out to measure on.
        recipe: how to train.
        out: a folder.
        initial: a checkpoint to fine-tune: its network, or that of the recipe where it pools class maps and is made of
            it, as vgg16_gap is of vgg16; and its weights, but for what tells other classes apart.
        record: what else the checkpoint's `card.json` shall tell.
        cache: keep all decoded images in memory.
        parallel: "jit" or "pmap", on all devices of all hosts; see `jaxcam.training.parallel`. A run may go on with the
            other, and on other devices.
        save_every: steps between two states kept, besides those of the epochs' ends.
        tensorboard: write the figures for TensorBoard too, which takes the extra of that name.
        profile: trace ten steps with `jax.profiler`, into `out/profile`.

    Returns:
        The params with the averaged weights.

    Raises:
        ValueError: for a data set too small, a batch that the devices cannot share evenly, a run in `out` with another
            recipe (but for one that kept neither a state nor a checkpoint) or with damaged states alone, a disk that is
            full, or a loss that is not finite.
        Preempted: behind a SIGTERM, once the state is kept.
    """
    if save_every < 1:
        raise ValueError(f"save_every: got {save_every} steps; give at least 1")
    if tensorboard:
        summary_writer()
    devices, (training, held_out) = make_parallel(parallel, recipe), split(dataset, recipe.holdout)
    steps_an_epoch = len(training) / recipe.batch_size
    steps = max(1, _steps(recipe.epochs, steps_an_epoch))
    state = start(initial_params(dataset, recipe, initial), recipe, steps=steps, steps_an_epoch=steps_an_epoch)
    folder = RunFolder(Path(out), recipe, initial, training, record or {})
    tell_of_none(dataset, recipe.holdout)
    with watch_for_sigterm() as told_to_stop, folder as kept:
        state = kept.resume(state, devices)
        # Maybe none is left: but for the pictures, which a run cut off late lacks.
        stream = _stream(training, state, cache=cache and int(state.step) < steps)
        pictures: dict[str, Any] = {"held_out": held_out, "tensorboard": tensorboard, "profile": profile}
        with Showing(kept.folder, since=int(state.step), **pictures) as showing, Watch(state) as watch:
            loop = _Loop(
                devices=devices,
                training=training,
                held_out=held_out,
                kept=kept,
                showing=showing,
                watch=watch,
                told_to_stop=told_to_stop,
                save_every=save_every,
            )
            return loop.run(state, stream).params


def _stream(training: Dataset, state: TrainState, *, cache: bool) -> Iterator[Batch]:
    """The batches that are left, of each the rows of this host."""
    recipe, card = state.recipe, state.card
    return batches(
        training,
        batch_size=recipe.batch_size,
        image_size=(recipe.load_size,) * 2 if recipe.load_size else card.image_size,
        interpolation=card.preprocessing.interpolation,
        shuffle_seed=recipe.seed,
        start=int(state.step),
        cache=cache,
        share=(jax.process_index(), jax.process_count()),
    )


class _Loop(NamedTuple):
    """The loop itself, and all that it reports to."""

    devices: Parallel
    training: Dataset
    held_out: Dataset
    kept: RunFolder
    showing: Showing
    watch: Watch
    told_to_stop: Callable[[int], bool]
    save_every: int

    def run(self, state: TrainState, stream: Iterator[Batch]) -> TrainState:
        """The steps that are left, with a look at the metrics now and then."""
        ends, done, placed = _epoch_ends(state), int(state.step), self.devices.place(state)
        if done == 0 and (told := self.showing.epoch(state.params, 0.0)):
            self.watch.say(told)
        left = self.kept.figures  # of an epoch that a run cut off kept, and maybe did not end
        if left is not None and self.showing.lacks(done):
            self._end_epoch(state, left)
            self.showing.line(left)
        for step in range(done + 1, state.steps + 1):
            batch = self.watch.wait_for(stream)
            with jax.transfer_guard("disallow"):  # nothing travels but the batch, which is placed in so many words
                placed, measured = self.devices.step(placed, batch)
            self.watch.count(measured)
            self.showing.step(step - done)
            stopping = self.told_to_stop(step)
            saving = stopping or step in ends or step % self.save_every == 0
            if saving or step % WINDOW == 0:
                figures = self._look(step, state.recipe)
                if step in ends:
                    figures["epoch"] = ends[step]
                    # It comes first: where the epoch cannot be measured, no step of it is lost.
                    self.kept.keep(placed, self.devices, figures)
                    self._end_epoch(self.devices.one(placed), figures)
                self.showing.line(figures)
            if saving:
                if step not in ends:
                    # It comes last: a run cut off before does this part again, and writes the same again.
                    self.kept.keep(placed, self.devices)
                self.watch.begin_anew()
            if stopping:
                self.kept.wait()
                raise Preempted(f"stopped behind step {step} of {state.steps}, which is kept; the same command goes on")
        return self.devices.one(placed)

    def _look(self, step: int, recipe: Recipe) -> dict[str, Any]:
        """The figures so far; an error where a step has failed."""
        figures, failed_at = self.watch.look(step)
        if failed_at < 0:
            return figures
        number = failed_at - 1
        indices = batch_indices(
            len(self.training), batch_size=recipe.batch_size, shuffle_seed=recipe.seed, number=number
        )
        names = ", ".join(self.training[index].path.name for index in indices[:3])
        raise ValueError(
            f"loss: not finite at step {failed_at}, whose batch of {len(indices)} images begins with {names}; "
            f"lower the learning rate or clip the gradients{self.kept.elsewhere()}"
        )

    def _end_epoch(self, state: TrainState, figures: dict[str, Any]) -> None:
        """Measure on the images held out, and show and publish what was reached."""
        fitting = state.recipe.batch_size // state.recipe.accumulate
        figures["held_out_accuracy"] = accuracy(state.params, self.held_out, fitting)
        self.showing.epoch(state.params, figures["epoch"])
        self.kept.publish(state.params, figures)
        self.watch.say(", ".join(f"{name} {value}" for name, value in figures.items()))


def _epoch_ends(state: TrainState) -> dict[int, float]:
    """The last step of each epoch, and that of the run."""
    whole = range(1, math.ceil(state.recipe.epochs))
    ends = {_steps(epoch, state.steps_an_epoch): epoch for epoch in map(float, whole)}
    return {**ends, state.steps: state.recipe.epochs}


def _steps(epochs: float, steps_an_epoch: float) -> int:
    """Whole steps that so many epochs take, whatever the last digit of their product is rounded to."""
    return math.ceil(round(epochs * steps_an_epoch, 6))


def accuracy(params: Params, dataset: Dataset, batch_size: int) -> float | None:
    """Share of images whose best class is right; None without images. Shared among all hosts and their devices."""
    if len(dataset) == 0:
        return None
    mine = replace(dataset, examples=dataset.examples[jax.process_index() :: jax.process_count()])
    mesh, right = Mesh(np.array(jax.local_devices()), ("data",)), 0
    params = jax.device_put(params, NamedSharding(mesh, P()))
    options: dict[str, Any] = {
        "image_size": params.card.image_size,
        "interpolation": params.card.preprocessing.interpolation,
    }
    rows = -(-batch_size // jax.device_count()) * mesh.size
    for batch in batches(mine, batch_size=rows, **options) if len(mine) else ():
        images = jax.device_put(batch.images, NamedSharding(mesh, P("data")))
        best = np.asarray(forward(params, images)[1].argmax(-1))
        right += int(((best == batch.labels) & batch.mask).sum())
    if jax.process_count() > 1:
        right = int(multihost_utils.process_allgather(np.array(right)).sum())
    return round(right / len(dataset), 4)
