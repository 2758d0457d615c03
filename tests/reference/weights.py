"""Weights of a network drawn by NumPy: no compilation, and statistics and biases unlike those a network starts with."""

import math

import jax
import numpy as np

from jaxcam.params import sample_pixels


def random_variables(network, card, seed=0):
    """Variables of a network as NumPy arrays: kernels of unit gain, everything else spread around its usual value."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        shape, name = leaf.shape, path[-1].key
        if name == "kernel":
            return random.normal(0, math.sqrt(2 / math.prod(shape[:-1])), shape).astype(np.float32)
        if name in ("scale", "var"):
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        return random.normal(0, 0.3, shape).astype(np.float32)  # bias, mean

    shapes = jax.eval_shape(network.init, jax.random.key(0), sample_pixels(card))
    return jax.tree_util.tree_map_with_path(draw, shapes)
