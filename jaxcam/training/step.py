"""The state of a training run and the pure step that moves it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxcam.batches import Batch
from jaxcam.card import Card
from jaxcam.forward import normalize_channels
from jaxcam.networks import Classifier
from jaxcam.params import Params
from jaxcam.training.augmentation import augment
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
        average: the moving average of the variables.
        network, card, recipe: static.
        steps: length of the whole run (static).
        steps_an_epoch: (static).
    """

    step: Int[Array, "*replicas"]
    variables: Any
    optimizer: Any
    average: Any
    network: Classifier = field(metadata={"static": True})
    card: Card = field(metadata={"static": True})
    recipe: Recipe = field(metadata={"static": True})
    steps: int = field(metadata={"static": True})
    steps_an_epoch: float = field(metadata={"static": True})

    @property
    def params(self) -> Params:
        """The averaged weights with their network and card."""
        return Params(self.average, self.network, self.card)


def start(params: Params, recipe: Recipe, *, steps: int, steps_an_epoch: float) -> TrainState:
    """The state before the first step; a ValueError for a network made from functions, which has no training mode."""
    if not isinstance(params.network, Classifier):
        raise ValueError(f"params: got a network of type {type(params.network).__name__}; only a Classifier is trained")
    optimizer = make_optimizer(recipe, schedule(recipe, steps, steps_an_epoch)).init(params.variables["params"])
    average = jax.tree.map(jnp.copy, params.variables)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=params.variables,
        optimizer=optimizer,
        average=average,
        network=params.network,
        card=params.card,
        recipe=recipe,
        steps=steps,
        steps_an_epoch=steps_an_epoch,
    )


def train_step(
    state: TrainState, batch: Batch, *, axis_name: str | None = None
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """One step of gradient descent: augment, forward, backward, update, average.

    Pure: the random numbers follow from the recipe's seed, the step, and for its crop from an image's place in the data
    set; so they are the same however many devices share the batch. Dropout's alone depend on the devices.

    Args:
        state: before the step.
        batch: uint8 images with labels; a replica's part of them inside a mapped axis.
        axis_name: of the axis that replicas are mapped over, as by `jax.pmap`: gradients, metrics and the statistics of
            BatchNorm are then means over all of it.

    Returns:
        The state after the step, and the batch's mean "loss" and "accuracy" (on the augmented images).
    """
    recipe = state.recipe
    crop_key, drop_key = jax.random.split(jax.random.fold_in(jax.random.key(recipe.seed), state.step))
    if axis_name is not None:
        drop_key = jax.random.fold_in(drop_key, jax.lax.axis_index(axis_name))
    images = jnp.asarray(batch.images, jnp.float32) / 255
    size = recipe.crop_size or state.card.image_size[0]
    keys = jax.vmap(partial(jax.random.fold_in, crop_key))(jnp.asarray(batch.index))
    images = augment(keys, images, size=size, area=recipe.crop_area, flip=recipe.flip)
    pixels = normalize_channels(images, state.card.preprocessing)

    def loss_of(params):
        variables, inputs = {**state.variables, "params": params}, pixels
        if recipe.bfloat16:  # BatchNorm keeps its statistics in float32
            variables["params"], inputs = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, pixels))
        with shared_statistics(axis_name):
            (_, logits), updates = state.network.apply(
                variables, inputs, train=True, mutable=["batch_stats"], rngs={"dropout": drop_key}
            )
        logits = logits.astype(jnp.float32)
        targets = optax.smooth_labels(jax.nn.one_hot(batch.labels, logits.shape[1]), recipe.label_smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), (logits, updates)

    params = state.variables["params"]
    (loss, (logits, updates)), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    accuracy = (logits.argmax(-1) == batch.labels).astype(jnp.float32).mean()
    if axis_name is not None:
        loss, accuracy, gradients = jax.lax.pmean((loss, accuracy, gradients), axis_name)
    optimizer = make_optimizer(recipe, schedule(recipe, state.steps, state.steps_an_epoch))
    change, optimizer_state = optimizer.update(gradients, state.optimizer, params)
    variables = {**state.variables, **updates, "params": optax.apply_updates(params, change)}
    # The average is young at first: with a fixed decay it would remember the random start.
    decay = jnp.minimum(recipe.ema, (1 + state.step) / (10 + state.step)) if recipe.ema else 0.0
    average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, variables)
    state = replace(state, step=state.step + 1, variables=variables, optimizer=optimizer_state, average=average)
    return state, {"loss": loss, "accuracy": accuracy}


@contextmanager
def shared_statistics(axis_name: str | None) -> Iterator[None]:
    """Let the BatchNorms that are called inside take their statistics over a mapped axis, if there is one."""

    def over_replicas(call, arguments, options, context):
        if isinstance(context.module, nn.BatchNorm):
            # The module is bound for this one call, and asks its field for the axis.
            object.__setattr__(context.module, "axis_name", axis_name)
        return call(*arguments, **options)

    with nn.intercept_methods(over_replicas):
        yield
