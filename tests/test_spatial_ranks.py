"""Signals, volumes, one channel and many: every map has the features' spatial rank, through the same functions."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam import Card, Preprocessing
from jaxcam.methods.table import METHODS

pytestmark = pytest.mark.slow

SIZES = {1: (8,), 3: (4, 8, 6)}
LABELS = np.array([[2, 0], [1, 1]])

# What makes a method quick, and windows of a side for each axis.
OPTIONS = {
    "integrated_gradients": {"steps": 3},
    "occlusion": {"window": (8,), "stride": (4,)},
    "rise": {"num_masks": 4, "visible": 1.0},  # masks that hide nothing: their grid has more cells in a volume
    "smooth_grad": {"num_samples": 2},
    "smooth_grad_cam_plus_plus": {"num_samples": 2},
    "is_cam": {"num_samples": 2},
    "ss_cam": {"num_samples": 2},
}
IN_VOLUMES = {"occlusion": {"window": (1, 8, 1), "stride": (1, 4, 1)}}

# One of each kind that the plain reference below lacks; the others are slow in sum.
QUICK = ("eigen_cam", "fem", "grad_cam_plus_plus", "score_cam", "ablation_cam", "input_x_gradient")

# Not for models made from functions: those with an activation to replace, or with attention.
CLASSIFIERS_ONLY = ("guided_backprop", "guided_grad_cam", "attention_rollout")


def features(weights, pixels):
    """relu(x A) at every other pixel of every axis."""
    every_other = (slice(None), *(slice(None, None, 2),) * (pixels.ndim - 2))
    return jax.nn.relu(pixels[every_other] @ weights["in"])


def squares(weights, features):
    """Class scores whose gradients differ between cells."""
    return (features**2).mean(tuple(range(1, features.ndim - 1))) @ weights["out"]


def kernel(weights):
    return weights["out"]


def made(size, channels):
    random = np.random.default_rng(channels)
    weights = {"in": random.normal(size=(channels, 5)), "out": random.normal(size=(5, 3))}
    card = Card(tuple("abc"), image_size=size, channels=channels, preprocessing=Preprocessing(mean=(0.1,), std=(0.5,)))
    weights = {name: values.astype(np.float32) for name, values in weights.items()}
    return jaxcam.from_functions(features, squares, kernel, variables=weights, card=card)


def plain(weights, image, label):
    """Maps on cells by name, and the saliency of the image's pixels, in float64."""
    every_other = (slice(None, None, 2),) * (image.ndim - 1)
    into, out = weights["in"].astype(np.float64), weights["out"][:, label].astype(np.float64)
    cells = np.maximum((image[every_other] - 0.1) / 0.5 @ into, 0)
    space = tuple(range(cells.ndim - 1))
    gradients = 2 * cells * out / cells[..., 0].size
    products = gradients * cells
    saliency = np.zeros(image.shape[:-1])
    saliency[every_other] = np.abs(gradients @ into.T / 0.5).max(axis=-1)
    return {
        "cam": cells @ out,
        "grad_cam": np.maximum(cells @ gradients.mean(space), 0),
        "xgrad_cam": np.maximum(cells @ (products.sum(space) / np.maximum(cells.sum(space), 1e-30)), 0),
        "layer_cam": np.maximum(products, 0).sum(axis=-1),
        "hires_cam": products.sum(axis=-1),
        "grad_cam_elementwise": np.maximum(products, 0).sum(axis=-1),
        "saliency": saliency,
    }


def stretched(values, size):
    """Linear interpolation along every axis, between the middles of cells."""
    for axis, length in enumerate(size):
        wanted, given = ((np.arange(n) + 0.5) / n for n in (length, values.shape[axis]))
        values = np.apply_along_axis(lambda line: np.interp(wanted, given, line), axis, values)  # noqa: B023
    return values


@pytest.mark.parametrize("rank, channels", [(1, 7), pytest.param(3, 1, marks=pytest.mark.slow)])
def test_equals_plain_numpy(rank, channels):
    params = made(SIZES[rank], channels)
    images = np.random.default_rng(0).random((2, *SIZES[rank], channels), np.float32)
    expected = [[plain(params.variables, images[index], label) for label in LABELS[index]] for index in range(2)]
    for name in expected[0][0]:
        maps = [[one[name] for one in row] for row in expected]
        found = METHODS[name](params, images, LABELS, size="cells")
        np.testing.assert_allclose(found, maps, rtol=1e-4, atol=1e-6, err_msg=name)
    wider = tuple(length + 3 for length in SIZES[rank])
    found = jaxcam.cam(params, images[0], 1, size=wider)
    np.testing.assert_allclose(found, stretched(plain(params.variables, images[0], 1)["cam"], wider), rtol=1e-4)
    scaled = jaxcam.normalize(abs(found), rank=rank)
    np.testing.assert_allclose(scaled, abs(found) / abs(found).max(), rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name in METHODS
        if name not in CLASSIFIERS_ONLY
    ],
)
def test_a_signal_is_a_thin_volume(name):
    signals, options = made((64,), 2), OPTIONS.get(name, {})
    volumes = signals.replace(card=replace(signals.card, image_size=(1, 64, 1)))
    images, cells = np.random.default_rng(0).random((2, 64, 2), np.float32), 64 if METHODS[name].on_pixels else 32
    maps = METHODS[name](signals, images, LABELS, size="cells", **options)
    assert maps.shape == (2, 2, cells)
    assert float(jnp.abs(maps).max()) > 0
    expected = METHODS[name](volumes, images[:, None, :, None], LABELS, size="cells", **IN_VOLUMES.get(name, options))
    np.testing.assert_allclose(maps, expected[:, :, 0, :, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CLASSIFIERS_ONLY)
def test_methods_that_functions_do_not_fit(name):
    with pytest.raises(ValueError, match=r"params: got a network made of Functions, which .*; use "):
        METHODS[name](made((8,), 2), np.zeros((8, 2), np.float32), 0)


def test_cam_from_features_and_normalize_by_rank():
    random = np.random.default_rng(0)
    cells, weights = random.normal(size=(2, 3, 4, 5, 6)), random.normal(size=(6, 3))
    volumes = jaxcam.cam_from_features(cells, weights, [2, 1], rank=3)
    np.testing.assert_allclose(volumes, [cells[0] @ weights[:, 2], cells[1] @ weights[:, 1]], rtol=1e-4, atol=1e-5)
    signal = jaxcam.cam_from_features(cells[0, 0, 0], weights, 0, rank=1, size=(10,))
    np.testing.assert_allclose(signal, stretched(cells[0, 0, 0] @ weights[:, 0], (10,)), rtol=1e-4, atol=1e-5)
    scaled = jaxcam.normalize(np.array([[1.0, 4.0], [-1.0, -2.0]], np.float32), rank=1)
    np.testing.assert_array_equal(scaled, [[0.25, 1], [0, 0]])


def flat(weights, pixels):
    """Tokens, without a word about their grid."""
    return pixels.reshape(pixels.shape[0], -1, pixels.shape[-1]) @ weights["in"]


def test_mistakes():
    signals = made((8,), 2)
    with pytest.raises(ValueError, match=r"images: got shape \(1, 8, 8, 2\); give \(b, n, 2\) or one \(n, 2\)"):
        jaxcam.cam(signals, np.zeros((1, 8, 8, 2), np.float32))
    with pytest.raises(ValueError, match=r"size: got \(4, 4\); give 1 lengths"):
        jaxcam.grad_cam(signals, np.zeros((1, 8, 2), np.float32), size=(4, 4))
    with pytest.raises(ValueError, match="params: its images have 1 axes of space, and boxes are of pictures"):
        jaxcam.explain(signals, np.zeros((1, 8, 2), np.float32))
    card = replace(signals.card, image_size=(4, 4))
    tokens = jaxcam.from_functions(flat, squares, kernel, variables=signals.variables, card=card)
    for method in (jaxcam.cam, jaxcam.hires_cam):
        with pytest.raises(ValueError, match=r"size: got \(4, 4\) for features with 1 axes .* token_grid"):
            method(tokens, np.zeros((1, 4, 4, 2), np.float32))
    pooled = jaxcam.from_functions(
        lambda weights, pixels: squares(weights, features(weights, pixels)),
        lambda weights, scores: scores,
        kernel,
        variables=signals.variables,
        card=card,
    )
    for method in (jaxcam.cam, jaxcam.layer_cam):
        with pytest.raises(ValueError, match=r"features: got \(3,\), which has no cells"):
            method(pooled, np.zeros((1, 4, 4, 2), np.float32), size="cells")
    with pytest.raises(ValueError, match=r"give \(b, n, n, n, k\) or \(n, n, n, k\)"):
        jaxcam.cam_from_features(np.zeros((2, 3, 4), np.float32), np.zeros((4, 2), np.float32), 0, rank=3)
    with pytest.raises(ValueError, match=r"maps: got shape \(2, 2\) for rank 3; give \(..., n, n, n\)"):
        jaxcam.normalize(jnp.zeros((2, 2)), rank=3)
