"""Scores of many variants of each image, a chunk of them at a time, so that memory does not grow with their number."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.forward import class_probabilities, forward_pixels, normalize_channels, whole_lengths
from jaxcam.methods.cut import Cut, Targets, scores_of
from jaxcam.params import Params

SCORES = ("logit", "probability")


def map_in_chunks(function: Callable[[Array], Array], total: int, chunk: int) -> Array:
    """function(index) of every index below `total`, stacked.

    They are computed `chunk` at a time in a device's loop, where XLA runs forward passes as fast as outside of it.
    """
    values = jax.lax.map(jax.vmap(function), jnp.minimum(_chunks(total, chunk), total - 1))
    return values.reshape(-1, *values.shape[2:])[:total]


def sum_in_chunks(function: Callable[[Array], Array], total: int, chunk: int) -> Array:
    """The sum of function(index) over every index below `total`; likewise, and no more than a chunk is ever kept."""

    def add(sums: Array, indices: Array) -> tuple[Array, None]:
        values = jax.vmap(function)(indices)
        counted = jnp.expand_dims(indices < total, range(1, values.ndim))
        return sums + jnp.where(counted, values, 0).sum(axis=0), None

    indices = _chunks(total, chunk)
    first = jax.eval_shape(function, indices[0, 0])
    return jax.lax.scan(add, jnp.zeros(first.shape, first.dtype), indices)[0]


def _chunks(total: int, chunk: int) -> Array:
    """Indices (steps, at most `chunk`) from 0 to at least `total`, of as few steps and as few too many as can be."""
    steps = -(-total // chunk)
    return jnp.arange(steps * -(-total // steps), dtype=jnp.int32).reshape(steps, -1)


def check_counts(**counts: Any) -> None:
    """A ValueError for an option that is no whole number of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or whole_lengths((count,), 1) is None:
            raise ValueError(f"{name}: got {count!r}; give a whole number of at least 1")


def scored(params: Params, logits: Float[Array, "b c"], targets: Targets, score: str) -> Float[Array, "b n"]:
    """The score of each label: its logit, or its probability."""
    if score not in SCORES:
        raise ValueError(f"score: got {score!r}; use one of {', '.join(SCORES)}")
    return scores_of(class_probabilities(params, logits) if score == "probability" else logits, targets)


def pixel_scores(cut: Cut, pixels: Array, targets: Targets, score: str) -> Float[Array, "b n"]:
    """The scores of other pixels in place of the batch's own."""
    return scored(cut.params, forward_pixels(cut.params, pixels)[1], targets, score)


def baseline_pixels(cut: Cut, baseline: float | Array | None) -> Array:
    """What masked-out pixels show (1, 1..., channels): a grey in [0, 1], or the network's 0, its mean colour."""
    shape = (1,) * (cut.pixels.ndim - 1) + cut.pixels.shape[-1:]
    if baseline is None:
        return jnp.zeros(shape, jnp.float32)
    given = f"shape {jnp.shape(baseline)}" if jnp.ndim(baseline) else baseline
    # The value of a JAX array is not known where methods are traced.
    if jnp.ndim(baseline) or not (isinstance(baseline, jax.Array) or 0 <= baseline <= 1):
        raise ValueError(f"baseline: got {given}; give a grey from 0 to 1, or None for the network's mean colour")
    return normalize_channels(jnp.full(shape, baseline, jnp.float32), cut.params.card.preprocessing)


def masked(cut: Cut, masks: Array, background: Array) -> Array:
    """The pixels where masks (b or 1, *space) are 1, the background where they are 0, and what lies between."""
    return background + masks[..., None] * (cut.pixels - background)
