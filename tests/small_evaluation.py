"""A tiny network and a dozen images of several sizes for tests of whole evaluations: little to compile and to read."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import jaxcam
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation import Protocol, evaluate

CLASSES = ("ant", "bee", "cat", "dog", "emu", "fox", "gnu")
SIZE = (40, 32)  # height, width: not the card's, nor square
LABELS = (0, 1, 2, 4, 6, 0, 1, 2, 6, 0, 1)  # no dog and no fox
THRESHOLD = 0.45


def patches(weights, images):
    """Features of whole 8x8 patches: little to compile, though a network like any other."""
    b, h, w, _ = images.shape
    cut = images.reshape(b, h // 8, 8, w // 8, 8, 3)
    return jax.nn.relu(jnp.einsum("byixjc,ijck->byxk", cut, weights["patch"]))


def scores(weights, features):
    return features.mean((1, 2)) @ weights["kernel"]


def kernel(weights):
    return weights["kernel"]


def small_params():
    """A small random network whose class 4 has weights below zero, so that its maps have nothing above zero."""
    rng = np.random.default_rng(0)
    weights = {"patch": rng.normal(0, 0.1, (8, 8, 3, 8)), "kernel": rng.normal(0.1, 0.5, (8, 7))}
    weights["kernel"][:, 4] = -0.01
    weights = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), weights)
    card = jaxcam.Card(classes=CLASSES, image_size=(32, 32), threshold=THRESHOLD)
    return jaxcam.from_functions(patches, scores, kernel, variables=weights, card=card)


def write_images(home):
    """11 images, wide and high, with one to three boxes of whole pixels each, but the fourth, which has none."""
    rng, examples = np.random.default_rng(59), []
    for index, label in enumerate(LABELS):
        width, height = size = [(60, 36), (38, 66)][index % 2]
        pixels = rng.integers(0, 256, (height // 9, width // 9, 3), np.uint8)
        path = home / f"{index}.png"
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path)
        low = rng.uniform(0, 0.25, (0 if index == 3 else 1 + index % 3, 2))
        high = np.minimum(low + rng.uniform(0.3, 0.9, low.shape), 1)
        boxes = np.rint(np.concatenate([low * size, high * size], axis=-1))
        examples.append(Example(path, label, tuple(map(tuple, boxes.tolist()))))
    return Dataset(tuple(examples), CLASSES)


def run(params, dataset, **options):
    """The report of a protocol at SIZE."""
    return evaluate(params, dataset, protocol=Protocol(image_size=SIZE, **options), batch_size=4, progress=False)


def squashed(path, size):
    """An image as (h, w) `size`, by Pillow, and the (h, w) of its file."""
    with Image.open(path) as file:
        image = file.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image), file.size[::-1]
