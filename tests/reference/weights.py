"""Weights of a network drawn by NumPy: no compilation, and statistics and biases unlike those a network starts with."""

import math
from functools import cache

import jax
import numpy as np

from jaxcam.params import sample_pixels

MANY = 10_000  # weights of a layer, which are not drawn each for itself


@cache
def normal_numbers():
    """Drawn once, as the largest networks have a hundred times as many weights; of no length that a layer has too."""
    return np.random.default_rng(0).standard_normal(999_983, np.float32)


def random_variables(network, card, seed=0):
    """Variables of a network as NumPy arrays: kernels of unit gain, everything else spread around its usual value."""
    random = np.random.default_rng(seed)

    def normal(scale, shape):
        if math.prod(shape) < MANY:
            return random.normal(0, scale, shape).astype(np.float32)
        start = random.integers(len(normal_numbers()) // 2)
        return np.resize(normal_numbers()[start:] * np.float32(scale), shape)

    def draw(path, leaf):
        shape, name = leaf.shape, path[-1].key
        if name == "kernel":
            return normal(math.sqrt(2 / math.prod(shape[:-1])), shape)
        if name in ("scale", "var"):
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        return normal(0.3, shape)  # bias, mean

    shapes = jax.eval_shape(network.init, jax.random.key(0), sample_pixels(card))
    return jax.tree_util.tree_map_with_path(draw, shapes)
