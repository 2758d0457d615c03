"""A recipe's optimizer and learning rate, from Optax."""

import math
from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcam.training.recipes import Recipe

MOMENTUM = 0.9

# Layers of a backbone that belong to the head: the convolution that GAP networks add, SqueezeNet's class maps, NIN's.
HEAD_LAYERS = ("cam_conv", "conv10", "cccp8")


def schedule(recipe: Recipe, steps: int, steps_an_epoch: float) -> Callable[[Any], Any]:
    """Learning rate at a step t, for a peak r and a warm-up of w of T steps.

    r t / w, then r (1 + cos(pi (t - w) / (T - w))) / 2; r min(1, (T - t) / (cooldown T)); or
    r 0.1^floor(t / decay_every).

    Args:
        recipe: which; its warm-up is cut to half of the run.
        steps: T.
        steps_an_epoch: that a warm-up in epochs is counted in.

    Returns:
        A function of the step, which Optax's transformations take as their rate.
    """
    warmup = min(math.ceil(recipe.warmup_epochs * steps_an_epoch), steps // 2)
    if recipe.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warmup, steps)

    rising = optax.linear_schedule(0.0, recipe.learning_rate, warmup)
    if recipe.schedule == "flat":
        length = min(round(recipe.cooldown * steps), steps - warmup)
        falling = optax.linear_schedule(recipe.learning_rate, 0.0, length, transition_begin=steps - length - warmup)
        return optax.join_schedules([rising, falling], [warmup])

    def dropped(step):
        # Whole numbers: a rounded quotient would put some drops a step late.
        return recipe.learning_rate * 0.1 ** ((step + warmup) // recipe.decay_every)

    return optax.join_schedules([rising, dropped], [warmup])


def make_optimizer(recipe: Recipe, learning_rate: Any) -> optax.GradientTransformation:
    """The recipe's optimizer: clipping, then decay on kernels alone, momentum, and the rates of biases and body.

    A body with rate 0 is not seen by it at all: its gradients count for no norm, and it has no state.

    Args:
        recipe: which.
        learning_rate: a number, or a function of the step.

    Returns:
        The transformation, to be given `variables["params"]`. Its functions raise a ValueError where the recipe asks
        for another rate of the body and the network has no head that is known.

    Source of "caffe": Jia et al., "Caffe: Convolutional Architecture for Fast Feature Embedding", ACM MM 2014, arXiv
    1408.5093; with rate r, decay d and momentum V, V <- 0.9 V + r (gradient + d w), then w <- w - V.
    """
    clip = optax.clip_by_global_norm(recipe.clip) if recipe.clip else optax.identity()
    # Momentum is linear, so a rate that stays the same may be multiplied after it as well as before.
    rates = [optax.masked(optax.scale(recipe.bias_rate), _biases), optax.masked(optax.scale(recipe.body_rate), body)]
    whole = optax.chain(clip, _rule(recipe, learning_rate), *(rates if recipe.body_rate != 1 else rates[:1]))
    if recipe.body_rate:
        return whole

    def part(params):
        return jax.tree.map(lambda frozen: "body" if frozen else "head", body(params))

    return optax.partition({"head": whole, "body": optax.set_to_zero()}, part)


def _rule(recipe, learning_rate):
    if recipe.optimizer == "adamw":
        return optax.adamw(learning_rate, weight_decay=recipe.weight_decay, mask=_kernels)
    decay = optax.add_decayed_weights(recipe.weight_decay, mask=_kernels)
    if recipe.optimizer == "caffe":
        return optax.chain(decay, optax.scale_by_learning_rate(learning_rate), optax.trace(MOMENTUM))
    return optax.chain(decay, optax.sgd(learning_rate, momentum=MOMENTUM, nesterov=True))


def _kernels(params):
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)


def _biases(params):
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "bias", params)


def body(params: Any) -> Any:
    """Which leaves of `variables["params"]` are outside the head; a ValueError where no head is known."""

    def outside(path, _):
        return path[0].key != "head" and not any(step.key in HEAD_LAYERS for step in path)

    found = jax.tree.map_with_path(outside, params)
    if all(jax.tree.leaves(found)):
        raise ValueError('body_rate: the network has no part "head", so its body is unknown; give body_rate=1')
    return found
