"""Raw maps scaled to [0, 1], for pictures and for thresholds."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import type_of_array


def normalize(maps: Float[type_of_array, "..."], *, method: str = "max", rank: int = 2) -> Float[Array, "..."]:
    """Each map scaled to [0, 1].

    "max": max(m, 0) / max(m); "minmax": (m - min m) / (max m - min m). A map with nothing to show, all negative for
    "max" or constant for "minmax", gives zeros; one with a NaN is NaN.

    Args:
        maps: raw maps (..., h, w).
        method: "max", where 0 stays 0, or "minmax".
        rank: axes of space that each map has, the last ones: 1 for signals, 3 for volumes.

    Returns:
        (..., h, w) in [0, 1].

    Raises:
        ValueError: for an unknown method or maps of fewer axes than `rank`.

    >>> import jax.numpy as jnp, jaxcam
    >>> jaxcam.normalize(jnp.array([[-1.0, 1.0], [2.0, 4.0]]))
    Array([[0.  , 0.25],
           [0.5 , 1.  ]], dtype=float32)
    """
    if method not in ("max", "minmax"):
        raise ValueError(f"method: got {method!r}; use max or minmax")
    if not 1 <= rank <= maps.ndim:
        lengths = "h, w" if rank == 2 else ", ".join(["n"] * rank)
        raise ValueError(f"maps: got shape {tuple(maps.shape)} for rank {rank}; give (..., {lengths})")
    maps = jnp.asarray(maps)
    space = tuple(range(-rank, 0))
    maps = jnp.maximum(maps, 0) if method == "max" else maps - maps.min(space, keepdims=True)
    top = maps.max(space, keepdims=True)
    nothing = top <= 0
    scaled = jnp.where(nothing, jnp.zeros_like(maps), maps / jnp.where(nothing, 1, top))
    # XLA's maximum of a large map on a CPU may pass over a NaN (openxla/xla issue 21461).
    return jnp.where(jnp.isnan(maps).any(space, keepdims=True), jnp.nan, scaled)
