"""The state of a training run and the pure step that moves it on."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Shaped

from jaxcam.batches import Batch
from jaxcam.card import Card
from jaxcam.networks import Classifier
from jaxcam.params import Params
from jaxcam.training.inputs import prepare
from jaxcam.training.loss import Rows, objective
from jaxcam.training.optimization import make_optimizer, schedule
from jaxcam.training.recipes import Recipe


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a run needs to go on.

    Attributes:
        step: steps done; where replicas have a state each, every leaf has an axis of them in front.
        variables: of the network, as being trained.
        optimizer: the optimizer's state.
        average: the moving average of the variables; None where the recipe asks for none.
        failed_at: the first step whose loss or gradients were not finite, counted from 1; -1 as long as all were.
        network, card, recipe: static.
        steps: length of the whole run (static).
        steps_an_epoch: (static).
    """

    step: Int[Array, "*replicas"]
    variables: Any
    optimizer: Any
    average: Any
    failed_at: Int[Array, "*replicas"]
    network: Classifier = field(metadata={"static": True})
    card: Card = field(metadata={"static": True})
    recipe: Recipe = field(metadata={"static": True})
    steps: int = field(metadata={"static": True})
    steps_an_epoch: float = field(metadata={"static": True})

    @property
    def params(self) -> Params:
        """The averaged weights, or else those being trained, with their network and card."""
        return Params(self.variables if self.average is None else self.average, self.network, self.card)


def start(params: Params, recipe: Recipe, *, steps: int, steps_an_epoch: float) -> TrainState:
    """The state before the first step.

    Raises:
        ValueError: for a network made from functions, which has no training mode; or for `attention_dropout` or `erase`
            where the network has no attention, or no class maps, to hide by.
    """
    if not isinstance(params.network, Classifier):
        raise ValueError(f"params: got a network of type {type(params.network).__name__}; only a Classifier is trained")
    _check_hiding(params.network, recipe)
    optimizer = make_optimizer(recipe, schedule(recipe, steps, steps_an_epoch)).init(params.variables["params"])
    variables = jax.tree.map(jnp.copy, params.variables)  # a step may use up its state
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        optimizer=optimizer,
        average=jax.tree.map(jnp.copy, variables) if recipe.ema else None,
        failed_at=jnp.array(-1, jnp.int32),
        network=params.network,
        card=params.card,
        recipe=recipe,
        steps=steps,
        steps_an_epoch=steps_an_epoch,
    )


def _check_hiding(network: Classifier, recipe: Recipe) -> None:
    if recipe.attention_dropout and not getattr(network.backbone, "rectified", True):
        raise ValueError(
            f"attention_dropout: got {recipe.attention_dropout} for a {type(network.backbone).__name__}, the mean of "
            "whose features is no attention; give 0"
        )
    if recipe.erase and not hasattr(network.head, "kernel"):
        raise ValueError(f"erase: got {recipe.erase} for a network without class maps; give 0, or its _gap network")


def train_step(
    state: TrainState, batch: Batch, *, axis_name: str | None = None
) -> tuple[TrainState, dict[str, Shaped[Array, ""]]]:
    """One step of gradient descent: augment, forward, backward, update, average.

    Pure: the random numbers follow from the recipe's seed, the step, and for an image from its place in the data set;
    so they are the same however many devices share the batch. Dropout's alone depend on the devices.

    Args:
        state: before the step.
        batch: uint8 images with labels; a replica's part of them inside a mapped axis.
        axis_name: of the axis that replicas are mapped over, as by `jax.pmap`: gradients, metrics and the statistics of
            BatchNorm are then means over all of it.

    Returns:
        The state after the step, and of the batch: "loss", "accuracy" (means over the augmented images),
        "gradient_norm" (before clipping), the "learning_rate", and "failed_at" of the state.
    """
    recipe = state.recipe
    step_key = jax.random.fold_in(jax.random.key(recipe.seed), state.step)
    image_key, dropout_key = jax.random.split(step_key)
    if axis_name is not None:
        dropout_key = jax.random.fold_in(dropout_key, jax.lax.axis_index(axis_name))
    keys = jax.vmap(partial(jax.random.fold_in, image_key))(jnp.asarray(batch.index))
    input_keys, feature_keys = jax.vmap(jax.random.split)(keys).T
    pixels, targets = prepare(input_keys, batch, recipe=recipe, card=state.card)
    rows = Rows(pixels, targets, jnp.asarray(batch.labels), feature_keys)
    loss, accuracy, gradients, statistics = _gradients(state, rows, dropout_key, axis_name)
    if axis_name is not None:
        loss, accuracy, gradients = jax.lax.pmean((loss, accuracy, gradients), axis_name)
    params, rate = state.variables["params"], schedule(recipe, state.steps, state.steps_an_epoch)
    change, optimizer = make_optimizer(recipe, rate).update(gradients, state.optimizer, params)
    variables = {**statistics, "params": optax.apply_updates(params, change)}
    average = None
    if recipe.ema:
        # The average is young at first: with a fixed decay it would remember the random start. (This ramp is that of
        # TensorFlow's ExponentialMovingAverage.)
        share = 1 - jnp.minimum(recipe.ema, (1 + state.step) / (10 + state.step))
        # In this form, what does not change has exactly itself as its average.
        average = jax.tree.map(lambda old, new: old + share * (new - old), state.average, variables)
    norm = optax.tree.norm(gradients)
    fails = (state.failed_at < 0) & ~(jnp.isfinite(loss) & jnp.isfinite(norm))
    failed_at = jnp.where(fails, state.step + 1, state.failed_at)
    measured = {"loss": loss, "accuracy": accuracy, "gradient_norm": norm, "failed_at": failed_at}
    measured["learning_rate"] = jnp.asarray(rate(state.step), jnp.float32)
    state = replace(state, step=state.step + 1, variables=variables, optimizer=optimizer, average=average)
    return replace(state, failed_at=failed_at), measured


def _gradients(
    state: TrainState, rows: Rows, dropout_key: Array, axis_name: str | None
) -> tuple[Float[Array, ""], Float[Array, ""], Any, Any]:
    """Mean loss, accuracy and gradients of a batch, computed part by part, and the statistics behind the last part."""
    count, params = state.recipe.accumulate, state.variables["params"]
    statistics = {name: part for name, part in state.variables.items() if name != "params"}
    of_rows = partial(objective, network=state.network, card=state.card, recipe=state.recipe, axis_name=axis_name)
    compute = jax.value_and_grad(of_rows, has_aux=True)
    sums: Any = None
    for place in range(count):  # written out: for CPUs, XLA compiles convolutions in a loop to slow ones
        # Every device that has some of the rows has as many of each part.
        part = jax.tree.map(lambda row, place=place: row.reshape(-1, count, *row.shape[1:])[:, place], rows)
        (loss, (accuracy, statistics)), gradients = compute(
            params, statistics, part, jax.random.fold_in(dropout_key, place)
        )
        found = (loss, accuracy, gradients)
        sums = found if sums is None else jax.tree.map(jnp.add, sums, found)
    loss, accuracy, gradients = jax.tree.map(lambda total: total / count, sums)
    return loss, accuracy, gradients, statistics
