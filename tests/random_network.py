"""A small random network for tests, without the seconds that compiling an initialiser takes."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxcam
from jaxcam.params import make_network, sample_pixels


def random_params(card, *, seed=0):
    """A narrow ResNet-10 whose class maps are mostly above zero, and differ between images and classes."""
    network = make_network("resnet10", len(card.classes), width=8, stem="small")
    rng = np.random.default_rng(seed)

    def leaf(path, expected):
        if path[-1].key != "kernel":  # of a normalisation: mean and bias 0, scale and variance 1
            return jnp.full(expected.shape, float(path[-1].key in ("scale", "var")))
        values = rng.normal(size=expected.shape) / np.sqrt(np.prod(expected.shape[:-1]))
        return jnp.asarray(values + 0.1 * (path[-2].key == "classifier"), jnp.float32)

    shapes = jax.eval_shape(network.init, jax.random.key(0), sample_pixels(card))
    return jaxcam.Params(jax.tree_util.tree_map_with_path(leaf, shapes), network, card)
