"""A tiny network of any spatial rank, nonlinear behind its features, whose derivatives are known by hand."""

import jax.numpy as jnp
import numpy as np

import jaxcam

CLASSES = tuple("abcd")


def hand_params(space, *, floor=0.0, channels=6, hidden=5, seed=0):
    """A = max(x W, floor), a cell a pixel; S = tanh(sum over cells and channels of A U) V."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(3, channels))
    kernel[:, 0] = 0  # a channel that never says anything
    weights = {
        "in": kernel,
        "floor": floor,
        "hidden": random.normal(size=(int(np.prod(space)) * channels, hidden)) / np.sqrt(np.prod(space)),
        "out": random.normal(size=(hidden, len(CLASSES))),
    }
    plain = jaxcam.Preprocessing(mean=(0.5,), std=(0.5,))
    card = jaxcam.Card(CLASSES, image_size=space, preprocessing=plain)
    variables = {name: jnp.asarray(weight, jnp.float32) for name, weight in weights.items()}
    return jaxcam.from_functions(_features, _logits, variables=variables, card=card)


def images_of(space, count=3, seed=1):
    return np.random.default_rng(seed).random((count, *space, 3), np.float32)


def pixels_of(images):
    """As the network is given them."""
    return np.asarray(images, np.float64) * 2 - 1


def cells_of(params, pixels):
    """Features (b, *space, k), by NumPy."""
    return np.maximum(pixels @ np.asarray(params.variables["in"], np.float64), params.variables["floor"])


def gradients_of(params, pixels, weights):
    """dS / dA (b, n, *space, k) of scores with weights of classes (b, n, c), by NumPy."""
    cells = cells_of(params, pixels)
    inside, out = (np.asarray(params.variables[name], np.float64) for name in ("hidden", "out"))
    slopes = 1 - np.tanh(cells.reshape(len(cells), -1) @ inside) ** 2
    flat = np.einsum("bnc,hc,bh,ih->bni", weights, out, slopes, inside)
    return flat.reshape(*flat.shape[:2], *cells.shape[1:])


def _features(weights, pixels):
    return jnp.maximum(pixels @ weights["in"], weights["floor"])


def _logits(weights, features):
    return jnp.tanh(features.reshape(features.shape[0], -1) @ weights["hidden"]) @ weights["out"]
