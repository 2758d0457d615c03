"""Map methods at the pixels against NumPy: products with the image, averages, guided gradients, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.forward import preprocess
from jaxcam.methods.cut import cut_at
from jaxcam.methods.guided import ACTIVATIONS, _guided_params, guided
from jaxcam.networks import NETWORKS, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.params import Params, make_network
from tests.hand_network import hand_params
from tests.layered_network import (
    BLUE_FIRST,
    CARD,
    CLASSES,
    gradients_of,
    images_of,
    layered_params,
    outputs_of,
    pixels_of,
    stages_of,
)
from tests.reference.resizing import resize

pytestmark = pytest.mark.slow

IMAGES = images_of()
LABELS = np.array([2, 0, 3])
WEIGHTS = np.eye(len(CLASSES))[LABELS]
REDUCED = {
    "sum": lambda values: values.sum(-1),
    "absolute": lambda values: np.abs(values).sum(-1),
    "max": lambda values: np.abs(values).max(-1),
}
SCALE = 255 / np.array(BLUE_FIRST.std)


@pytest.fixture(scope="module")
def params():
    return layered_params()


def check(maps, expected, tolerance=1e-5):
    np.testing.assert_allclose(maps, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("channels", REDUCED)
def test_input_x_gradient(params, channels):
    slopes = SCALE * gradients_of(params, pixels_of(IMAGES), WEIGHTS)[0]
    expected = REDUCED[channels](IMAGES[..., ::-1] * slopes)
    check(jaxcam.input_x_gradient(params, IMAGES, LABELS, channels=channels), expected)


def test_smooth_grad(params):
    """With the same noise, on colours in the network's order."""
    key, std = jax.random.key(5), 0.25
    noise = [jax.random.normal(one, IMAGES.shape[1:]) for one in jax.random.split(key, 3)]
    moved = [pixels_of(IMAGES) + std * SCALE * np.asarray(one) for one in noise]
    expected = SCALE * np.mean([gradients_of(params, pixels, WEIGHTS)[0] for pixels in moved], axis=0)
    maps = jaxcam.smooth_grad(params, IMAGES, LABELS, key=key, num_samples=3, std=std)
    check(maps, REDUCED["absolute"](expected))


@pytest.mark.parametrize("baseline", [0.75, images_of(seed=2)[0]], ids=["grey", "image"])
def test_integrated_gradients(params, baseline):
    """By three points of the way, those of Gauss."""
    pixels, start = pixels_of(IMAGES), pixels_of(np.broadcast_to(baseline, IMAGES.shape))
    ways = {0.5 - 0.15**0.5: 5 / 18, 0.5: 8 / 18, 0.5 + 0.15**0.5: 5 / 18}
    slopes = [share * gradients_of(params, start + way * (pixels - start), WEIGHTS)[0] for way, share in ways.items()]
    maps = jaxcam.integrated_gradients(params, IMAGES, LABELS, baseline=baseline, steps=3)
    check(maps, ((pixels - start) * sum(slopes)).sum(-1))


def test_integrated_gradients_are_complete():
    """They add up to the change of the score, for each of an image's labels; by a baseline of another size."""
    params = layered_params(nn.tanh)
    baseline = np.full((20, 30, 3), 51, np.uint8)
    before, after = (outputs_of(params, pixels_of(images))[-1] for images in (np.full(IMAGES.shape, 0.2), IMAGES))
    rows = np.array([[2, 0], [0, 1], [3, 3]])
    maps = jaxcam.integrated_gradients(params, IMAGES, rows, baseline=baseline, steps=12)
    check(maps.sum((2, 3)), np.take_along_axis(after - before, rows, axis=1), 1e-4)


def test_baselines_of_every_kind(params):
    """A uint8 image as one of floats, under jit and float64 too; numbers of every kind."""
    pixels = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)

    def maps_from(baseline):
        return jaxcam.integrated_gradients(params, IMAGES, LABELS, baseline=baseline, steps=2)

    expected = maps_from((pixels / 255).astype(np.float32))
    for one in (pixels, jnp.asarray(pixels), pixels / 255):
        check(maps_from(one), expected)
    check(jax.jit(maps_from)(pixels), expected)
    expected = maps_from(np.full((6, 8, 3), 0.25, np.float32))
    for number in (0.25, np.array(0.25), jnp.float32(0.25)):
        check(maps_from(number), expected)


def test_accelerators_loop(params, monkeypatch):
    """Which CPUs do not."""

    def averaged(images):
        cut = cut_at(params, preprocess(params, images), to_pixels=True)
        return jaxcam.integrated_gradients.core(cut, jnp.asarray(WEIGHTS[:, None], jnp.float32), steps=3)

    expected = jaxcam.integrated_gradients(params, IMAGES, LABELS, steps=3)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *arguments, cpu, default: default(*arguments))
    compiled = jax.jit(averaged).trace(IMAGES)
    assert str(compiled.jaxpr).count("= scan[") == 1
    check(compiled.lower().compile()(IMAGES)[:, 0], expected)


@pytest.mark.parametrize("activation", [nn.relu, nn.tanh], ids=lambda function: function.__name__)
def test_guided_backprop(activation):
    """Through the activations of the backbone and of the head."""
    params = layered_params(activation)
    expected = SCALE * gradients_of(params, pixels_of(IMAGES), WEIGHTS, guided=True)[0]
    check(jaxcam.guided_backprop(params, IMAGES, LABELS), REDUCED["max"](expected))
    assert np.abs(expected).max() > 0
    assert np.abs(expected - SCALE * gradients_of(params, pixels_of(IMAGES), WEIGHTS)[0]).max() > 1e-3


def test_guided_grad_cam(params):
    """At an earlier stage: its cells, weighed by mean gradients that are not guided, resized to the pixels."""
    pixels = pixels_of(IMAGES)
    cells = stages_of(params, pixels)[1]
    weights = gradients_of(params, pixels, WEIGHTS)[2].mean((1, 2), keepdims=True)
    places = np.maximum((cells * weights).sum(-1), 0)
    places = resize(resize(places.transpose(1, 0, 2), 6, "bilinear").transpose(2, 1, 0), 8, "bilinear")
    fine = SCALE * gradients_of(params, pixels, WEIGHTS, guided=True)[0]
    maps = jaxcam.guided_grad_cam(params, IMAGES, LABELS, stage="two", channels="sum")
    check(maps, places.transpose(1, 2, 0) * fine.sum(-1))


def test_other_objectives_are_guided(params):
    """The gradient of a probability is that of logits with weights, which is guided behind them."""
    pixels = pixels_of(IMAGES)
    logits = outputs_of(params, pixels)[-1]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights = (shares * WEIGHTS).sum(axis=1, keepdims=True) * (WEIGHTS - shares)
    expected = SCALE * gradients_of(params, pixels, weights, guided=True)[0]
    check(jaxcam.guided_backprop(jaxcam.with_probabilities(params), IMAGES, LABELS), REDUCED["max"](expected))


def test_guided_activations_are_made_once():
    """So a network with them equals itself, and is not traced again."""
    assert guided(nn.relu) is guided(nn.relu)
    assert _guided_params(layered_params()).network == _guided_params(layered_params()).network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_guided(name):
    """All fields that are activations are replaced, in backbones and in heads."""
    network = make_network(name, 5)
    changed = _guided_params(Params({}, network, CARD)).network
    for part in ("backbone", "head"):
        before, after = getattr(network, part), getattr(changed, part)
        for field in ACTIVATIONS:
            assert getattr(after, field, None) == (guided(getattr(before, field)) if hasattr(before, field) else None)
    assert changed.backbone != network.backbone


class Plain(nn.Module):
    """A backbone that has no field for an activation."""

    stages = ("only",)

    @nn.compact
    def __call__(self, x, since=None, upto=None, train=False):
        return nn.relu(x)


@pytest.mark.parametrize("method", [jaxcam.guided_backprop, jaxcam.guided_grad_cam], ids=lambda one: one.__name__)
def test_networks_that_cannot_be_guided(method):
    with pytest.raises(ValueError, match="made of Functions, which has no field `activation` to replace; use saliency"):
        method(hand_params((5, 4)), np.zeros((5, 4, 3)))
    variables = {"params": {"head": {"classifier": {"kernel": np.ones((3, 4)), "bias": np.ones(4)}}}}
    plain = Params(variables, Classifier(Plain(), LinearHead(4)), CARD)
    with pytest.raises(ValueError, match="made of Plain, which has no"):
        method(plain, IMAGES)


@pytest.mark.parametrize("method, options, message", [
    ("input_x_gradient", {"channels": "mean"}, "channels: got 'mean'; use one of sum, absolute, max"),
    ("smooth_grad", {"num_samples": 0}, "num_samples: got 0; give"),
    ("integrated_gradients", {"steps": 0}, "steps: got 0; give"),
    ("integrated_gradients", {"baseline": IMAGES}, r"baseline: got shape \(3, 6, 8, 3\); .* one image \(h, w, 3\)"),
    ("integrated_gradients", {"baseline": 255 * IMAGES[0]}, "baseline: got values from .*; give floats in"),
    ("integrated_gradients", {"baseline": -IMAGES[0]}, "baseline: got values from -"),
    ("integrated_gradients", {"baseline": np.zeros((6, 8, 3), np.int32)}, "baseline: got int32; give uint8 in 0..255"),
    ("integrated_gradients", {"baseline": jnp.zeros((6, 8, 3), jnp.int32)}, "baseline: got int32; give uint8"),
    ("integrated_gradients", {"baseline": IMAGES[0, ..., :2]}, r"baseline: got shape \(6, 8, 2\); .* one image"),
    ("integrated_gradients", {"baseline": 1.5}, "baseline: got 1.5; give a grey from 0 to 1, or an image"),
    ("integrated_gradients", {"baseline": np.array(1.5)}, "baseline: got 1.5; give a grey from 0 to 1, or an image"),
    ("guided_grad_cam", {"stage": "fc6"}, r"stage: fc6 gives \(7,\), which has no cells"),
])  # fmt: skip
def test_mistakes(params, method, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(jaxcam, method)(params, IMAGES, LABELS, **options)
