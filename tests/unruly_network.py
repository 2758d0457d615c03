"""A tiny network whose class scores bend with every pixel, and its restatement in NumPy."""

import jax.numpy as jnp
import numpy as np

import jaxcam

CLASSES = ("ant", "bee", "cat")


def unruly_params(space, *, seed=0, mean=(0.4,), std=(0.5,), scale=1.0, order="RGB", channels=2):
    """S = 4 tanh(A x) B: pixels x, as the network is given them, are its cells."""
    rng = np.random.default_rng(seed)
    weights = {
        "in": rng.normal(size=(int(np.prod(space)) * channels, 6)) / np.sqrt(np.prod(space) * channels * scale**2),
        "out": 4 * rng.normal(size=(6, len(CLASSES))),
    }
    how = jaxcam.Preprocessing(mean=mean, std=std, scale=scale, channel_order=order)
    return jaxcam.from_functions(
        _features,
        _logits,
        variables={name: jnp.asarray(weight, jnp.float32) for name, weight in weights.items()},
        card=jaxcam.Card(CLASSES, image_size=space, channels=channels, preprocessing=how),
    )


def _features(weights, pixels):
    return pixels


def _logits(weights, features):
    return jnp.tanh(features.reshape(len(features), -1) @ weights["in"]) @ weights["out"]


def logits_of(params, image):
    """By NumPy, of one image in [0, 1]."""
    how = params.card.preprocessing
    image = image[..., ::-1] if how.channel_order == "BGR" else image
    pixels = (np.asarray(image, np.float64) * how.scale - how.mean) / how.std
    inside, out = (np.asarray(params.variables[name], np.float64) for name in ("in", "out"))
    return np.tanh(pixels.reshape(-1) @ inside) @ out


def probability_of(params, image, label):
    exponentials = np.exp(logits_of(params, image))
    return exponentials[label] / exponentials.sum()


def map_of(params, image, label):
    """The red of an image times a weight of its label's, less its mean: a map that looks at everything."""
    out = np.asarray(params.variables["out"], np.float64)
    return image[..., 0] * out[0, label] - (image[..., 1] ** 2).mean()


def map_method(params, images, labels):
    """`map_of` of a batch, as a map method."""
    weights = params.variables["out"][0][labels]
    space = tuple(range(1, images.ndim - 1))
    return images[..., 0] * jnp.expand_dims(weights, space) - (images[..., 1] ** 2).mean(axis=space, keepdims=True)
