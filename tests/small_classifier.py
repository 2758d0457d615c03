"""A classifier of one convolution, which compiles fast and can be restated in a few lines of NumPy."""

import jax
import numpy as np
from flax import linen as nn

from jaxcam.batches import Batch
from jaxcam.card import Card, Preprocessing
from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.params import init

SIDE, CLASSES = 8, ("ant", "bee", "cat")
CARD = Card(
    classes=CLASSES, image_size=(SIDE, SIDE), preprocessing=Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
)


class OneConvolution(Backbone):
    """2x2 pixels to a cell of five channels, normalized if asked for, without negative values."""

    normalized: bool = False
    stages = ("cells",)

    def run(self, name, x, train):
        x = nn.Conv(5, (2, 2), (2, 2), padding="VALID", name="conv")(x)
        if self.normalized:
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="bn")(x)
        return nn.relu(x)


def small_params(*, normalized=False):
    network = Classifier(backbone=OneConvolution(normalized), head=LinearHead(len(CLASSES)))
    return init(network, jax.random.key(0), card=CARD)


def small_batch(count=8, seed=0):
    rng = np.random.default_rng(seed)
    return Batch(
        rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8),
        rng.integers(0, len(CLASSES), count).astype(np.int32),
        np.ones(count, bool),
        np.arange(count, dtype=np.int32),
        np.full((count, 2), SIDE, np.int32),
    )


def features_of(params, pixels):
    """The features, by NumPy."""
    conv = params.variables["params"]["backbone"]["conv"]
    count, cells = len(pixels), SIDE // 2
    patches = pixels.reshape(count, cells, 2, cells, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(count, cells, cells, 12)
    kernel = np.asarray(conv["kernel"], np.float64).reshape(12, 5)
    return np.maximum(patches @ kernel + np.asarray(conv["bias"], np.float64), 0)


def head_of(params):
    """Kernel and bias of the head, by NumPy."""
    head = params.variables["params"]["head"]["classifier"]
    return np.asarray(head["kernel"], np.float64), np.asarray(head["bias"], np.float64)


def cross_entropy(logits, targets):
    """Mean over images, by NumPy."""
    shifted = logits - logits.max(1, keepdims=True)
    return -(targets * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1).mean()
