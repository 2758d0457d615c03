"""Weights stored with half the bytes: rounded before they are saved, float32 again once they are loaded."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_leaves_with_path, tree_map_with_path

from jaxcam.checkpoints.hashes import leaf_name

HALVES = ("bfloat16", "float16")


def rounded(variables: Any, dtype: str) -> Any:
    """The float32 leaves in another dtype, the others as they are.

    Args:
        variables: of a network.
        dtype: one of `HALVES`.

    Raises:
        ValueError: for another dtype, or where a leaf's finite value would become infinite.

    >>> rounded({"bias": jnp.array([1.0, 1e-3])}, "bfloat16")
    {'bias': Array([1, 0.000999451], dtype=bfloat16)}
    """
    if dtype not in HALVES:
        raise ValueError(f"dtype: got {dtype!r}; use {' or '.join(HALVES)}, or None to keep every bit")
    limit = float(jnp.finfo(dtype).max)
    for path, leaf in tree_leaves_with_path(variables):
        largest = float(jnp.abs(jnp.where(jnp.isfinite(leaf), leaf, 0)).max(initial=0))
        if leaf.dtype == jnp.float32 and largest > limit:
            raise ValueError(f"dtype: got {dtype} for {leaf_name(path)}, which has {largest:g}; use bfloat16 or None")
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == jnp.float32 else leaf, variables)


def as_stored(expected: Any, stored: dict[str, dict[str, Any]]) -> Any:
    """The shapes that a network needs, with the dtypes of the leaves that were rounded.

    Args:
        expected: `jax.ShapeDtypeStruct`s.
        stored: shape and dtype of each leaf, by its path, as `card.json` has them.
    """

    def told(path, leaf):
        dtype = stored.get(leaf_name(path), {}).get("dtype")
        if leaf.dtype != jnp.float32 or dtype not in HALVES:
            return leaf
        return jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(dtype), sharding=leaf.sharding)

    return tree_map_with_path(told, expected)
