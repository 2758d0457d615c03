"""Attention rollout against NumPy, of vision transformers with and without class token, and of one's own weights."""

import math

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import Card, Preprocessing
from jaxcam.params import Params, make_network
from tests.layered_network import layered_params
from tests.reference import vit as plain
from tests.reference.weights import random_variables

SMALL = {"patch": 4, "grid": (2, 3), "depth": 2, "width": 12, "heads": 3, "hidden": 8}
CARD = Card(tuple("abcd"), image_size=(8, 12), preprocessing=Preprocessing(mean=(0.5,), std=(0.5,)))
IMAGES = np.random.default_rng(0).random((2, 8, 12, 3), np.float32)
FUSIONS = {"mean": np.mean, "max": np.max, "min": np.min}


def transformer(name):
    network = make_network(name, 4, **SMALL)
    return Params(random_variables(network, CARD), network, CARD)


def weights_of(tokens, parts, heads):
    """A block's attention (heads, n, n), given its input (n, k)."""
    joint = plain.dense(plain.norm(tokens, parts["norm1"]), parts["attention"]["qkv"])
    queries, keys, _ = np.split(joint, 3, axis=-1)
    pairs = zip(np.split(queries, heads, axis=-1), np.split(keys, heads, axis=-1), strict=True)
    return np.array([plain.softmax(q @ k.T / math.sqrt(q.shape[-1])) for q, k in pairs])


def attention_of(params, image):
    """(depth, heads, n, n)."""
    parts = params.variables["params"]["backbone"]
    inputs = plain.stages(image.astype(np.float64) * 2 - 1, parts, 4, 2, 3)
    return np.array([weights_of(tokens, parts[f"block{index}"], 3) for index, tokens in enumerate(inputs[:2])])


def rolled_out(attention, heads="mean", discard=0.0):
    """The product of all blocks, (n, n)."""
    product = np.eye(attention.shape[-1])
    for weights in attention:
        fused = FUSIONS[heads](weights, axis=0)
        order = np.argsort(fused, axis=None)[: int(discard * fused.size)]
        fused.reshape(-1)[order] = 0
        both = 0.5 * fused + 0.5 * np.eye(len(fused))
        product = both / both.sum(axis=1, keepdims=True) @ product
    return product


OPTIONS = [{}, {"heads": "max", "discard": 0.4}, {"heads": "min"}]


@pytest.mark.parametrize("name, options", [("vit_b_16_gap", OPTIONS[0]), ("vit_b_16", OPTIONS[1])])
def test_equals_numpy(name, options):
    """For every label, whatever scores are made of the network's own."""
    params = transformer(name)
    given = jaxcam.with_probabilities(params) if name.endswith("gap") else params
    maps = jaxcam.attention_rollout(given, IMAGES, np.array([[1, 2], [0, 3]]), size="cells", **options)
    assert maps.shape == (2, 2, 2, 3)
    for image, found in zip(IMAGES, maps, strict=True):
        product = rolled_out(attention_of(params, image), **options)
        expected = product.mean(0) if name.endswith("gap") else product[0, 1:]
        for one in found:  # of each label
            np.testing.assert_allclose(one, expected.reshape(2, 3), rtol=1e-4)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rollout_of_ones_own_weights(options):
    """NumPy's or JAX's; of one token, and of all."""
    attention = np.random.default_rng(1).dirichlet(np.ones(5), size=(2, 4, 3, 5))
    products = np.array([rolled_out(one, **options) for one in attention])
    found = jaxcam.rollout(attention, **options)
    np.testing.assert_allclose(found, products[:, 0], rtol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(jaxcam.rollout(attention, token=3, **options), products[:, 3], rtol=1e-5)
    everywhere = jax.jit(lambda attention: jaxcam.rollout(attention, token=None, **options))(attention)
    np.testing.assert_allclose(everywhere, products.mean(1), rtol=1e-5)


def test_other_networks_are_told_what_to_use():
    with pytest.raises(ValueError, match="made of Layers, which is none of jaxcam's vision transformers; use grad_cam"):
        jaxcam.attention_rollout(layered_params(), np.zeros((6, 8, 3)))
    functions = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    with pytest.raises(ValueError, match=r"made of Functions.*or jaxcam\.rollout with the attention of"):
        jaxcam.attention_rollout(functions, np.zeros((6, 8, 3)))


@pytest.mark.parametrize("shape, options, message", [
    ((2, 3, 4, 4), {}, r"attention: got shape \(2, 3, 4, 4\); give \(b, depth, heads, tokens, tokens\)"),
    ((2, 3, 1, 4, 5), {}, "attention: got shape"),
    ((2, 3, 1, 4, 4), {"heads": "sum"}, "heads: got 'sum'; use one of mean, max, min"),
    ((2, 3, 1, 4, 4), {"discard": 1.0}, "discard: got 1.0; give a share from 0 to below 1"),
    ((2, 3, 1, 4, 4), {"token": 4}, "token: got 4 among 4 tokens"),
])  # fmt: skip
def test_mistakes(shape, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.rollout(np.ones(shape), **options)
