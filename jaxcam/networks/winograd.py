"""Winograd's convolution F(2x2, 3x3): 16 multiplications in place of 36 for each 2x2 outputs (Lavin and Gray, "Fast
Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv 1509.09308)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.arrays import Features

# The paper's matrices, by its names: Y = A^T ((G g G^T) * (B^T d B)) A.
BT = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G = np.array([(1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)])
AT = ((1, 1, 1, 0), (0, 1, -1, -1))
# Of fewer channels, and where 2x2 tiles cover that much more than the cells, the transforms take longer than the
# products save; of more cells the tiles of an image take too much memory.
FEWEST_CHANNELS, LARGEST_COVER, MOST_CELLS = 192, 1.25, 64 * 64
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
    if pads is None:
        return convolution(x, kernel)

    @jax.checkpoint  # the tiles are four times as large as the cells: the backward pass makes them again
    def winograd(x, kernel):
        return tiled_convolution(jnp.pad(x, [(0, 0), *pads, (0, 0)]), kernel)

    return jax.lax.platform_dependent(x, kernel, cpu=winograd, default=convolution)


def _pads(x, kernel, strides, padding, options):
    """Zeros before and after (y, x) where tiles serve the convolution, and None where it is XLA's."""
    plain = all(value in PLAIN.get(name, ()) for name, value in options.items()) and tuple(strides) == (1, 1)
    if not plain or kernel.ndim != 4 or kernel.shape[:2] != (3, 3) or min(kernel.shape[2:]) < FEWEST_CHANNELS:
        return None
    if x.dtype not in (jnp.float32, jnp.float64) or not all(isinstance(cells, int) for cells in x.shape[1:]):
        return None
    pads = jax.lax.padtype_to_pads(x.shape[1:3], (3, 3), (1, 1), padding) if isinstance(padding, str) else padding
    height, width = (cells + sum(pad) - 2 for cells, pad in zip(x.shape[1:3], pads, strict=True))
    covered = 4 * -(-height // 2) * -(-width // 2)
    return pads if min(height, width) > 0 and covered <= min(LARGEST_COVER * height * width, MOST_CELLS) else None


@jax.jit
def tiled_convolution(x: Features, kernel: Array) -> Array:
    """The convolution of padded features by 3x3 windows of stride 1, by 4x4 tiles that lie 2 cells apart.

    >>> x, kernel = jnp.arange(16.0).reshape(1, 4, 4, 1), jnp.ones((3, 3, 1, 1))
    >>> tiled_convolution(x, kernel)[0, ..., 0]
    Array([[45., 54.],
           [81., 90.]], dtype=float32)
    """
    batch, height, width, channels = x.shape
    down, right = -(-(height - 2) // 2), -(-(width - 2) // 2)  # tiles
    x = jnp.pad(x, ((0, 0), (0, 2 * down + 2 - height), (0, 2 * right + 2 - width), (0, 0)))
    tiles = _transform(BT, [x[:, i : i + 2 * down - 1 : 2] for i in range(4)])
    tiles = [_transform(BT, [row[:, :, j : j + 2 * right - 1 : 2] for j in range(4)]) for row in tiles]
    kernels = jnp.einsum("ia,jb,abcd->ijcd", G.astype(kernel.dtype), G.astype(kernel.dtype), kernel)
    # Without the barrier XLA makes a tile anew for each product of the backward pass.
    tiles = [
        [jax.lax.optimization_barrier(tile).reshape(batch * down * right, channels) for tile in row] for row in tiles
    ]
    products = [[tiles[i][j] @ kernels[i, j] for j in range(4)] for i in range(4)]
    rows = [_transform(AT, column) for column in zip(*products, strict=True)]
    cells = [_transform(AT, row) for row in zip(*rows, strict=True)]
    cells = [[cell.reshape(batch, down, right, kernel.shape[-1]) for cell in row] for row in cells]
    y = jnp.stack([jnp.stack(row, axis=3) for row in cells], axis=2)
    return y.reshape(batch, 2 * down, 2 * right, kernel.shape[-1])[:, : height - 2, : width - 2]


def _transform(matrix, parts):
    """The product of a matrix of few numbers and parts, where a part that counts 0 times is left out."""
    return [
        sum(part if share == 1 else share * part for share, part in zip(row, parts, strict=True) if share)
        for row in matrix
    ]
