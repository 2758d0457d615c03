"""What map methods are given, checked: labels, sizes, ways to resize."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.arrays import LabelsLike, Length
from jaxcam.forward import whole_lengths
from jaxcam.geometry import METHODS

Size = str | tuple[int, ...] | None


def check_targets(labels: LabelsLike, *, batch: Length, single: bool, num_classes: int) -> Array:
    """Labels as (b,) or (b, n) integers, or as weights of classes, (b, c) or (b, n, c) float32."""
    values: Any = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return check_labels(labels, batch=batch, single=single, num_classes=num_classes)
    if values.ndim + single not in (2, 3) or values.shape[-1] != num_classes or 0 in values.shape:
        shapes = [f"{first}{num_classes})" for first in (("(", "(n, ") if single else ("(b, ", "(b, n, "))]
        raise ValueError(
            f"labels: got {values.dtype} of shape {values.shape}; "
            f"give integer classes from 0 to {num_classes - 1}, or a weight of every class, {' or '.join(shapes)}"
        )
    if not single and values.shape[0] != batch:
        raise ValueError(f"labels: got weights for {values.shape[0]} images with a batch of {batch}; give as many")
    values = jnp.asarray(values, jnp.float32)
    return values[None] if single else values


def check_labels(labels: LabelsLike, *, batch: Length, single: bool, num_classes: int) -> Array:
    """Labels as (b,) or (b, n) integers; values are checked where they can be seen (NumPy and Python numbers)."""
    seen = not isinstance(labels, jax.Array)
    values: Any = np.asarray(labels) if seen else labels
    if not jnp.issubdtype(values.dtype, jnp.integer):
        raise ValueError(f"labels: got {values.dtype}; give integer classes from 0 to {num_classes - 1}")
    if single and (values.ndim > 1 or 0 in values.shape):
        raise ValueError(f"labels: got shape {values.shape} for one image; give one class, or one row (n,) of classes")
    if not single and (values.ndim not in (1, 2) or values.shape[0] != batch or 0 in values.shape):
        raise ValueError(
            f"labels: got shape {values.shape} for a batch of {batch} images; "
            "give one class (b,), or one row of classes (b, n), per image"
        )
    if seen and values.size and (values.min() < 0 or values.max() >= num_classes):
        raise ValueError(
            f"labels: got classes from {values.min()} to {values.max()}; this network has 0 to {num_classes - 1}"
        )
    values = jnp.asarray(values.astype(np.int32) if seen else labels)
    return values[None] if single else values


def label_axes(labels: Array) -> tuple[Length, ...]:
    """The leading axes that maps of checked labels have: (b,) or (b, n)."""
    return labels.shape[:-1] if jnp.issubdtype(labels.dtype, jnp.floating) else labels.shape


def class_weights(labels: Array, num_classes: int) -> Float[Array, "b n c"]:
    """Checked labels as weights of classes, so that a score is their sum; NaN for a label out of range."""
    batch = labels.shape[0]
    if jnp.issubdtype(labels.dtype, jnp.floating):
        return labels.reshape(batch, -1, num_classes)
    rows = labels.reshape(batch, -1)
    # A label out of range becomes NaN, never another class's map.
    known = (rows >= 0) & (rows < num_classes)
    return jnp.where(known[..., None], jax.nn.one_hot(rows, num_classes, dtype=jnp.float32), jnp.nan)


def check_size(size: Size, space: tuple[int, ...]) -> tuple[int, ...] | None:
    """The size of the maps to make: `space` for None, None for "cells" (no upsampling)."""
    if size is None:
        return tuple(space)
    if isinstance(size, str) and size == "cells":
        return None
    lengths = whole_lengths(size, len(space))
    if lengths is None:
        raise ValueError(f'size: got {size!r}; give {len(space)} lengths of at least 1, "cells", or None')
    return lengths


def check_rank(size: tuple[int, ...], rank: int) -> None:
    """Refuse to resize maps of another spatial rank, such as those of tokens that nobody said the grid of.

    Raises:
        ValueError: where `size` has not as many lengths as the features have axes of space.
    """
    if len(size) != rank:
        raise ValueError(
            f'size: got {size} for features with {rank} axes of space; give "cells", or, where they are tokens, their '
            "grid as token_grid to from_functions"
        )


def check_upsample(upsample: str) -> str:
    if upsample not in METHODS:
        raise ValueError(f"upsample: got {upsample!r}; use one of {', '.join(METHODS)}")
    return upsample
