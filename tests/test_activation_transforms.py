"""jaxcam.cam under jit, vmap, pmap and grad, and how often it compiles the network."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam import Card, Params
from jaxcam.networks import Classifier, LinearHead
from jaxcam.params import make_network
from tests.reference.weights import random_variables

PHOTOS = np.random.default_rng(2).integers(0, 256, (4, 40, 56, 3), np.uint8)
LABELS = {"one": np.array([4, 0, 1, 2]), "two": np.array([[4, 0], [1, 2], [3, 3], [0, 1]]), "predicted": None}

# Each runs `function(images, labels)`, where labels may be None, over a batch of four in its own way.
WAYS = {
    "jit": jax.jit,
    "vmap": jax.vmap,
    "jit of vmap": lambda function: jax.jit(jax.vmap(function)),
    "vmap of jit": lambda function: jax.vmap(jax.jit(function)),
    "pmap of one": jax.pmap,
    "pmap of a batch": lambda function: over_devices(jax.pmap(function)),
    "pmap of jit": lambda function: over_devices(jax.pmap(jax.jit(function))),
}


def over_devices(function):
    """A batch spread over the four devices, and its maps gathered."""

    def run(images, labels):
        images, labels = jax.tree.map(lambda array: array.reshape(4, 1, *array.shape[1:]), (images, labels))
        maps = function(images, labels)
        assert len(maps.sharding.device_set) == 4
        return maps.reshape(4, *maps.shape[2:])

    return run


# Every way with two labels an image, and all forms of labels in one way; `make test-all` runs the others too.
CASES = [(way, labels) for way in WAYS for labels in LABELS]
QUICK = [case for case in CASES if case[0] == "vmap of jit" or case[1] == "two"]
MARKS = {case: pytest.mark.core if case in QUICK else pytest.mark.slow for case in CASES}


@pytest.mark.parametrize("way, labels", [pytest.param(*case, marks=MARKS[case]) for case in CASES])
def test_every_way_gives_the_same_maps(tiny_params, way, labels):
    expected = jaxcam.cam(tiny_params, PHOTOS, LABELS[labels])
    run = WAYS[way](lambda images, labels: jaxcam.cam(tiny_params, images, labels))
    maps = run(jnp.asarray(PHOTOS), jax.tree.map(jnp.asarray, LABELS[labels]))
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_params_are_an_argument_of_any_transform(tiny_params):
    """Two sets of weights at once: vmap over the leaves of params."""
    other = jax.tree.map(lambda leaf: 0.9 * leaf, tiny_params)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), tiny_params, other)
    maps = jax.jit(jax.vmap(lambda params: jaxcam.cam(params, PHOTOS, LABELS["two"])))(both)
    expected = np.stack([jaxcam.cam(params, PHOTOS, LABELS["two"]) for params in (tiny_params, other)])
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def smooth_params():
    """A network without kinks, whose finite differences are to be trusted."""
    card = Card(classes=("a", "b", "c"), image_size=(16, 16))
    network = make_network("resnet10", 3, width=4, stem="small", activation=nn.softplus)
    return Params(jax.device_put(random_variables(network, card)), network, card)


@pytest.mark.parametrize("subject", ["images", pytest.param("params", marks=pytest.mark.slow)])
def test_gradient_equals_finite_differences(smooth_params, subject):
    """Of a weighted sum of two maps, upsampled from a resized image, along random directions."""
    random = np.random.default_rng(3)
    images = jnp.asarray(random.uniform(0.2, 0.8, (2, 20, 24, 3)), jnp.float32)
    weights = jnp.asarray(random.normal(size=(2, 2, 20, 24)), jnp.float32)

    def score(params, images):
        return (weights * jaxcam.cam(params, images, np.array([[0, 2], [1, 1]]), upsample="bicubic")).sum()

    position = ("params", "images").index(subject)
    inputs = jax.device_get([smooth_params, images])  # for NumPy: JAX would compile for every shape of a leaf
    gradient = jax.device_get(jax.jit(jax.grad(score, argnums=position))(*inputs))
    score = jax.jit(score)
    for _ in range(3):
        direction = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), inputs[position])
        slope = sum(np.vdot(g, d) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
        step = 1e-3 if subject == "images" else 1e-4
        ends = []
        for sign in (1, -1):
            moved = jax.tree.map(lambda leaf, d: leaf + np.float32(sign * step) * d, inputs[position], direction)  # noqa: B023
            ends.append(float(score(*(moved if i == position else one for i, one in enumerate(inputs)))))
        assert abs((ends[0] - ends[1]) / (2 * step) - slope) <= 0.02 * abs(slope) + 0.02 * norm(gradient)


def norm(tree):
    return float(np.sqrt(sum(np.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree))))


class Counted(nn.Module):
    """A backbone that notes every trace of it."""

    traces: tuple = ()
    stages = ("only",)

    @nn.compact
    def __call__(self, x, since=None, upto="only", train=False):
        SEEN.append(x.shape)
        return nn.Conv(4, (3, 3), 4)(x)


SEEN: list[tuple[int, ...]] = []


def test_the_network_is_compiled_once_a_batch_size():
    """Not again for new weights, images, labels, photo sizes, map sizes or another card; nor by logits and features."""
    card = Card(classes=("a", "b", "c"), image_size=(16, 16))
    network = Classifier(Counted(), LinearHead(3))
    params = Params(random_variables(network, card), network, card)
    equal = Params(random_variables(network, card, seed=1), Classifier(Counted(), LinearHead(3)), replace(card))
    SEEN.clear()
    jaxcam.cam(params, PHOTOS, LABELS["predicted"])
    assert SEEN == [(4, 16, 16, 3)]
    for other in (equal, params.replace(card=replace(card, threshold=0.5, classes=("x", "y", "z")))):
        for images in (PHOTOS[::-1], PHOTOS / 255, PHOTOS[:, :33, :21], jnp.zeros((4, 10, 10, 3))):
            jaxcam.cam(other, images, np.array([0, 1, 2, 2]), size=(5, 7), upsample="bicubic")
        jaxcam.cam(other, PHOTOS, np.array([[0, 1]] * 4), size="cells")
        jaxcam.cam(other, PHOTOS)
        jaxcam.logits(other, PHOTOS)
        jaxcam.features(other, PHOTOS)
    assert SEEN == [(4, 16, 16, 3)]
    jaxcam.cam(params, PHOTOS[:2])
    jaxcam.cam(params, PHOTOS[2:])
    jaxcam.cam(params, PHOTOS[:1])
    jaxcam.cam(params, PHOTOS[0])
    assert SEEN == [(4, 16, 16, 3), (2, 16, 16, 3), (1, 16, 16, 3)]


def test_wrong_options_do_not_run_the_network():
    card = Card(classes=("a", "b", "c"), image_size=(16, 16))
    network = Classifier(Counted(), LinearHead(3))
    params = Params(random_variables(network, card), network, card)
    SEEN.clear()
    for options in ({"size": "large"}, {"upsample": "nearest"}, {"labels": 3}):
        with pytest.raises(ValueError, match=next(iter(options))):
            jaxcam.cam(params, PHOTOS[:3, :9], **options)
    assert SEEN == []


def test_a_users_jit_is_traced_once(tiny_params):
    """New weights and labels, as arguments of one compiled function, need no second trace."""
    traced = []

    @jax.jit
    def run(params, images, labels):
        traced.append(images.shape)
        return jaxcam.cam(params, images, labels, size="cells")

    other = jax.tree.map(lambda leaf: 2 * leaf, tiny_params)
    first = run(tiny_params, PHOTOS, LABELS["one"])
    again = run(other.replace(network=make_network("resnet10", 5, width=8, stem="small")), PHOTOS, LABELS["one"][::-1])
    assert len(traced) == 1
    assert not np.allclose(first, again)
