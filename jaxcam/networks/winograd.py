"""Convolutions on CPUs: Winograd's F(4, 3) over the rows, 6 products of a kernel's rows in place of 12 for each 4 rows
of the output (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv 1509.09308)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.arrays import Features
from jaxcam.networks.windows import cells_by_place

# The paper's matrices, by its names: y = A^T ((G g) * (B^T d)).
BT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
TILE, SPAN = np.shape(AT)  # rows of the output that a tile makes, and of the input that it sees
# Of fewer channels, of fewer cells in a batch, and where the tiles cover that much more than the rows, the transforms
# take longer than the products save; of more cells the tiles of an image take too much memory.
FEWEST_CHANNELS, FEWEST_CELLS, LARGEST_COVER, MOST_CELLS = 48, 128, 1.4, 128 * 128
# What of the other options leaves windows that move by one cell, over all channels.
PLAIN: dict[str, tuple[Any, ...]] = {
    "dimension_numbers": (
        ("NHWC", "HWIO", "NHWC"),
        jax.lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
    ),
    "lhs_dilation": (None, (1, 1)),
    "rhs_dilation": (None, (1, 1)),
    "feature_group_count": (1,),
    "precision": (None,),
}


def convolve(x: Features, kernel: Array, strides: Sequence[int], padding: Any, **options: Any) -> Array:
    """`lax.conv_general_dilated` for an `nn.Conv`, faster on CPUs for 3x3 windows of many channels and stride 1.

    The sums are of the same products in another order, equal to a few parts in a million of the largest. In 16 bits
    they would not be, so those are left to XLA, as all else is.

    Args:
        x: features, (batch, height, width, channels).
        kernel: (height, width, channels, new channels).
        strides: of the window.
        padding: zeros before and after (y, x), or a name that XLA knows.
        options: the others of `lax.conv_general_dilated`.

    >>> from flax import linen as nn
    >>> layer = nn.Conv(384, (3, 3), padding=1, conv_general_dilated=convolve)
    """

    def convolution(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)

    pads = _pads(x, kernel, strides, padding, options)

    def on_cpu(x, kernel):
        # Without the barrier XLA makes the features anew for the kernel's gradient, which takes longer than to keep
        # them: they are an input of the forward pass as well.
        x = jax.lax.optimization_barrier(x)
        return convolution(x, kernel) if pads is None else tiled_convolution(x, kernel, pads)

    return jax.lax.platform_dependent(x, kernel, cpu=on_cpu, default=convolution)


def _pads(x, kernel, strides, padding, options):
    """Zeros before and after (y, x) where tiles serve the convolution, and None where it is XLA's."""
    plain = all(value in PLAIN.get(name, ()) for name, value in options.items()) and tuple(strides) == (1, 1)
    if not plain or kernel.ndim != 4 or kernel.shape[:2] != (3, 3) or min(kernel.shape[2:]) < FEWEST_CHANNELS:
        return None
    if x.dtype not in (jnp.float32, jnp.float64) or not all(isinstance(cells, int) for cells in x.shape[1:]):
        return None
    pads = jax.lax.padtype_to_pads(x.shape[1:3], (3, 3), (1, 1), padding) if isinstance(padding, str) else padding
    height, width = (cells + sum(pad) - 2 for cells, pad in zip(x.shape[1:3], pads, strict=True))
    if min(height, width) < 1 or height * width > MOST_CELLS or TILE * -(-height // TILE) > LARGEST_COVER * height:
        return None
    # Of an exported function the batch may be any.
    few = isinstance(x.shape[0], int) and x.shape[0] * height * width < FEWEST_CELLS
    return None if few else tuple(map(tuple, pads))


@partial(jax.jit, static_argnums=2)
@partial(jax.checkpoint, static_argnums=2)  # the backward pass makes the tiles, larger than the features, again
def tiled_convolution(x: Features, kernel: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    """The convolution by 3x3 windows of stride 1.

    Args:
        x: features, (batch, height, width, channels).
        kernel: (3, 3, channels, new channels).
        pads: zeros before and after (y, x).

    >>> x, kernel = jnp.arange(16.0).reshape(1, 4, 4, 1), jnp.ones((3, 3, 1, 1))
    >>> tiled_convolution(x, kernel, ((0, 0), (0, 0)))[0, ..., 0]
    Array([[45., 54.],
           [81., 90.]], dtype=float32)
    """
    height = x.shape[1] + sum(pads[0]) - 2
    down = -(-height // TILE)  # tiles
    rows = cells_by_place(x, 1, window=SPAN, stride=TILE, before=pads[0][0], count=down, fill=0.0)
    # Without the barrier XLA makes a tile anew for each product of the backward pass.
    tiles = jax.lax.optimization_barrier(_transform(BT, rows))
    products = [
        jax.lax.conv_general_dilated(
            tile, row[None], (1, 1), ((0, 0), pads[1]), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        for tile, row in zip(tiles, _transform(G, kernel), strict=True)
    ]
    y = jnp.stack(_transform(AT, products), axis=2)
    return y.reshape(y.shape[0], TILE * down, *y.shape[3:])[:, :height]


def _transform(matrix, parts):
    """The product of a matrix of few numbers and parts, where a part that counts 0 times is left out."""
    return [
        sum(part if share == 1 else share * part for share, part in zip(row, parts, strict=True) if share)
        for row in matrix
    ]
