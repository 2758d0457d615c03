"""jaxcam.full_grad against NumPy, and its parts, which add up to the scores of every kind of network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.card import Card
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.cut import cut_at
from jaxcam.methods.full_gradient import full_gradients
from jaxcam.params import Params, make_network
from tests.hand_network import hand_params
from tests.layered_network import gradients_of, images_of, layered_params, outputs_of, pixels_of, stages_of
from tests.reference.resizing import resize
from tests.reference.weights import random_variables

IMAGES = images_of()
LABELS = np.array([2, 0, 3])
WEIGHTS = np.eye(4)[LABELS]
SMALL = {"patch": 4, "grid": (2, 3), "depth": 1, "width": 6, "heads": 2, "hidden": 8}


def parts_by_hand(params):
    """Of relu(x W + b), the bias is b where relu is active; the stage "two" is given every second cell."""
    pixels = pixels_of(IMAGES)
    inside = outputs_of(params, pixels)[:2]
    gradients = gradients_of(params, pixels, WEIGHTS)
    biases = [params.variables["params"]["backbone"][name]["bias"] for name in ("one", "two")]
    stages = [(x > 0) * bias * one for x, bias, one in zip(inside, biases, gradients[1:], strict=True)]
    return pixels * gradients[0], stages, gradients[2]


@jax.jit
def parts_of(params, pixels, labels):
    cut = cut_at(params, pixels)
    return full_gradients(cut, class_weights(labels, cut.logits.shape[1])), cut.logits


def check(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_parts_equal_numpy():
    params = layered_params()
    found, _ = parts_of(params, jnp.asarray(pixels_of(IMAGES), jnp.float32), LABELS)
    products, stages, at_two = parts_by_hand(params)
    for part, expected in zip((found.pixels, *found.stages), (products, *stages), strict=True):
        check(part[:, 0], expected)
    scores = (outputs_of(params, pixels_of(IMAGES))[-1] * WEIGHTS).sum(-1)
    check(found.rest[:, 0], scores - (stages_of(params, pixels_of(IMAGES))[1] * at_two).sum((1, 2, 3)))


def test_map_equals_numpy():
    """Each part without signs, from 0 to 1 over its channels and cells, resized, summed."""
    params = layered_params()
    products, stages, _ = parts_by_hand(params)
    expected = np.zeros(IMAGES.shape[:3])
    for part in (products, *stages):
        for index, one in enumerate(np.abs(part)):
            scaled = (one - one.min()) / (one.max() - one.min())
            rows = resize(scaled, IMAGES.shape[1], "bilinear")
            expected[index] += resize(rows.swapaxes(0, 1), IMAGES.shape[2], "bilinear").swapaxes(0, 1).sum(-1)
    check(jaxcam.full_grad(params, IMAGES, LABELS), expected)


def transformer(name):
    network, card = make_network(name, 4, **SMALL), Card(tuple("abcd"), image_size=(8, 12))
    return Params(random_variables(network, card), network, card)


NETWORKS = {
    "smooth": lambda: layered_params(nn.tanh),
    "probabilities": lambda: jaxcam.with_probabilities(layered_params()),
    "class token": lambda: transformer("vit_b_16"),
    "tokens": lambda: transformer("vit_b_16_gap"),
    "functions of a signal": lambda: hand_params((7,), floor=0.5),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "tokens" else []) for name in NETWORKS]
)
def test_parts_add_up_to_the_scores(name):
    """With two labels an image; of every kind of nonlinearity, with tokens that are no cells, and of another rank."""
    params = NETWORKS[name]()
    pixels = np.random.default_rng(3).normal(size=(2, *params.card.image_size, 3)).astype(np.float32)
    labels = np.array([[2, 0], [1, 3]])
    found, logits = parts_of(params, pixels, labels)
    total = found.rest + sum(part.sum(tuple(range(2, part.ndim))) for part in (found.pixels, *found.stages))
    check(total, np.take_along_axis(np.asarray(logits), labels, axis=1))
    places = [part for part in found.stages if part.ndim == pixels.ndim + 1]
    assert len(places) == len(found.stages) - 2 * (name == "probabilities")  # whose head's stages have none
    assert np.abs(found.stages[0]).max() > 0


@pytest.mark.slow
def test_parts_of_a_residual_network_add_up(tiny_params):
    pixels = np.random.default_rng(3).normal(size=(2, 32, 32, 3)).astype(np.float32)
    found, logits = parts_of(tiny_params, pixels, np.array([[4], [1]]))
    total = found.rest + sum(part.sum((2, 3, 4)) for part in (found.pixels, *found.stages))
    check(total[:, 0], logits[np.arange(2), [4, 1]])
