"""The loss that training lowers, and what a network does otherwise while it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key

from jaxcam.card import Card
from jaxcam.forward import kernel_of
from jaxcam.methods.activation import cam_from_features
from jaxcam.networks import Classifier
from jaxcam.params import Params
from jaxcam.training.hiding import attention_dropout, erase_seen
from jaxcam.training.optimization import body
from jaxcam.training.recipes import Recipe

ATTENTION_THRESHOLD = 0.9  # share of the strongest attention above which attention dropout drops a cell


class Rows(NamedTuple):
    """What the loss is computed of, an image a row."""

    pixels: Float[Array, "b h w 3"]
    targets: Float[Array, "b c"]
    labels: Int[Array, "b"]
    keys: Key[Array, "b"]  # for what is drawn for the features of each


def objective(
    params: Any,
    statistics: Any,
    rows: Rows,
    dropout_key: Key[Array, ""],
    *,
    network: Classifier,
    card: Card,
    recipe: Recipe,
    axis_name: str | None,
) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
    """Mean cross entropy, L = -sum_c y_c log p_c, of the network in training.

    With `recipe.erase`, plus that of the head when it is shown only what its own map of the true class leaves out: the
    head finds the class a second time elsewhere. (In ACoL, arXiv 1804.06962, the second head has weights of its own.)

    Args:
        params: what is trained, float32.
        statistics: the network's other variables, those of BatchNorm.
        rows: of the batch.
        dropout_key: for dropout, whose masks are of the whole batch.
        network, card, recipe: what is trained, and how.
        axis_name: of the axis that replicas are mapped over, if they are.

    Returns:
        The loss; and the accuracy (the share of images whose best class is their own) with the new statistics.
    """
    if recipe.body_rate == 0:  # nothing is to be known of its gradients, nor need they be computed
        params = jax.tree.map(
            lambda leaf, frozen: jax.lax.stop_gradient(leaf) if frozen else leaf, params, body(params)
        )
    variables = {**statistics, "params": params}
    if recipe.bfloat16:  # all but BatchNorm's statistics
        variables = Params(variables, network, card).astype("bfloat16").variables
    run = partial(network.apply, train=True, mutable=["batch_stats"], rngs={"dropout": dropout_key})
    with in_training(recipe, rows.keys, axis_name):
        (features, logits), updates = run(variables, rows.pixels)
        loss = optax.softmax_cross_entropy(logits.astype(jnp.float32), rows.targets).mean()
        if recipe.erase:
            kernel = kernel_of(Params(variables, network, card))
            maps = cam_from_features(features, kernel, rows.labels, size="cells")
            left = erase_seen(features, jax.lax.stop_gradient(maps).astype(features.dtype), threshold=recipe.erase)
            again, _ = run(variables, left, method="logits")
            loss += optax.softmax_cross_entropy(again.astype(jnp.float32), rows.targets).mean()
    right = (logits.argmax(-1) == rows.labels).astype(jnp.float32).mean()
    return loss, (right, {**statistics, **updates})


@contextmanager
def in_training(recipe: Recipe, keys: Key[Array, "b"], axis_name: str | None) -> Iterator[None]:
    """Change what the modules called inside do, as a recipe asks for it.

    BatchNorms take their statistics over a mapped axis, if there is one, and those of a body that is not trained keep
    what they have; attention dropout acts on the features that the head is given. On CPUs, what a convolution is given
    stays as it is: else XLA computes it again, several times as slowly, while it transposes it for the backward pass.
    """

    def changed(call, arguments, options, context):
        module = context.module
        if isinstance(module, nn.Conv):
            arguments = (_kept(arguments[0]), *arguments[1:])
        if isinstance(module, nn.BatchNorm):
            # The module is bound for this one call, and asks its fields.
            object.__setattr__(module, "axis_name", axis_name)
            if recipe.body_rate == 0 and module.path[0] != "head":
                object.__setattr__(module, "use_running_average", True)
        found = call(*arguments, **options)
        if recipe.attention_dropout and isinstance(module, Classifier) and context.method_name == "features":
            drop = partial(attention_dropout, drop_rate=recipe.attention_dropout, threshold=ATTENTION_THRESHOLD)
            return jax.vmap(drop)(keys, found)
        return found

    with nn.intercept_methods(changed):
        yield


def _kept(x):
    return jax.lax.platform_dependent(x, cpu=jax.lax.optimization_barrier, default=lambda x: x)
