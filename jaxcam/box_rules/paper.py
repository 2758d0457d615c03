"""The rule of the CAM paper: the box around the largest component of what reaches a share of the maximum."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcam.arrays import type_of_array
from jaxcam.box_rules._components import largest_box


@partial(jax.jit, static_argnames="connectivity")
def paper_boxes(
    maps: Float[type_of_array, "... h w"], *, threshold: Float[type_of_array, "..."], connectivity: int = 8
) -> Float[Array, "... 4"]:
    """The boxes of `jaxcam.boxes`, which checks and explains the arguments."""
    # A box is a step function of its map: its gradient is zero, and nothing in here need be differentiated.
    maps, threshold = lax.stop_gradient((maps.astype(jnp.float32), threshold))
    height, width = maps.shape[-2:]
    # XLA's maximum of a large map on a CPU may pass over a NaN (openxla/xla issue 21461). Packed, they are found in a
    # third of the time.
    unknown = jnp.packbits(jnp.isnan(maps), axis=-1).any(axis=(-2, -1))
    highest = jnp.where(unknown, jnp.nan, jnp.max(maps, axis=(-2, -1)))
    batch = jnp.broadcast_shapes(threshold.shape, highest.shape)
    threshold, highest = jnp.broadcast_to(threshold, batch), jnp.broadcast_to(highest, batch)
    masks = jnp.broadcast_to(maps, (*batch, height, width)) >= (threshold * highest)[..., None, None]
    found = largest_box(masks, reach=1 if connectivity == 8 else 0).astype(jnp.float32)
    whole = jnp.array([0, 0, width, height], jnp.float32)
    valid = ~jnp.isnan(highest) & (threshold > 0) & (threshold <= 1)
    found = jnp.where((highest > 0)[..., None], found, jnp.broadcast_to(whole, found.shape))
    return jnp.where(valid[..., None], found, jnp.nan)
