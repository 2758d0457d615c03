"""The state of a training run and the pure step that moves it on."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jaxcam.batches import Batch
from jaxcam.card import Card
from jaxcam.forward import normalize_channels
from jaxcam.networks import Classifier
from jaxcam.params import Params
from jaxcam.recipes import Recipe
from jaxcam.training.augmentation import augment
from jaxcam.training.optimization import make_optimizer, schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a run needs to go on.

    Attributes:
        step: steps done.
        variables: of the network, as being trained.
        optimizer: the optimizer's state.
        average: the moving average of the variables.
        network, card, recipe: static.
        steps: length of the whole run (static).
        steps_an_epoch: (static).
    """

    step: Int[Array, ""]
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


def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """One step of gradient descent: augment, forward, backward, update, average.

    Pure: the random numbers follow from the recipe's seed and the step alone.

    Args:
        state: before the step.
        batch: uint8 images with labels.

    Returns:
        The state after the step, and the batch's mean "loss" and "accuracy" (on the augmented images).
    """
    recipe = state.recipe
    key = jax.random.fold_in(jax.random.key(recipe.seed), state.step)
    crop_key, drop_key = jax.random.split(key)
    images = jnp.asarray(batch.images, jnp.float32) / 255
    size = recipe.crop_size or state.card.image_size[0]
    images = augment(crop_key, images, size=size, area=recipe.crop_area, flip=recipe.flip)
    pixels = normalize_channels(images, state.card.preprocessing)

    def loss_of(params):
        variables, inputs = {**state.variables, "params": params}, pixels
        if recipe.bfloat16:  # BatchNorm keeps its statistics in float32
            variables["params"], inputs = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, pixels))
        (_, logits), updates = state.network.apply(
            variables, inputs, train=True, mutable=["batch_stats"], rngs={"dropout": drop_key}
        )
        logits = logits.astype(jnp.float32)
        targets = optax.smooth_labels(jax.nn.one_hot(batch.labels, logits.shape[1]), recipe.label_smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), (logits, updates)

    params = state.variables["params"]
    (loss, (logits, updates)), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    optimizer = make_optimizer(recipe, schedule(recipe, state.steps, state.steps_an_epoch))
    change, optimizer_state = optimizer.update(gradients, state.optimizer, params)
    variables = {**state.variables, **updates, "params": optax.apply_updates(params, change)}
    # The average is young at first: with a fixed decay it would remember the random start.
    decay = jnp.minimum(recipe.ema, (1 + state.step) / (10 + state.step)) if recipe.ema else 0.0
    average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, variables)
    accuracy = (logits.argmax(-1) == batch.labels).astype(jnp.float32).mean()
    state = replace(state, step=state.step + 1, variables=variables, optimizer=optimizer_state, average=average)
    return state, {"loss": loss, "accuracy": accuracy}


# The compiled step; the state given is used up.
run_step = jax.jit(train_step, donate_argnums=0)
