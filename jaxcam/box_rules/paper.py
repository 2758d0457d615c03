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
    # XLA's maximum of a large map on a CPU may pass over a NaN (openxla/xla issue 21461). A sum does not: each pixel is
    # looked at only where one is not finite, as with infinities or large numbers too; always under a user's vmap. The
    # first branch is all False, and varies over devices as the second does.
    space = (-2, -1)
    sums, highest = jnp.sum(maps, space), jnp.max(maps, space)
    unknown = lax.cond(
        jnp.all(jnp.isfinite(sums)), lambda _: jnp.isnan(sums), lambda maps: jnp.isnan(maps).any(space), maps
    )
    highest = jnp.where(unknown, jnp.nan, highest)
    batch = jnp.broadcast_shapes(threshold.shape, highest.shape)
    threshold, highest = jnp.broadcast_to(threshold, batch), jnp.broadcast_to(highest, batch)
    masks = jnp.broadcast_to(maps, (*batch, height, width)) >= (threshold * highest)[..., None, None]
    found = largest_box(masks, reach=1 if connectivity == 8 else 0).astype(jnp.float32)
    whole = jnp.array([0, 0, width, height], jnp.float32)
    valid = ~jnp.isnan(highest) & (threshold > 0) & (threshold <= 1)
    found = jnp.where((highest > 0)[..., None], found, jnp.broadcast_to(whole, found.shape))
    return jnp.where(valid[..., None], found, jnp.nan)
