"""jaxcam.networks.layers against NumPy, and against torch where it is installed."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcam.networks.layers import (
    SqueezeExcitation,
    StochasticDepth,
    adaptive_mean,
    cam_convolution,
    depthwise,
    exact_gelu,
    local_response_norm,
    max_pool,
    mean_pool,
    rounded_channels,
)
from tests.reference import caffe


def features(*shape, scale=1.0):
    return np.random.default_rng(0).normal(0, scale, shape).astype(np.float32)


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 1)


def torch_of(function, x):
    """What a function of torch's makes of channels-last features."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    return np.moveaxis(function(torch.nn.functional, torch.from_numpy(channels_first(x).copy())).numpy(), 1, -1)


# Window, stride, padding, and lengths of which every remainder of a stride occurs.
POOLS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 0), (3, 1, 1), (4, 3, 1)]
SIZES = [(5, 6), (7, 8), (4, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window, stride, padding", POOLS)
def test_max_pool_with_ceiling_is_caffes(window, stride, padding, size):
    x = features(2, *size, 3) - 5  # zeros of the padding must not win
    expected = caffe.max_pool(channels_first(x), window, stride, pad=padding)
    pooled = jax.jit(lambda x: max_pool(x, window, stride, padding=padding, ceil=True))(x)
    np.testing.assert_array_equal(channels_first(pooled), expected)


@pytest.mark.torch
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window, stride, padding", POOLS)
def test_max_pool_is_torchs(window, stride, padding, size, ceil):
    x = features(2, *size, 3)
    expected = torch_of(lambda f, x: f.max_pool2d(x, window, stride, padding, ceil_mode=ceil), x)
    np.testing.assert_array_equal(max_pool(x, window, stride, padding=padding, ceil=ceil), expected)


@pytest.mark.parametrize(
    "window, stride, padding, sizes",
    [
        (2, 1, 0, (6, 7)),
        (3, 1, 1, (6, 7)),
        (5, 1, 2, (6, 7)),
        (3, 2, 1, (9, 8)),
        (3, 2, 0, (9, 10)),
        (2, 2, 0, (7, 6)),
        (3, 3, 1, (8, 7)),
        (5, 2, 2, (11,)),
        (3, 2, 1, (4, 5, 6)),
    ],
)
def test_max_pool_has_the_derivative_of_a_window_reduction(window, stride, padding, sizes):
    rng, rank = np.random.default_rng(0), len(sizes)
    # Ties in most windows, of which the first counts.
    x, change = (rng.integers(-1, 3, (2, *sizes, 3)).astype(np.float32) for _ in range(2))

    def plain(x):
        return nn.max_pool(x, (window,) * rank, (stride,) * rank, padding=[(padding, padding)] * rank)

    def ours(x):
        return max_pool(x, window, stride, padding=padding)

    @partial(jax.jit, static_argnums=0)
    def backward(pool, weights):
        return jax.vjp(pool, x)[1](weights)[0]

    pooled, moved = jax.jit(lambda change: jax.jvp(ours, (x,), (change,)))(change)
    weights = rng.integers(1, 9, pooled.shape).astype(np.float32)
    expected = np.asarray(backward(plain, weights))
    np.testing.assert_array_equal(pooled, jax.jit(plain)(x))
    np.testing.assert_array_equal(backward(ours, weights), expected)
    assert (np.asarray(moved) * weights).sum() == (expected * change).sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window, stride, padding", POOLS)
def test_mean_pool_is_torchs(window, stride, padding, size):
    x = features(2, *size, 3)
    expected = torch_of(lambda f, x: f.avg_pool2d(x, window, stride, padding), x)
    np.testing.assert_allclose(mean_pool(x, window, stride, padding=padding), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("options", [{}, {"size": 3, "alpha": 0.3, "beta": 0.5, "k": 2.0}])
def test_local_response_norm_is_caffes(channels, options):
    x = features(2, 4, 5, channels, scale=100.0)
    expected = caffe.local_response_norm(channels_first(x).astype(np.float64), **options)
    assert np.abs(expected / channels_first(x) - 1).max() > 0.1
    normalised = jax.jit(lambda x: local_response_norm(x, **options))(x)
    np.testing.assert_allclose(channels_first(normalised), expected, rtol=2e-6)


@pytest.mark.torch
def test_local_response_norm_is_torchs():
    x = features(2, 4, 5, 8, scale=100.0)
    expected = torch_of(lambda f, x: f.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0), x)
    np.testing.assert_allclose(local_response_norm(x), expected, rtol=2e-6)


def test_local_response_norm_has_a_gradient_at_zero():
    gradient = jax.grad(lambda x: local_response_norm(x).sum())(jnp.zeros((1, 2, 2, 4)))
    np.testing.assert_array_equal(gradient, 1)


@pytest.mark.parametrize("grid", [(7, 7), (3, 2), (1, 1), (6, 9)])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (5, 8), (2, 3)])
def test_adaptive_mean(size, grid):
    """Cell i of a target axis is the mean of the cells that its share of the source touches."""
    x = features(2, *size, 3)
    expected = np.empty((2, *grid, 3))
    for i, j in np.ndindex(*grid):
        rows, columns = (
            slice(index * source // target, -(-(index + 1) * source // target))
            for index, source, target in zip((i, j), size, grid, strict=True)
        )
        expected[:, i, j] = x[:, rows, columns].mean((1, 2))
    np.testing.assert_allclose(adaptive_mean(x, grid), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("size, grid", [((5, 8), (7, 3)), ((2, 3), (6, 6)), ((9, 4), (3, 4))])
def test_adaptive_mean_is_torchs(size, grid):
    x = features(2, *size, 3)
    expected = torch_of(lambda f, x: f.adaptive_avg_pool2d(x, grid), x)
    np.testing.assert_allclose(adaptive_mean(x, grid), expected, rtol=1e-5, atol=1e-6)


def test_adaptive_mean_leaves_its_own_grid_alone():
    x = features(2, 6, 5, 3)
    assert adaptive_mean(x, (6, 5)) is x


@pytest.mark.parametrize("groups", [1, 2])
def test_cam_convolution(groups):
    class Added(nn.Module):
        @nn.compact
        def __call__(self, x):
            return cam_convolution(x, 6, groups)

    x = features(2, 5, 4, 8)
    kernel, bias = features(3, 3, 8 // groups, 6), features(6)
    output = Added().apply({"params": {"cam_conv": {"kernel": kernel, "bias": bias}}}, x)
    expected = caffe.convolution(channels_first(x), kernel.transpose(3, 2, 0, 1), bias, pad=1)
    np.testing.assert_allclose(channels_first(output), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window, stride", [(3, 1), (5, 2), (7, 1), (3, 3)])
def test_depthwise_convolution(window, stride):
    """Its values are Caffe's; its derivatives, forward and backward, are those of XLA's convolution."""
    x, kernel = features(2, 9, 12, 4), features(window, window, 1, 4)
    options = {"strides": stride, "padding": window // 2, "feature_group_count": 4, "use_bias": False}

    def derivatives(**changes):
        layer = nn.Conv(4, (window, window), **options, **changes)

        @jax.jit
        def run(x, kernel):
            def output(x, kernel):
                return layer.apply({"params": {"kernel": kernel}}, x)

            value, pull = jax.vjp(output, x, kernel)
            _, push = jax.jvp(output, (x, kernel), (-x, kernel**2))
            return value, push, *pull(jnp.tanh(value))

        return run(x, kernel)

    results = derivatives(conv_general_dilated=depthwise)
    weight, bias = kernel.transpose(3, 2, 0, 1), np.zeros(4)
    expected = caffe.convolution(channels_first(x), weight, bias, stride=stride, pad=window // 2)
    np.testing.assert_allclose(channels_first(results[0]), expected, rtol=1e-5, atol=1e-5)
    for got, wanted in zip(results, derivatives(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_depthwise_convolution_keeps_its_features_alone():
    """What the forward pass leaves to the backward one are features and kernel, and no slices for 9 places."""
    x, kernel = features(2, 16, 16, 4), features(3, 3, 1, 4)
    layer = nn.Conv(4, (3, 3), padding=1, feature_group_count=4, use_bias=False, conv_general_dilated=depthwise)
    _, pull = jax.vjp(lambda x, kernel: layer.apply({"params": {"kernel": kernel}}, x), x, kernel)
    assert sum(leaf.size for leaf in jax.tree.leaves(pull)) <= x.size + kernel.size


def test_stochastic_depth():
    """In training some samples are left out whole, and the mean stays; else nothing happens."""
    x = features(4000, 1, 2, 3)
    layer = StochasticDepth(0.3)
    np.testing.assert_array_equal(layer.apply({}, x, train=False), x)
    output, other = (
        np.asarray(layer.apply({}, x, train=True, rngs={"dropout": jax.random.key(seed)})) for seed in range(2)
    )
    kept = output.any((1, 2, 3))
    np.testing.assert_allclose(output, np.where(kept[:, None, None, None], x / 0.7, 0), rtol=1e-5)
    assert abs(kept.mean() - 0.7) < 4 * np.sqrt(0.3 * 0.7 / len(x))
    assert (other.any((1, 2, 3)) != kept).any()


def test_exact_gelu():
    """x times the normal distribution's value at x, from Python's own error function."""
    x = np.linspace(-4, 4, 33, dtype=np.float32)
    expected = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x]
    np.testing.assert_allclose(exact_gelu(x.reshape(1, 33)), [expected], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gate, plain", [
    (nn.sigmoid, lambda z: 1 / (1 + np.exp(-z))),
    (nn.hard_sigmoid, lambda z: np.clip(z / 6 + 0.5, 0, 1)),
])  # fmt: skip
def test_squeeze_excitation(gate, plain):
    x, reduce, expand = features(2, 3, 5, 8), features(8, 4), features(4, 8, scale=4.0)
    biases = features(4), features(8)
    parts = zip(("reduce", "expand"), (reduce, expand), biases, strict=True)
    params = {name: {"kernel": kernel, "bias": bias} for name, kernel, bias in parts}
    output = SqueezeExcitation(4, jnp.tanh, gate).apply({"params": params}, x)
    gates = plain(np.tanh(x.mean((1, 2)) @ reduce + biases[0]) @ expand + biases[1])
    assert gates.min() < 0.1
    assert gates.max() > 0.9
    np.testing.assert_allclose(output, x * gates[:, None, None], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "channels, rounded", [(3, 8), (8, 8), (11, 16), (12, 16), (18, 24), (19, 24), (20, 24), (28.8, 32), (51.2, 48)]
)
def test_rounded_channels(channels, rounded):
    """To the nearest multiple of 8, where that is at least nine tenths: 16 would be too few for 18."""
    assert rounded_channels(channels) == rounded
