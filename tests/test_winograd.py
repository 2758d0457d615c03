"""jaxcam.networks.winograd against NumPy in float64, and against XLA's convolution."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcam.networks import NETWORKS, winograd
from jaxcam.networks.windows import cells_by_place
from tests.reference import caffe

PLAIN = {"padding": [(1, 1), (1, 1)], "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
# Network -> its 3x3 convolutions of stride 1 between at least 48 channels on maps that tiles fit.
TILED = {"resnet18": 13, "vgg11_gap": 8, "googlenet_gap": 9, "nin": 2, "alexnet_torchvision": 3, "inception_v3": 10}


@pytest.fixture
def few_channels(monkeypatch):
    """Let layers be small."""
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 3)
    monkeypatch.setattr(winograd, "FEWEST_CELLS", 0)
    monkeypatch.setattr(winograd, "LARGEST_COVER", 2.0)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def convolution(**options):
    """A layer of four channels, and the same one by XLA's own convolution, as functions of features and kernel."""

    def function(**changes):
        layer = nn.Conv(4, (3, 3), use_bias=False, **{"padding": 1} | options, **changes)
        return lambda x, kernel: layer.apply({"params": {"kernel": kernel}}, x)

    return function(conv_general_dilated=winograd.convolve), function()


def by_xla(function, x, kernel, platform="cpu"):
    """Whether the program has a convolution by the whole kernel."""
    text = jax.jit(function).trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()
    kernels = re.findall(r"stablehlo.convolution.*: \(tensor<[^>]*>, tensor<(\d+x\d+)x", text)
    assert kernels
    return "3x3" in kernels


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("pads", [((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 1), (0, 3))])
@pytest.mark.parametrize("size", [(8, 12), (9, 11), (10, 17)])
def test_values_are_caffes(few_channels, size, pads, jit):
    x, kernel = drawn(2, *size, 5), drawn(3, 3, 5, 4, seed=1)
    function, _ = convolution(padding=pads)
    assert not by_xla(function, x, kernel)
    output = (jax.jit(function) if jit else function)(x, kernel)
    padded = np.pad(np.float64(x), ((0, 0), *pads, (0, 0)))
    expected = caffe.convolution(np.moveaxis(padded, -1, 1), np.float64(kernel.transpose(3, 2, 0, 1)), np.zeros(4))
    np.testing.assert_allclose(np.moveaxis(output, -1, 1), expected, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize("size", [(8, 10), (11, 9)])
def test_derivatives_are_those_of_xlas_convolution(few_channels, size):
    """Forward, backward, backward of the gradient, and over a further axis."""
    x, kernel = drawn(2, *size, 5), drawn(3, 3, 5, 4, seed=1)

    def derivatives(function):
        @jax.jit
        def run(x, kernel):
            value, pull = jax.vjp(function, x, kernel)
            _, push = jax.jvp(function, (x, kernel), (-x, kernel**2))
            steep = jax.grad(lambda x: (jax.grad(lambda x: (function(x, kernel) ** 3).mean())(x) ** 2).sum())
            return value, push, *pull(jnp.tanh(value)), steep(x), jax.vmap(function)(x[None], kernel[None])

        return run(x, kernel)

    ours, xlas = convolution()
    for got, wanted in zip(derivatives(ours), derivatives(xlas), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("channels", [48, 384])
def test_many_channels(channels):
    x, kernel = jnp.asarray(drawn(3, 14, 14, channels)), jnp.asarray(drawn(3, 3, channels, channels, seed=1))
    ours, xlas = (layer(x, kernel, (1, 1), **PLAIN) for layer in (winograd.convolve, jax.lax.conv_general_dilated))
    np.testing.assert_allclose(ours, xlas, atol=5e-6 * np.abs(xlas).max())


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"kernel_dilation": 2, "padding": 2},
        {"input_dilation": 2},
        {"feature_group_count": 2},
        {"precision": "highest"},
        {"padding": [(-5, -6), (1, 1)]},  # nothing is left
    ],
)
def test_other_convolutions_are_xlas(few_channels, options):
    x, kernel = drawn(1, 12, 12, 6), drawn(3, 3, 6 // options.get("feature_group_count", 1), 4, seed=1)
    ours, xlas = convolution(**options)
    assert by_xla(ours, x, kernel)
    np.testing.assert_array_equal(ours(x, kernel), xlas(x, kernel))


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((1, 28, 28, 47), jnp.float32),  # too few channels
        ((1, 11, 11, 48), jnp.float32),  # too few cells
        ((32, 5, 5, 48), jnp.float32),  # tiles over 8 rows for 5
        ((1, 132, 128, 48), jnp.float32),  # too many cells
        ((1, 28, 28, 48), jnp.bfloat16),
    ],
)
def test_what_would_be_slower_or_coarser_is_xlas(shape, dtype):
    x, kernel = jnp.zeros(shape, dtype), jnp.zeros((3, 3, shape[-1], 48), dtype)

    def run(x, kernel):
        return winograd.convolve(x, kernel, (1, 1), **PLAIN)

    assert by_xla(run, x, kernel)


@pytest.mark.parametrize("padding", ["SAME", "VALID", "CIRCULAR"])
def test_paddings_by_name(few_channels, padding):
    x, kernel = drawn(1, 8, 10, 5), drawn(3, 3, 5, 4, seed=1)
    ours, xlas = convolution(padding=padding)
    assert not by_xla(ours, x, kernel)
    expected = xlas(x, kernel)
    np.testing.assert_allclose(ours(x, kernel), expected, atol=3e-6 * np.abs(expected).max())


def test_signals_are_xlas(few_channels):
    """Windows of three cells over a signal, and none of 3x3."""
    x = jnp.asarray(drawn(2, 12, 3))
    layer = nn.Conv(4, (3,), conv_general_dilated=winograd.convolve)
    assert layer.init_with_output(jax.random.key(0), x)[0].shape == (2, 12, 4)


def test_no_image(few_channels):
    ours, _ = convolution()
    assert ours(jnp.zeros((0, 8, 8, 5)), jnp.zeros((3, 3, 5, 4))).shape == (0, 8, 8, 4)


def test_float64(few_channels):
    with jax.enable_x64(True):
        x, kernel = drawn(2, 8, 8, 5).astype(float), drawn(3, 3, 5, 4).astype(float)
        ours, xlas = convolution(param_dtype=jnp.float64)
        assert not by_xla(ours, x, kernel)
        np.testing.assert_allclose(ours(x, kernel), xlas(x, kernel), rtol=1e-12)


def test_one_program_serves_all_devices(few_channels):
    """Exported for any number of images, it runs here and lowers for the others."""
    ours, xlas = convolution()
    images = jax.export.symbolic_shape("b, 8, 8, 5")
    shapes = jax.ShapeDtypeStruct(images, jnp.float32), jax.ShapeDtypeStruct((3, 3, 5, 4), jnp.float32)
    exported = jax.export.export(jax.jit(ours), platforms=("cpu", "cuda", "tpu"))(*shapes)
    x, kernel = drawn(3, 8, 8, 5), drawn(3, 3, 5, 4, seed=1)
    np.testing.assert_allclose(exported.call(x, kernel), xlas(x, kernel), atol=1e-5)


@pytest.mark.parametrize("name", TILED)
def test_networks_use_it(name, monkeypatch):
    """As many convolutions are tiled as a network has of that kind, the GAP networks' added one too."""
    found = []
    tiled = winograd.tiled_convolution
    monkeypatch.setattr(winograd, "tiled_convolution", lambda *given: found.append(given) or tiled(*given))
    network, size = NETWORKS[name].build(10), NETWORKS[name].image_size
    jax.eval_shape(lambda key: network.init(key, jnp.zeros((16, size, size, 3)), train=False), jax.random.key(0))
    assert len(found) == TILED[name]


def test_other_devices_have_xlas(few_channels):
    x, kernel = drawn(1, 8, 8, 5), drawn(3, 3, 5, 4)
    function, _ = convolution()
    assert by_xla(function, x, kernel, platform="cuda")
    assert not by_xla(function, x, kernel)


def test_training_keeps_no_tiles(few_channels):
    """What the forward pass leaves to the backward one is little more than features and kernel."""
    x, kernel = drawn(2, 16, 16, 5), drawn(3, 3, 5, 4)
    function, _ = convolution()
    _, pull = jax.vjp(function, x, kernel)
    assert sum(leaf.size for leaf in jax.tree.leaves(pull)) < 1.1 * (x.size + kernel.size)


@pytest.mark.parametrize("start, count", [(-2, 3), (-7, 5), (0, 0), (1, 4), (4, 3), (9, 2), (-9, 2)])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cells_by_place(axis, stride, start, count):
    """Those of NumPy's indices into a copy with wide borders."""
    x, border = drawn(5, 6, 4), 40
    found = cells_by_place(x, axis, window=3, stride=stride, before=-start, count=count, fill=-2.5)
    wide = np.pad(x, border, constant_values=-2.5)
    own = [slice(border, border + cells) for cells in x.shape]
    for place, cells in enumerate(found):
        own[axis] = border + start + place + stride * np.arange(count)
        np.testing.assert_array_equal(cells, wide[np.ix_(*(np.r_[part] for part in own))])


@pytest.mark.skipif(jax.__version_info__ < (0, 12), reason="the XLA of jax 0.10 drops barriers on CPUs")
def test_features_are_not_made_again_for_the_kernels_gradient(few_channels):
    """In the compiled program what makes the features stands once, where XLA's own convolution has it twice."""
    ours, xlas = convolution(strides=2)

    def maxima(function):
        def loss(kernel, x):
            return (function(jnp.maximum(x, 0.5), kernel) ** 2).sum()

        compiled = jax.jit(jax.grad(loss)).lower(drawn(3, 3, 6, 4), drawn(2, 16, 16, 6)).compile()
        return compiled.as_text().count(" maximum(")

    assert (maxima(ours), maxima(xlas)) == (1, 2)
