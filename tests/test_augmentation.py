"""Random crops: what they show, and how much of the image."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcam.geometry import resize
from jaxcam.training.augmentation import augment, random_crop


def test_crop_of_everything_is_a_resize():
    image = jax.random.uniform(jax.random.key(1), (12, 10, 3))
    crop = random_crop(jax.random.key(0), image, size=8, area=1.0, flip=False)
    np.testing.assert_allclose(crop, resize(image, (8, 8), axis=0, antialias=True), atol=1e-5)


def test_crops_are_rectangles_of_the_image_half_of_them_mirrored():
    ramp = jnp.stack(jnp.meshgrid(jnp.arange(32.0), jnp.arange(32.0)), -1)  # channel 0: x, channel 1: y
    keys = jax.random.split(jax.random.key(0), 200)
    crops = np.asarray(augment(keys, jnp.tile(ramp[None], (200, 1, 1, 1)), size=8, area=0.25, flip=True))
    inner = crops[:, 1:-1, 1:-1]
    x_steps, y_steps = np.diff(inner[..., 0], axis=2), np.diff(inner[..., 1], axis=1)
    slopes = np.abs(x_steps).mean((1, 2))
    assert (np.ptp(x_steps, axis=(1, 2)) < 0.1 * slopes).all()  # even, as far as antialiasing is
    shares = slopes * y_steps.mean((1, 2)) * 64 / 1024
    assert 0.2 < shares.min() < 0.35
    assert shares.max() <= 1.001
    assert 0.4 < (x_steps.mean((1, 2)) < 0).mean() < 0.6
    assert (y_steps > 0).all()
    assert crops.min() >= -1e-4
    assert crops.max() <= 31 + 1e-4
