"""A network that knows the three colours of the photos of `tests.made_data`, and compiles fast; photos for it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

import jaxcam
from jaxcam.datasets import wsol
from tests.made_data import COLOURS

CELL = 4  # pixels of an image's side
NAMES = ("red", "green", "blue")


def colour_dataset(home):
    """The photos of `make_wsol_masks` with two boxes each beside their masks, so that there is every figure."""
    read = wsol(home, split="val", images=home / "photos", masks=home / "masks")
    boxes = (((index, 0.0, index + 10.0, 10.0), (40.0, 30.0, 80.0, 60.0)) for index in map(float, range(len(read))))
    examples = tuple(replace(example, boxes=both) for example, both in zip(read, boxes, strict=True))
    return replace(read, examples=examples, classes=NAMES)


def colour_params(classes=NAMES, class_ids=()):
    """Params whose class c has a map of how much more of colour c than grey there is, in cells of 4x4 pixels."""
    plain = jaxcam.Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    card = jaxcam.Card(classes=classes, class_ids=class_ids, image_size=(32, 32), preprocessing=plain, threshold=0.4)
    kernel = np.array(COLOURS, np.float32).T / 255 - 120 / 255
    return jaxcam.from_functions(_features, _logits, _kernel, variables=jnp.asarray(kernel), card=card)


def _features(kernel, images):
    batch, height, width, channels = images.shape
    blocks = images.reshape(batch, height // CELL, CELL, width // CELL, CELL, channels)
    return jax.nn.relu(blocks.mean((2, 4)) - 120 / 255)


def _logits(kernel, features):
    return features.mean((1, 2)) @ kernel


def _kernel(kernel):
    return kernel
