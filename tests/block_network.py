"""A tiny network of any spatial rank whose cells are blocks of pixels, and the same in NumPy, float64."""

import itertools

import jax.numpy as jnp
import numpy as np

import jaxcam

CLASSES = tuple("abcd")
SIDE = 3
MEAN, STD = 0.4, 0.25


def block_params(space, *, channels=5, hidden=7, seed=0):
    """A = max(mean of a block of pixels W + v, 0), S = tanh(sum over cells and channels of A U) V.

    Channel 0 is the same everywhere.
    """
    random = np.random.default_rng(seed)
    inputs = (int(np.prod(space)) // SIDE ** len(space)) * channels
    weights = {
        "in": random.normal(size=(3, channels)) * (np.arange(channels) > 0),
        "shift": random.uniform(0.1, 1, channels),
        "hidden": random.normal(size=(inputs, hidden)) / np.sqrt(inputs),
        "out": 2 * random.normal(size=(hidden, len(CLASSES))),
    }
    card = jaxcam.Card(CLASSES, image_size=space, preprocessing=jaxcam.Preprocessing(mean=(MEAN,), std=(STD,)))
    variables = {name: jnp.asarray(weight, jnp.float32) for name, weight in weights.items()}
    return jaxcam.from_functions(_features, _logits, variables=variables, card=card)


def images_of(space, count=2, seed=1):
    return np.random.default_rng(seed).random((count, *space, 3), np.float32)


def pixels_of(images):
    """As the network is given them."""
    return (np.asarray(images, np.float64) - MEAN) / STD


def cells_of(params, pixels):
    """Features (b, *cells, k), by NumPy."""
    weights = _float64(params)
    lengths = [length // SIDE for length in pixels.shape[1:-1]]
    cells = np.zeros((len(pixels), *lengths, weights["in"].shape[1]))
    for place in itertools.product(*map(range, lengths)):
        block = tuple(slice(SIDE * start, SIDE * start + SIDE) for start in place)
        mean = pixels[(slice(None), *block)].reshape(len(pixels), -1, 3).mean(axis=1)
        cells[(slice(None), *place)] = np.maximum(mean @ weights["in"] + weights["shift"], 0)
    return cells


def logits_of_cells(params, cells):
    weights = _float64(params)
    return np.tanh(cells.reshape(len(cells), -1) @ weights["hidden"]) @ weights["out"]


def logits_of(params, pixels):
    return logits_of_cells(params, cells_of(params, pixels))


def _float64(params):
    return {name: np.asarray(weight, np.float64) for name, weight in params.variables.items()}


def _features(weights, pixels):
    batch, *space, channels = pixels.shape
    blocks = pixels.reshape(batch, *(part for length in space for part in (length // SIDE, SIDE)), channels)
    means = blocks.mean(axis=tuple(range(2, 2 * len(space) + 1, 2)))
    shift = weights["shift"].reshape((1,) * (len(space) + 1) + (-1,))
    return jnp.maximum(means @ weights["in"] + shift, 0)


def _logits(weights, features):
    return jnp.tanh(features.reshape(features.shape[0], -1) @ weights["hidden"]) @ weights["out"]
