"""What all map methods of the table have in common, and the frame that makes them so."""

import inspect
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.card import Card
from jaxcam.methods.map_method import MapMethod, map_method
from jaxcam.methods.table import METHODS
from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import FullyConnectedHead, LinearHead
from jaxcam.params import Params, make_network
from tests.layered_network import layered_params
from tests.reference.weights import random_variables

CARD = Card(tuple("abcde"), image_size=(8, 8))
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 10, 9, 3), np.uint8)
LABELS = np.array([[4, 0], [1, 2], [3, 3]])
SHARED = ("stage", "size", "upsample", "image_size")
AGNOSTIC = {"eigen_cam", "kpca_cam", "fem", "attention_rollout"}
# Options that keep a method cheap.
CHEAP = {
    "smooth_grad_cam_plus_plus": {"num_samples": 2},
    "ss_cam": {"num_samples": 2, "chunk": 4},
    "is_cam": {"num_samples": 2, "chunk": 4},
    "rise": {"num_masks": 5, "cells": 2, "chunk": 2},
    "occlusion": {"window": 4, "stride": 2, "chunk": 4},
    "smooth_grad": {"num_samples": 2},
    "integrated_gradients": {"steps": 2},
}
# One of each kind; the others share most of their code with it.
QUICK = {"cam", "eigen_cam", "grad_cam", "xgrad_cam", "full_grad", "score_cam", "saliency", "attention_rollout"}
CASES = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in METHODS]
SEEN: list[tuple[int, ...]] = []


class TwoStages(Backbone):
    """2x2 pixels to a cell of four channels, then of five. It notes each trace of it."""

    activation: Callable = nn.softplus
    stages = ("early", "late")

    def run(self, name, x, train):
        SEEN.append(x.shape)
        if name == "early":
            return self.activation(nn.Conv(4, (2, 2), (2, 2), name="early")(x))
        return self.activation(nn.Conv(5, (3, 3), name="late")(x))


def params_of(network):
    return Params(jax.device_put(random_variables(network, CARD)), network, CARD)


@pytest.fixture(scope="module")
def small():
    return params_of(Classifier(TwoStages(), LinearHead(5)))


@pytest.fixture(scope="module")
def transformer():
    return params_of(make_network("vit_b_16", 5, patch=4, grid=(2, 2), depth=1, width=6, heads=2, hidden=5))


@pytest.fixture
def call(request):
    """A method of the table, with its cheap options, on a network that it can be used on."""

    def run(name, images, labels, **options):
        params = request.getfixturevalue("transformer" if name == "attention_rollout" else "small")
        return METHODS[name](params, images, labels, size="cells", **CHEAP.get(name, {}), **options)

    return run


def check(maps, expected):
    assert maps.dtype == jnp.float32
    np.testing.assert_allclose(maps, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", METHODS)
def test_one_signature_and_a_docstring_with_a_source(name):
    method = METHODS[name]
    assert getattr(jaxcam, name) is method
    assert isinstance(method, MapMethod)
    assert method.__name__ == name
    parameters = inspect.signature(method).parameters
    first, options = list(parameters)[:3], list(parameters)[3:]
    assert first == ["params", "images", "labels"]
    assert parameters["labels"].default is None
    assert all(parameters[option].kind is inspect.Parameter.KEYWORD_ONLY for option in options)
    shared = SHARED if method.takes_stage else SHARED[1:]
    assert options[: len(shared)] == list(shared)
    own = list(inspect.signature(method.core).parameters)
    assert own == ["cut", "targets", *options[len(shared) :]]
    text = inspect.getdoc(method)
    assert re.search(r"^Args:\n.*^Returns:\n.*^Raises:\n.*^Source: .*^>>> ", text, re.MULTILINE | re.DOTALL)
    described = text.partition("Args:")[2].partition("Returns:")[0]
    assert re.findall(r"^    (\w+): ", described, re.MULTILINE) == [*first, *options]


@pytest.mark.parametrize("name", CASES)
def test_every_way_gives_the_same_maps(name, call):
    """Rows of labels, and one image with one label under jit and vmap; another order of the batch."""
    expected = call(name, IMAGES, LABELS)
    assert expected.shape[:2] == LABELS.shape
    assert np.abs(expected).max() > 0
    alone = jax.jit(jax.vmap(lambda image, label: call(name, image, label)))
    for column in range(2):
        check(alone(IMAGES, LABELS[:, column]), expected[:, column])
    check(call(name, IMAGES[::-1], LABELS[::-1])[::-1], expected)


@pytest.mark.parametrize("name", CASES)
def test_unseen_labels_out_of_range_are_nan(name, call):
    """Only theirs, and not where the method looks at no label."""
    labels = jnp.array([[0, 5], [-1, 4], [1, 2]])
    maps = np.asarray(call(name, IMAGES, labels))
    wrong = ((labels < 0) | (labels > 4)) & (name not in AGNOSTIC)
    np.testing.assert_array_equal(np.isnan(maps).any((2, 3)), wrong)
    assert np.isnan(maps[wrong]).all()


def test_docstring_and_signature_are_completed():
    """Also where a method has no options of its own."""

    @map_method()
    def brightest(cut, targets, *, channel: int = 0):
        """The first line.

        M = A.

        Args:
            channel: which.

        Source: no paper.
        """

    @map_method(on_pixels=True, takes_stage=False)
    def darkest(cut, targets):
        """The first line.

        Args:

        Source: no paper.
        """

    assert list(inspect.signature(brightest).parameters)[3:] == [*SHARED, "channel"]
    assert list(inspect.signature(darkest).parameters)[3:] == list(SHARED[1:])
    assert inspect.signature(brightest).parameters["channel"].default == 0
    assert (brightest.takes_stage, brightest.on_pixels) == (True, False)
    assert (darkest.takes_stage, darkest.on_pixels) == (False, True)
    for method, words in ((brightest, '"cells" for no upsampling'), (darkest, "that of the network's input")):
        parts = re.split(r"^(?=Args:|Returns:|Raises:|Source:)", method.__doc__, flags=re.MULTILINE)
        assert [part.split(":")[0] for part in parts[1:]] == ["Args", "Returns", "Raises", "Source"]
        assert parts[0].startswith("The first line.\n\n")
        assert words in parts[1]
        assert ("    stage: " in parts[1], "    channel: which.\n" in parts[1]) == (method.takes_stage,) * 2
        assert not any("\n\n\n" in part for part in parts)


@pytest.mark.parametrize("name, options, message", [
    ("grad_cam", {"sigma": 1.0}, "grad_cam: got sigma; its options are stage, size, upsample, image_size, relu"),
    ("saliency", {"stage": "early"}, "saliency: got stage; its options are size, upsample"),
])  # fmt: skip
def test_option_that_a_method_does_not_have(small, name, options, message):
    with pytest.raises(TypeError, match=message):
        METHODS[name](small, IMAGES, **options)


def test_wrong_stages(small):
    with pytest.raises(ValueError, match="stage: got 'middle'; this network has early, late"):
        jaxcam.grad_cam(small, IMAGES, stage="middle")
    connected = params_of(Classifier(TwoStages(), FullyConnectedHead(5, grid=(4, 4), width=8)))
    with pytest.raises(ValueError, match=r"stage: fc6 gives \(8,\), which has no cells; take"):
        jaxcam.eigen_cam(connected, IMAGES, stage="fc6")
    assert jaxcam.grad_cam(connected, IMAGES, size="cells").shape == (3, 4, 4)


def test_the_network_is_compiled_once_a_batch_size(small):
    """Not again for new weights, images, labels, photo sizes, map sizes or traced options."""
    SEEN.clear()
    options = {"num_samples": 2, "std": 0.25}
    jaxcam.smooth_grad_cam_plus_plus(small, IMAGES, LABELS, key=jax.random.key(0), **options)
    assert (3, 8, 8, 3) in SEEN
    SEEN.clear()
    other = jax.tree.map(lambda leaf: leaf + 1, small)
    for images, labels, key in (
        (IMAGES[::-1], LABELS[::-1], 0),
        (IMAGES / 255, LABELS + 0, 1),
        (IMAGES[:, :7], LABELS, 2),
    ):
        jaxcam.smooth_grad_cam_plus_plus(
            other, images, labels, key=jax.random.key(key), size=(5, 6), upsample="bicubic", **options
        )
    assert SEEN == []


@pytest.mark.parametrize("options", [{"size": "large"}, {"upsample": "nearest"}, {"image_size": (3,)}])
def test_mistakes_do_not_run_the_network(options):
    params = params_of(Classifier(TwoStages(), LinearHead(5, dropout=0.25)))
    SEEN.clear()
    with pytest.raises(ValueError, match=next(iter(options))):
        jaxcam.grad_cam(params, IMAGES, LABELS, **options)
    assert SEEN == []


@pytest.mark.skipif(jax.__version_info__ < (0, 12), reason="older XLA drops barriers before it orders a program")
def test_memory_of_integrated_gradients_does_not_grow_with_the_steps():
    params = layered_params()

    def peak(steps):
        run = jax.jit(lambda images: jaxcam.integrated_gradients(params, images, np.array([2]), steps=steps))
        return run.lower(np.zeros((1, *params.card.image_size, 3))).compile().memory_analysis().temp_size_in_bytes

    assert peak(12) < 1.3 * peak(3)
