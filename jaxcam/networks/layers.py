"""Layers that several families share, with torch's and Caffe's geometry: explicit padding, ceiling, adaptive means."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcam.arrays import Features, type_of_array
from jaxcam.networks.windows import cells_by_place
from jaxcam.networks.winograd import convolve

# He initialization by the fan-out, which torchvision gives its convolutions.
kernel_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ConvNorm(nn.Module):
    """A convolution without bias and BatchNorm: parameters `conv` and `bn`.

    Attributes:
        features: output channels.
        kernel: (height, width) of the window, or the side of a square one.
        stride: of the window.
        groups: of channels that are convolved apart.
        padding: zeros on each side of (y, x); by default half of the window.
        epsilon: of BatchNorm.
        momentum: of BatchNorm: the share of the running statistics that a batch leaves as it is.
    """

    features: int
    kernel: int | tuple[int, int] = 3
    stride: int = 1
    groups: int = 1
    padding: tuple[int, int] | None = None
    epsilon: float = 1e-5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Features, train: bool) -> Float[Array, "b *_cells _k"]:
        window = (self.kernel, self.kernel) if isinstance(self.kernel, int) else self.kernel
        padding = tuple(side // 2 for side in window) if self.padding is None else self.padding
        pointwise = window == (1, 1) and padding == (0, 0)
        x = nn.Conv(
            self.features,
            window,
            1 if pointwise else self.stride,
            padding=[(size, size) for size in padding],
            feature_group_count=self.groups,
            use_bias=False,
            kernel_init=kernel_init,
            conv_general_dilated=depthwise if self.groups == self.features == x.shape[-1] else convolve,
            name="conv",
        )(every(self.stride, x) if pointwise else x)
        return nn.BatchNorm(not train, momentum=self.momentum, epsilon=self.epsilon, name="bn")(x)


def every(stride: int, x: Features) -> Float[type_of_array, "b *_cells k"]:
    """The cells that a 1x1 window of a stride sees: taken first, they make a convolution's gradients faster on CPUs.

    >>> every(2, jnp.arange(12.0).reshape(1, 3, 4, 1))[0, ..., 0]
    Array([[ 0.,  2.],
           [ 8., 10.]], dtype=float32)
    """
    return x[:, ::stride, ::stride]


def depthwise(x: Features, kernel: Array, strides: Sequence[int], padding: Any, **options: Any) -> Array:
    """`lax.conv_general_dilated` for an `nn.Conv` that makes one channel of each; faster on a CPU."""

    def convolution(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)

    @jax.checkpoint  # the backward pass makes the slices again: so many copies of the features would be kept
    def window_sum(x, kernel):
        x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
        height, width, _, channels = kernel.shape
        down, right = x.shape[1] - height + 1, x.shape[2] - width + 1
        return sum(
            x[:, i : i + down : strides[0], j : j + right : strides[1]] * kernel[i, j].reshape(1, 1, 1, channels)
            for i in range(height)
            for j in range(width)
        )

    # XLA's own convolution takes 10 to 40 times as long on a CPU as the fused sum of products, and its derivatives too.
    return jax.lax.platform_dependent(x, kernel, cpu=window_sum, default=convolution)


class SqueezeExcitation(nn.Module):
    """Channels weighed by gates that two layers make of all their means (Hu et al., "Squeeze-and-Excitation Networks",
    CVPR 2018, arXiv 1709.01507): parameters `reduce`, `expand`.

    Attributes:
        hidden: channels between the two layers.
        activation: between the two layers.
        gate: after them.
    """

    hidden: int
    activation: Callable = nn.relu
    gate: Callable = nn.sigmoid

    @nn.compact
    def __call__(self, x: Features) -> Features:
        y = x.mean(tuple(range(1, x.ndim - 1)), keepdims=True)
        y = self.activation(nn.Dense(self.hidden, kernel_init=kernel_init, name="reduce")(y))
        return x * self.gate(nn.Dense(x.shape[-1], kernel_init=kernel_init, name="expand")(y))


class StochasticDepth(nn.Module):
    """Leaves a residual branch out, in training, for some samples (Huang et al., "Deep Networks with Stochastic Depth",
    ECCV 2016, arXiv 1603.09382); the others' is scaled up, so that its mean stays.

    Attributes:
        rate: the share of samples without it.
    """

    rate: float

    @nn.compact
    def __call__(self, x: Features, train: bool) -> Features:
        # One draw a sample is dropout whose mask is the same along all other axes.
        return nn.Dropout(self.rate, broadcast_dims=range(1, x.ndim), deterministic=not train)(x)


def exact_gelu(x: Features) -> Features:
    """x * P(a standard normal number < x), as torch's GELU; Flax's own default is an approximation by tanh."""
    return nn.gelu(x, approximate=False)


def rounded_channels(channels: int | float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, or the next one where that would take more than a tenth of the channels."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def max_pool(
    x: Features, window: int, stride: int, *, padding: int = 0, ceil: bool = False
) -> Float[Array, "b *_cells k"]:
    """The maximum of square windows; `ceil` counts an incomplete last one too, as Caffe and torch's ceil_mode do."""
    # A square's maximum is that of its rows' maxima, and on CPUs slices are faster than reduce_window.
    highest = jnp.asarray(x)
    for axis in reversed(range(1, x.ndim - 1)):
        length = x.shape[axis] + 2 * padding + (_extra(x.shape[axis], window, stride, padding) if ceil else 0)
        count = (length - window) // stride + 1
        cells = cells_by_place(highest, axis, window=window, stride=stride, before=padding, count=count, fill=-jnp.inf)
        # Without the barrier XLA makes a row's maximum anew for each row of the windows.
        highest = jax.lax.optimization_barrier(reduce(_first_maximum, cells))
    return highest


@jax.custom_jvp
def _first_maximum(a, b):
    """The maximum, whose derivative is that of `a` where both are equal: torch's and XLA's rule for a window."""
    return jnp.maximum(a, b)


@_first_maximum.defjvp
def _first_maximum_jvp(values, changes):
    a, b = values
    return jnp.maximum(a, b), jnp.where(a >= b, *changes)


def mean_pool(x: Features, window: int, stride: int, *, padding: int = 0) -> Float[Array, "b *_cells k"]:
    """The mean of square windows; zeros of the padding count."""
    rank = x.ndim - 2
    sums = nn.pooling.pool(x, 0.0, jax.lax.add, (window,) * rank, (stride,) * rank, [(padding, padding)] * rank)
    return sums / window**rank


def local_response_norm(
    x: Features, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Features:
    """x / (k + alpha / size * sum of x^2 over the `size` channels around)^beta, as Caffe does; zeros stand outside."""
    half = size // 2
    squares = jnp.pad(x * x, [*[(0, 0)] * (x.ndim - 1), (half, half)])
    total = sum(jax.lax.slice_in_dim(squares, i, i + x.shape[-1], axis=-1) for i in range(size))
    # A power by way of the logarithm: four times as fast with its derivative on CPUs, and as exact.
    return x * jnp.exp(-beta * jnp.log(k + alpha / size * total))


def cam_convolution(x: Features, channels: int, groups: int, *, bias: float = 0.0) -> Float[Array, "b *cells channels"]:
    """The 3x3 convolution that the GAP networks add, `cam_conv`, initialized as in their authors' release."""
    if channels % groups or x.shape[-1] % groups:
        raise ValueError(f"cam_groups: got {groups}; {x.shape[-1]} and {channels} channels are not divisible by it")
    layer = nn.Conv(
        channels,
        (3, 3),
        padding=1,
        feature_group_count=groups,
        kernel_init=nn.initializers.normal(0.01),
        bias_init=nn.initializers.constant(bias),
        conv_general_dilated=convolve,
        name="cam_conv",
    )
    return layer(x)


def adaptive_mean(x: Features, grid: tuple[int, ...]) -> Float[type_of_array, "b y x k"]:
    """Means of windows that cover the cells evenly, as torch's adaptive average pooling; the cells for equal sizes."""
    for axis, target in enumerate(grid, start=1):
        if x.shape[axis] != target:
            matrix = jnp.asarray(_adaptive_matrix(x.shape[axis], target), x.dtype)
            x = jnp.moveaxis(jnp.tensordot(x, matrix, (axis, 1)), -1, axis)
    return x


def _adaptive_matrix(source, target):
    """Row i averages the cells from floor(i * source / target) to ceil((i + 1) * source / target)."""
    matrix = np.zeros((target, source), np.float32)
    for index in range(target):
        start, stop = index * source // target, math.ceil((index + 1) * source / target)
        matrix[index, start:stop] = 1 / (stop - start)
    return matrix


def _extra(length, window, stride, padding):
    """Cells to add behind an axis so that the last window, which must begin before the far padding, is whole."""
    count = -(-(length + 2 * padding - window) // stride) + 1
    if (count - 1) * stride >= length + padding:
        count -= 1
    return max((count - 1) * stride + window - length - 2 * padding, 0)
