"""Winograd's convolution F(2x2, 3x3): 16 products of matrices in place of 36 (Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, arXiv 1509.09308)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.arrays import Features

# The paper's matrices, by its names: Y = A^T ((G g G^T) * (B^T d B)) A.
BT = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G = np.array([(1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)], np.float32)
AT = ((1, 1, 1, 0), (0, 1, -1, -1))
# Of fewer channels, and where tiles cover that much more than the cells, the transforms take longer than the products
# save; of more cells the tiles take too much memory.
FEWEST_CHANNELS, LARGEST_COVER, MOST_CELLS = 192, 1.25, 64 * 64


def convolve(x: Features, kernel: Array, strides: Sequence[int], padding: Any, **options: Any) -> Array:
    """`lax.conv_general_dilated` for an `nn.Conv`, faster on a CPU for 3x3 windows of many channels and stride 1.

    The sums are of the same products in another order, equal to a few parts in a million of the largest. In 16 bits
    they would not be, so those are left to XLA, as all else is.
    """

    def convolution(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)

    @jax.checkpoint  # the tiles are four times as large as the cells: the backward pass makes them again
    def winograd(x, kernel):
        return tiled_convolution(jnp.pad(x, [(0, 0), *padding, (0, 0)]), kernel)

    if not (kernel.shape[:2] == (3, 3) and _by_cell(strides, options) and min(kernel.shape[2:]) >= FEWEST_CHANNELS):
        return convolution(x, kernel)
    height, width = (cells + before + after - 2 for cells, (before, after) in zip(x.shape[1:3], padding, strict=True))
    covered = 4 * -(-height // 2) * -(-width // 2)
    if covered > min(LARGEST_COVER * height * width, MOST_CELLS) or jnp.finfo(x.dtype).bits < 32:
        return convolution(x, kernel)
    return jax.lax.platform_dependent(x, kernel, cpu=winograd, default=convolution)


def _by_cell(strides, options):
    """Whether windows move by one cell, over cells that lie side by side, and see all channels."""
    steps = (strides, options.get("lhs_dilation"), options.get("rhs_dilation"))
    return all(set(step or [1]) == {1} for step in steps) and options.get("feature_group_count", 1) == 1


def tiled_convolution(x: Features, kernel: Array) -> Array:
    """The convolution of padded features by 3x3 windows of stride 1, by 4x4 tiles that lie 2 cells apart.

    >>> x, kernel = jnp.arange(16.0).reshape(1, 4, 4, 1), jnp.ones((3, 3, 1, 1))
    >>> tiled_convolution(x, kernel)[0, ..., 0]
    Array([[45., 54.],
           [81., 90.]], dtype=float32)
    """
    _, height, width, channels = x.shape
    down, right = -(-(height - 2) // 2), -(-(width - 2) // 2)  # tiles
    x = jnp.pad(x, ((0, 0), (0, 2 * down + 2 - height), (0, 2 * right + 2 - width), (0, 0)))
    tiles = _transform(BT, [x[:, i : i + 2 * down - 1 : 2] for i in range(4)])
    tiles = [_transform(BT, [row[:, :, j : j + 2 * right - 1 : 2] for j in range(4)]) for row in tiles]
    kernels = jnp.einsum("ia,jb,abcd->ijcd", G, G, kernel)
    products = [
        [jax.lax.optimization_barrier(tiles[i][j]).reshape(-1, channels) @ kernels[i, j] for j in range(4)]
        for i in range(4)
    ]
    rows = [_transform(AT, column) for column in zip(*products, strict=True)]
    cells = [_transform(AT, row) for row in zip(*rows, strict=True)]
    cells = [[cell.reshape(-1, down, right, kernel.shape[-1]) for cell in row] for row in cells]
    y = jnp.stack([jnp.stack(row, axis=3) for row in cells], axis=2)
    return y.reshape(-1, 2 * down, 2 * right, kernel.shape[-1])[:, : height - 2, : width - 2]


def _transform(matrix, parts):
    """The product of a matrix of few numbers and parts, where a part that counts 0 times is left out."""
    return [
        sum(part if share == 1 else share * part for share, part in zip(row, parts, strict=True) if share)
        for row in matrix
    ]
