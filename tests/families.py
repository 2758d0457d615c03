"""The smallest network of each family, with random weights for small images."""

import jax
import numpy as np
import pytest

from jaxcam.card import Card
from jaxcam.params import Params, default_card, make_network
from tests.reference.weights import random_variables

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")

# The smallest network of each family that has a kernel, and of those that have none.
SMALLEST = (
    "alexnet_gap",
    "convnext_tiny_gap",
    "densenet121",
    "efficientnet_b0",
    "googlenet_gap",
    "googlenet_torchvision",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small_gap",
    "nin",
    "regnet_y_400mf",
    "resnet10",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "vgg11_gap",
    "vit_b_32_gap",
)
SMALLEST_WITHOUT_KERNEL = ("alexnet", "convnext_tiny", "mobilenet_v3_small", "vit_b_32")


def params_of(name, seed=0):
    """A network with random weights, for images of less than half of its own size."""
    card = default_card(name, CLASSES)
    height, width = (length // 2 // 32 * 32 for length in card.image_size)
    card = Card(CLASSES, image_size=(height, width), preprocessing=card.preprocessing)
    # The class token's head takes one number of cells alone.
    options = {"grid": (height // 32, width // 32)} if name == "vit_b_32" else {}
    network = make_network(name, len(CLASSES), **options)
    return Params(jax.device_put(random_variables(network, card, seed)), network, card)


def photos(params, count=2):
    return np.random.default_rng(1).integers(0, 256, (count, *params.card.image_size, 3), dtype=np.uint8)


def slow_unless(quick, names):
    """The names as parameters of a test, of which only some are quick."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in names]
