"""A recipe's optimizer and learning rate, from Optax."""

import math
from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcam.training.recipes import Recipe


def schedule(recipe: Recipe, steps: int, steps_an_epoch: float) -> Callable[[Any], Any]:
    """Learning rate at a step: linear warm-up, then a cosine to 0 at the last step."""
    warmup = min(math.ceil(recipe.warmup_epochs * steps_an_epoch), steps // 2)
    return optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warmup, steps)


def make_optimizer(recipe: Recipe, learning_rate: Any) -> optax.GradientTransformation:
    """The recipe's optimizer, with decay on kernels alone."""

    def kernels(params):
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    if recipe.optimizer == "adamw":
        return optax.adamw(learning_rate, weight_decay=recipe.weight_decay, mask=kernels)
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, mask=kernels),
        optax.sgd(learning_rate, momentum=0.9, nesterov=True),
    )
