"""TrivialAugment and changes of colour, beside Pillow's on 8 bits."""

from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.training.colour import jitter_colour
from jaxcam.training.trivial import OPERATIONS, STEPS, apply_operation, trivial_augment
from tests.reference.trivial_augment import jitter, operate

# In levels of 255: Pillow drops the fraction of what it blends, after rounding grey and its mean; and it looks up
# the rest, where a stretched level may be one less by the rounding of its scale.
TOLERANCES = {"identity": 0.001, "posterize": 0.001, "solarize": 0.001, "equalize": 0.001, "autocontrast": 1.001}
GEOMETRIC, BLENDED = 1.001, 1.501

EVERY = jax.jit(jax.vmap(apply_operation))


def photo(height, width, *, seed=0):
    """Levels that are neither flat nor full: a ramp and noise, of another range in each channel."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(0, 120, height * width).reshape(height, width, 1)
    return (ramp + generator.integers(0, 60, (height, width, 3)) + [10, 40, 70]).astype(np.uint8)


def augmented(pixels, cases):
    """Results (n, h, w, 3) in levels of 255 for cases of an operation's name, a step and a sign."""
    images = jnp.tile(jnp.asarray(pixels / 255, jnp.float32)[None], (len(cases), 1, 1, 1))
    names, steps, signs = zip(*cases, strict=True)
    places = [OPERATIONS.index(name) for name in names]
    return 255 * np.asarray(EVERY(images, jnp.array(places), jnp.array(steps), jnp.array(signs)))


def tolerance(name):
    return TOLERANCES.get(name, GEOMETRIC if name.startswith(("shear", "translate", "rotate")) else BLENDED)


# Of other sizes, whether the border is inside after exactly 90 degrees is a matter of rounding.
@pytest.mark.parametrize("size, steps", [((32, 32), range(STEPS + 1)), ((9, 14), (0, 7, 16, 30))])
def test_every_operation_is_pillows(size, steps):
    pixels = photo(*size)
    cases = [(name, step, sign) for name in OPERATIONS for step in steps for sign in (1, -1)]
    for case, result in zip(cases, augmented(pixels, cases), strict=True):
        difference = np.abs(result - operate(pixels, *case))
        assert difference.max() <= tolerance(case[0]), case


def test_channels_of_one_level_and_of_two():
    pixels = np.zeros((6, 50, 3), np.uint8)
    pixels[..., 0] = 77
    pixels[:, 20:, 1] = 200
    pixels[3:, :, 2] = np.arange(50)
    cases = [("autocontrast", 0, 1), ("equalize", 0, 1), ("contrast", 20, 1)]
    for case, result in zip(cases, augmented(pixels, cases), strict=True):
        assert np.abs(result - operate(pixels, *case)).max() <= tolerance(case[0]), case


@pytest.mark.slow
def test_operations_strengths_and_signs_are_drawn_uniformly():
    pixels = photo(18, 18)
    cases = [(name, step, sign) for name in OPERATIONS for step in range(STEPS + 1) for sign in (1, -1)]
    references = np.array([operate(pixels, *case) for case in cases], np.float32)
    count = 1400
    images = jnp.tile(jnp.asarray(pixels / 255, jnp.float32)[None], (count, 1, 1, 1))
    keys = jax.random.split(jax.random.key(0), count)
    results = 255 * np.asarray(jax.jit(jax.vmap(trivial_augment))(keys, images))
    np.testing.assert_allclose(255 * jax.jit(trivial_augment)(keys[0], images[0]), results[0], atol=1e-3)
    distances = [np.abs(references - result).mean((1, 2, 3)) for result in results]
    found = [cases[int(distance.argmin())] for distance in distances]
    assert max(distance.min() for distance in distances) < 1
    names = Counter(name for name, _, _ in found)
    # A hundred each; but those that change nothing at their least strengths look like the identity, and by as many
    # pixels as the image has, it is black whichever way it went.
    assert names["translate_y"] > 25
    names["translate_y"] = (names["translate_x"] + names["translate_y"]) // 2
    assert all(60 < names[name] < 140 for name in OPERATIONS if name not in ("identity", "translate_x")), names
    assert 75 < names["identity"] < 200
    for name in ("shear_x", "rotate", "brightness"):
        steps = [step for found_name, step, _ in found if found_name == name]
        assert len(set(steps)) > 22
        assert 12 < np.mean(steps) < 18
    signs = [sign for name, step, sign in found if name in ("shear_x", "shear_y", "rotate") and step]
    assert 0.4 < np.mean(np.array(signs) > 0) < 0.6


@pytest.mark.slow
def test_jitter_is_pillows_enhancements_in_random_order():
    pixels = photo(12, 10)
    image = jnp.asarray(pixels / 255, jnp.float32)
    keys = jax.random.split(jax.random.key(0), 60)
    mapped = np.asarray(jax.jit(jax.vmap(lambda key: jitter_colour(key, image, strength=0.9)))(keys))
    orders, every_factor = [], []
    for key, result in zip(keys, mapped, strict=True):
        order_key, factor_key = jax.random.split(key)
        order = np.asarray(jax.random.permutation(order_key, 3))
        factors = np.asarray(jax.random.uniform(factor_key, (3,), minval=0.1, maxval=1.9))
        assert np.abs(255 * result - jitter(pixels, order, factors)).max() < 5  # three roundings, the first enlarged
        orders.append(tuple(order.tolist()))
        every_factor.append(factors)
    assert len(set(orders)) == 6
    assert np.ptp(every_factor, axis=0).min() > 1.4
    np.testing.assert_array_equal(jax.jit(partial(jitter_colour, strength=0.0))(keys[0], image), image)


def test_jitter_refuses_a_strength_out_of_range():
    for strength in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"strength: got {strength}; give a number from 0 to 1"):
            jitter_colour(jax.random.key(0), jnp.zeros((2, 2, 3)), strength=strength)
