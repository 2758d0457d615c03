"""On CPUs, the early stages of a network for a few images at a time: caches then hold their features, which are larger
than those of later stages, and than their own weights."""

import os
from functools import cache
from itertools import pairwise
from typing import Any

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcam.arrays import Pixels


def run_stages(backbone: nn.Module, images: Pixels, upto: str) -> Float[Array, "..."]:
    """`backbone(images, None, upto)` outside of training, its early stages by portions of the batch on CPUs.

    Those are the first ones whose features of an image are more numbers than their weights. Derivatives are taken of
    the whole batch at once, and so are the stages where a module keeps what it computes (`mutable`), where the batch
    may be of any size, and where there is more than one device that it may be spread over.

    Args:
        backbone: bound to its variables.
        images: (b, h, w, channels), preprocessed.
        upto: the last stage to run.

    Returns:
        The features of that stage.
    """
    scope: Any = backbone.scope
    portion = images.shape[0] if scope.mutable else portion_of(images.shape[0])
    alone, variables = backbone.unbind()
    early = None if portion == images.shape[0] else early_stage(alone, images.shape[1:], images.dtype, upto)
    if early is None:
        return backbone(images, None, upto)

    def whole(variables, images):
        return alone.apply(variables, images, None, early)

    def by_portions(variables, images):
        portions = images.reshape(-1, portion, *images.shape[1:])
        features = jax.lax.map(lambda images: whole(variables, images), portions)
        return features.reshape(-1, *features.shape[2:])

    @jax.custom_jvp
    def run(variables, images):
        return jax.lax.platform_dependent(variables, images, cpu=by_portions, default=whole)

    # Within a loop gradients would be made one portion after the other too, and the loop keep what they need.
    run.defjvp(lambda values, changes: jax.jvp(whole, values, changes))
    features = run(variables, images)
    return features if early == upto else backbone(features, early, upto)


def portion_of(batch: Any) -> Any:
    """How many images to run at a time: the smallest equal part of the batch that gives each core an image.

    With more than one device it is the batch.

    >>> portion_of(1)
    1
    """
    if not isinstance(batch, int) or _devices() > 1:  # of an exported function it may be any
        return batch
    return next((size for size in range(_cores(), batch) if batch % size == 0), batch)


@cache
def early_stage(backbone: nn.Module, shape: tuple[int, ...], dtype: Any, upto: str) -> str | None:
    """The last of the first stages, through `upto`, whose features of an image are more numbers than their weights.

    Args:
        backbone: not bound to variables.
        shape: of an image.
        dtype: of it.
        upto: the last stage to look at.

    Returns:
        Its name; None where the first one has more weights already.
    """
    early, features = None, jax.ShapeDtypeStruct((1, *shape), dtype)
    for since, name in pairwise((None, *backbone.stages[: backbone.stages.index(upto) + 1])):

        def start(x, since=since, name=name):
            return backbone.init_with_output(jax.random.key(0), x, since, name)

        features, variables = jax.eval_shape(start, features)
        if features.size < sum(leaf.size for leaf in jax.tree.leaves(variables)):
            return early
        early = name
    return early


def _cores() -> int:
    """Those that this process may use, as XLA counts them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _devices() -> int:
    return jax.device_count()
