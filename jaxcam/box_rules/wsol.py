"""The rule of the WSOL benchmark: the box around the largest contour of the map in 8 bits, above a share of its range.

Source: Choe, Oh, Lee, Chun, Akata and Shim, "Evaluating Weakly Supervised Object Localization Methods Right", CVPR
2020, arXiv 2001.07437, and the evaluation code published with it.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, UInt8

from jaxcam.arrays import type_of_array
from jaxcam.box_rules._filled_components import largest_filled_box


@partial(jax.jit, static_argnames="connectivity")
def wsol_boxes(
    maps: Float[type_of_array, "... h w"], *, threshold: Float[type_of_array, "..."], connectivity: int = 8
) -> Float[Array, "... 4"]:
    """The boxes of `grey_boxes` for raw maps: resize these before, bicubically to 224 x 224 as the benchmark does.

    Args:
        maps: floating-point (..., h, w), as for `jaxcam.boxes`.
        threshold: from 0 to 1, of a shape that broadcasts with the leading axes.
        connectivity: 8, as OpenCV's contours have it.

    Returns:
        float32 (..., 4) half-open boxes in the maps' own pixels. The pixel (0, 0), and not NaN, for a map that holds a
        NaN, as in the benchmark; NaN for a threshold that is out of range.

    Raises:
        ValueError: for another connectivity.

    >>> wsol_boxes(jnp.array([[-1.0, 0.9, 0.0, 0.0], [0.9, 1.0, 0.0, 0.0]]), threshold=jnp.float32(0.6))
    Array([0., 0., 3., 2.], dtype=float32)
    """
    if connectivity != 8:
        raise ValueError(f"connectivity: got {connectivity} for the rule wsol, whose contours are OpenCV's; use 8")
    return grey_boxes(grey_maps(maps), threshold=threshold)


@jax.jit
def grey_maps(maps: Float[type_of_array, "... h w"]) -> UInt8[Array, "... h w"]:
    """Maps stretched to 8 bits, rounded down: floor(255 (M - min M) / (max M - min M)).

    All 0 for a map that is constant or holds a NaN or inf. The benchmark divides in float64, this in float32: of the
    pixels of random upsampled maps, one in some 200,000 is a level lower or higher.

    >>> grey_maps(jnp.array([[-1.0, 0.0, 0.5, 1.0]]))
    Array([[  0, 127, 191, 255]], dtype=uint8)
    """
    maps = lax.stop_gradient(maps.astype(jnp.float32))
    heights = maps - jnp.min(maps, axis=(-2, -1), keepdims=True)
    highest = jnp.max(heights, axis=(-2, -1), keepdims=True)
    # XLA's maximum of a large map on a CPU may pass over a NaN (openxla/xla issue 21461).
    stretches = (highest > 0) & jnp.isfinite(highest) & ~jnp.isnan(maps).any(axis=(-2, -1), keepdims=True)
    # The comparison, as a compiler's reciprocal may turn the highest pixel's 1 into a little less.
    shares = jnp.where(heights >= highest, 1, heights / jnp.where(stretches, highest, 1))
    return jnp.where(stretches, jnp.floor(255 * shares), 0).astype(jnp.uint8)


@jax.jit
def grey_boxes(
    maps: UInt8[type_of_array, "... h w"], *, threshold: Float[type_of_array, "..."]
) -> Float[Array, "... 4"]:
    """The box of the largest contour of {M > floor(threshold max M)}, by OpenCV's contour area.

    The benchmark's inclusive (x, y, min(x + width, w - 1), min(y + height, h - 1)), a pixel too wide and too high away
    from the border, is kept. Where nothing is found it is the pixel (0, 0).

    Args:
        maps: (..., h, w), as of `grey_maps`.
        threshold: from 0 to 1, of a shape that broadcasts with the leading axes.

    Returns:
        float32 (..., 4) half-open boxes (x0, y0, x1, y1) in pixels. NaN for a threshold that is out of range.

    >>> grey_boxes(jnp.uint8([[0, 9, 0, 0, 0], [9, 9, 0, 0, 5]]), threshold=jnp.float32(0.5))
    Array([0., 0., 3., 2.], dtype=float32)
    """
    height, width = maps.shape[-2:]
    highest = jnp.max(maps, axis=(-2, -1)).astype(jnp.float32)
    batch = jnp.broadcast_shapes(threshold.shape, highest.shape)
    threshold, highest = jnp.broadcast_to(threshold, batch), jnp.broadcast_to(highest, batch)
    valid = (threshold >= 0) & (threshold <= 1)
    levels = jnp.floor(jnp.where(valid, threshold, 0) * highest).astype(jnp.uint8)
    masks = jnp.broadcast_to(maps, (*batch, height, width)) > levels[..., None, None]
    x0, y0, x1, y1 = jnp.moveaxis(largest_filled_box(masks), -1, 0)
    widened = (x0, y0, jnp.minimum(x1, width - 1) + 1, jnp.minimum(y1, height - 1) + 1)
    found = jnp.any(masks, axis=(-2, -1))
    corners = [jnp.where(found, corner, empty) for corner, empty in zip(widened, (0, 0, 1, 1), strict=True)]
    return jnp.where(valid[..., None], jnp.stack(corners, axis=-1).astype(jnp.float32), jnp.nan)
