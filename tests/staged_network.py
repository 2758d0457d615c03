"""A tiny network of two stages, without convolutions, whose features are restated in a few lines of NumPy."""

import numpy as np
from flax import linen as nn

from jaxcam.card import Card, Preprocessing
from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import FullyConnectedHead, LinearHead
from jaxcam.params import Params
from tests.reference.weights import random_variables

SPACE, CLASSES = (8, 12), ("ant", "bee", "cat", "dog")
CARD = Card(CLASSES, image_size=SPACE, preprocessing=Preprocessing(mean=(0.5,), std=(0.25,)))


class TwoStages(Backbone):
    """Every second pixel, not of the middle, becomes a cell of five channels, every second of these one of six."""

    stages = ("first", "second")

    def run(self, name, x, train):
        width = {"first": 5, "second": 6}[name]
        return nn.relu(nn.Dense(width, name=name)(x[:, 1::2, 1::2]))


def staged_params(*, connected=False, num_classes=4, card=CARD):
    """With a linear head, or with fully connected layers, which are stages too."""
    head = FullyConnectedHead(num_classes, grid=(2, 3), width=7) if connected else LinearHead(num_classes)
    network = Classifier(TwoStages(), head)
    return Params(random_variables(network, card, seed=1), network, card)


def cells_of(params, images, stage="second"):
    """Features (b, y, x, k) of uint8 images of the network's own size, by NumPy."""
    x = (images / 255 - 0.5) / 0.25
    for name in TwoStages.stages[: TwoStages.stages.index(stage) + 1]:
        layer = params.variables["params"]["backbone"][name]
        x = x[:, 1::2, 1::2] @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)
        x = np.maximum(x, 0)
    return x


def linear_of(params):
    """Kernel and bias of the linear head, by NumPy."""
    layer = params.variables["params"]["head"]["classifier"]
    return np.asarray(layer["kernel"], np.float64), np.asarray(layer["bias"], np.float64)


def images_of(count=3, space=SPACE, seed=1):
    """uint8, each of colours of its own."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(0, 255, (count, *space, 3)) * rng.choice([0.1, 1], (count, 1, 1, 3))).astype(np.uint8)
