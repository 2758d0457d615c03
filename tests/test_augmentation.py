"""Random crops: what they show, and how much of the image."""

from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.geometry import resize
from jaxcam.training.augmentation import place_crop, random_crop


def test_crop_of_everything_is_a_resize():
    image = jax.random.uniform(jax.random.key(1), (12, 10, 3))
    crop = random_crop(jax.random.key(0), image, size=8, area=1.0, flip=False)
    np.testing.assert_allclose(crop, resize(image, (8, 8), axis=0, antialias=True), atol=1e-5)


@pytest.mark.slow
def test_crops_are_rectangles_of_the_image_half_of_them_mirrored():
    ramp = jnp.stack(jnp.meshgrid(jnp.arange(32.0), jnp.arange(32.0)), -1)  # channel 0: x, channel 1: y
    keys = jax.random.split(jax.random.key(0), 200)
    crop = partial(random_crop, size=8, area=0.25, flip=True)
    crops = np.asarray(jax.vmap(crop, in_axes=(0, None))(keys, ramp))
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


def test_windows_are_cut_at_any_place_half_of_them_mirrored():
    image = np.arange(6 * 5 * 2, dtype=np.uint8).reshape(6, 5, 2)
    windows = {}
    for top, left in np.ndindex(3, 2):
        window = image[top : top + 4, left : left + 4]
        windows |= {
            window.tobytes(): (top, left, False),
            np.ascontiguousarray(window[:, ::-1]).tobytes(): (top, left, True),
        }
    keys = jax.random.split(jax.random.key(0), 600)
    cut = partial(place_crop, image=jnp.asarray(image), size=4, flip=True)
    crops = np.asarray(jax.jit(jax.vmap(cut))(keys))
    np.testing.assert_array_equal(crops[:3], [cut(key) for key in keys[:3]])
    counts = Counter(windows[crop.tobytes()] for crop in crops)
    assert len(counts) == 12
    assert 25 < min(counts.values()) <= max(counts.values()) < 80
    unmirrored = [place_crop(key, jnp.asarray(image), size=4, flip=False) for key in keys[:8]]
    assert not any(windows[np.asarray(crop).tobytes()][2] for crop in unmirrored)


def test_window_larger_than_the_image_is_refused():
    for size in (0, 5):
        with pytest.raises(ValueError, match=f"size: got {size} for an image of 6 x 4 pixels; give 1 to 4"):
            place_crop(jax.random.key(0), jnp.zeros((6, 4, 3)), size=size, flip=True)
