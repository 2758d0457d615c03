"""jaxcam.params: init, Params as a PyTree, cards, and models made from functions."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam import Card, Params, Preprocessing
from jaxcam.networks import Classifier, LinearHead
from jaxcam.params import make_network, network_shapes

CLASSES = ("ant", "bee", "cat", "dog", "elk")
CARD = Card(classes=CLASSES, image_size=(32, 32))
KEY = jax.random.key(0, impl="rbg")  # compiles faster than the default


class Identity(nn.Module):
    """A backbone that gives back the image."""

    stages = ("image",)

    def __call__(self, x, since=None, upto="image", train=False):
        return x


ONE_LAYER = Classifier(Identity(), LinearHead(3))


@pytest.mark.core
def test_init():
    """Convolutions have variance 2 / fan-out, as torchvision's; BatchNorm starts as the identity."""
    params = jaxcam.init("resnet10", KEY, width=8, stem="small", card=CARD)
    backbone = params.variables["params"]["backbone"]
    kernel = backbone["layer4_0"]["conv2"]["kernel"]
    assert kernel.shape == (3, 3, 64, 64)
    assert math.isclose(float(kernel.var()), 2 / (9 * 64), rel_tol=0.05)
    np.testing.assert_array_equal(backbone["bn1"]["scale"], np.ones(8))
    np.testing.assert_array_equal(params.variables["batch_stats"]["backbone"]["bn1"]["var"], np.ones(8))
    assert {leaf.dtype for leaf in jax.tree.leaves(params.variables)} == {np.dtype(np.float32)}
    assert params.card is CARD
    assert params.network == make_network("resnet10", 5, width=8, stem="small")


def test_init_follows_the_key():
    one, same, other = (jaxcam.init(ONE_LAYER, jax.random.key(seed), num_classes=3) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    kernels = [params.variables["params"]["head"]["classifier"]["kernel"] for params in (one, other)]
    assert not np.array_equal(*kernels)


def test_init_names_the_classes():
    params = jaxcam.init(ONE_LAYER, KEY)
    assert params.card == Card(classes=("class 0", "class 1", "class 2"))
    assert params.variables["params"]["head"]["classifier"]["bias"].shape == (3,)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"network": "vgg", "num_classes": 3}, "network: got 'vgg'; known are .*resnet10, .*resnet50"),
        ({"network": "resnet10"}, "num_classes: got none; give num_classes=, or a card= that names the classes"),
        ({"network": "resnet10", "card": Card()}, "num_classes: got none; give num_classes=, or a card= that names"),
        ({"network": "resnet10", "num_classes": 0}, "num_classes: got 0 for a network of 0; give at least 1"),
        (
            {"network": "resnet10", "num_classes": 4, "card": CARD},
            "num_classes: the network has 4, the card names 5; make them",
        ),
        (
            {"network": make_network("resnet10", 4), "card": CARD},
            "num_classes: the network has 4, the card names 5; make them",
        ),
        (
            {"network": make_network("resnet10", 4), "num_classes": 5},
            "num_classes: got 5 for a network of 4; give at least 1",
        ),
        ({"network": make_network("resnet10", 4), "width": 8}, "options: got width with a network object"),
        ({"network": "resnet10", "num_classes": 4, "depth": 8}, "network resnet10: got options .*'depth': 8"),
    ],
)
def test_init_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.init(arguments.pop("network"), KEY, **arguments)


def test_params_are_a_tree(tiny_params):
    """Variables are leaves; network and card are static and compared by their fields."""
    assert len(jax.tree.leaves(tiny_params)) == len(jax.tree.leaves(tiny_params.variables))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, tiny_params)
    assert isinstance(doubled, Params)
    assert doubled.card is tiny_params.card
    bias = tiny_params.variables["params"]["head"]["classifier"]["bias"]
    np.testing.assert_array_equal(doubled.variables["params"]["head"]["classifier"]["bias"], 2 * bias)
    equal = tiny_params.replace(
        network=make_network("resnet10", 5, width=8, stem="small"), card=replace(tiny_params.card)
    )
    assert jax.tree.structure(equal) == jax.tree.structure(tiny_params)
    other = tiny_params.replace(card=replace(tiny_params.card, threshold=0.3))
    assert jax.tree.structure(other) != jax.tree.structure(tiny_params)
    assert tiny_params.card.threshold == 0.2


def test_cards_are_compared_in_full():
    changes = [
        {"classes": CLASSES[:4]},
        {"class_ids": ("n0", "n1", "n2", "n3", "n4")},
        {"image_size": (32, 33)},
        {"channels": 1},
        {"preprocessing": Preprocessing(antialias=False)},
        {"threshold": 0.3},
    ]
    cards = [CARD, *(replace(CARD, **change) for change in changes)]
    assert len(set(cards)) == len(cards)
    assert replace(CARD) == CARD
    assert hash(replace(CARD)) == hash(CARD)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"interpolation": "cubic"}, "interpolation: got 'cubic'; use one of bilinear, bicubic, catmull_rom"),
        ({"channel_order": "rgb"}, "channel_order: got 'rgb'; use RGB or BGR"),
    ],
)
def test_preprocessing_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": CLASSES, "class_ids": ("n0",)}, "class_ids: got 1 for 5 classes; give one a class"),
        ({"image_size": (0, 32)}, r"image_size: got \(0, 32\); give lengths of at least 1"),
        ({"image_size": ()}, r"image_size: got \(\); give lengths of at least 1"),
    ],
)
def test_card_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Card(**options)


def mean_features(weights, images):
    return images[:, ::4, ::4] * weights["scale"]


def linear_logits(weights, features):
    return features.mean((1, 2)) @ weights["kernel"] + 1


def linear_kernel(weights):
    return weights["kernel"]


WEIGHTS = {"scale": jnp.float32(2), "kernel": jnp.arange(6, dtype=jnp.float32).reshape(3, 2)}


def test_from_functions():
    card = Card(image_size=(8, 12), preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
    params = jaxcam.from_functions(mean_features, linear_logits, linear_kernel, variables=WEIGHTS, card=card)
    images = np.random.default_rng(0).random((2, 8, 12, 3)).astype(np.float32)
    features = 2 * images[:, ::4, ::4]
    np.testing.assert_allclose(jaxcam.features(params, images), features, rtol=1e-6)
    expected = features.mean((1, 2)) @ np.arange(6).reshape(3, 2) + 1
    np.testing.assert_allclose(jaxcam.logits(params, images), expected, rtol=1e-5)
    maps = jaxcam.cam(params, images, np.array([[0, 1], [1, 0]]), size="cells")
    np.testing.assert_allclose(maps.mean((2, 3)) + 1, np.stack([expected[0], expected[1][::-1]]), rtol=1e-5)
    equal = jaxcam.from_functions(mean_features, linear_logits, linear_kernel, variables=WEIGHTS, card=card)
    assert jax.tree.structure(equal) == jax.tree.structure(params)
    with pytest.raises(
        ValueError, match="stage: got 'layer1'; a network made from functions has its last features only"
    ):
        jaxcam.features(params, images, stage="layer1")


def test_from_functions_without_kernel():
    params = jaxcam.from_functions(mean_features, linear_logits, variables=WEIGHTS, card=Card(image_size=(8, 8)))
    assert jaxcam.logits(params, np.zeros((1, 8, 8, 3), np.uint8)).shape == (1, 2)
    with pytest.raises(ValueError, match=r"this network has no linear layer .*grad_cam"):
        jaxcam.cam(params, np.zeros((1, 8, 8, 3), np.uint8))


def test_from_functions_of_signals_and_volumes():
    """The spatial rank is that of the card's image size."""
    for rank in (1, 3):
        card = Card(image_size=(8,) * rank, channels=1, preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
        params = jaxcam.from_functions(
            lambda w, images: images,
            lambda w, features: features.mean(tuple(range(1, features.ndim - 1))) @ w,
            lambda w: w,
            variables=jnp.ones((1, 2)),
            card=card,
        )
        images = np.random.default_rng(rank).random((2, *(8,) * rank, 1)).astype(np.float32)
        np.testing.assert_allclose(jaxcam.cam(params, images, np.array([0, 1])), images[..., 0], rtol=1e-6)
        np.testing.assert_allclose(jaxcam.cam(params, images[0], 1), images[0, ..., 0], rtol=1e-6)
        wider = jaxcam.cam(params, images, size=(16,) * rank)
        assert wider.shape == (2, *(16,) * rank)
        np.testing.assert_allclose(wider.mean(), images.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    "name, options",
    [
        ("vit_b_16", {"heads": 0}),
        ("resnet50", {"width_per_group": 0}),
        ("resnet50", {"groups": 0}),
        ("vgg16_gap", {"cam_groups": 0}),
        ("convnext_tiny", {"width": 0}),
        ("vgg16", {"blocks": []}),
    ],
)
def test_options_that_make_no_network(name, options):
    with pytest.raises(ValueError, match="network"):
        jaxcam.init(name, jax.random.key(0), num_classes=3, **options)


def test_shapes_of_a_huge_image_take_no_memory():
    shapes = network_shapes(make_network("resnet10", 5, width=8), Card(image_size=(10**7, 10**7)))
    assert shapes["params"]["head"]["classifier"]["kernel"].shape == (64, 5)
