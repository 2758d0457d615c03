"""Training on several devices: the same losses and weights, whichever way and on however many."""

import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcam.batches import batches
from jaxcam.datasets import folder
from jaxcam.training import make_parallel, start, train
from jaxcam.training.recipes import Recipe
from tests.small_classifier import SIDE, small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

RECIPE = Recipe(
    network="resnet10",
    options=("width=8", "stem=small"),
    image_size=SIDE,
    crop_area=0.5,
    epochs=2.0,
    batch_size=8,
    learning_rate=0.05,
    warmup_epochs=0.1,
    ema=0.8,
    holdout=0.0,
)
STEPS = 20


def make_noise(home, photos=8):
    """A class folder of 3 x 8 photos of noise, or of more."""
    random = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (home / name).mkdir()
        for index in range(photos):
            Image.fromarray(random.integers(0, 256, (28, 30, 3), np.uint8)).save(home / name / f"{index}.png")
    return home


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return folder(make_noise(tmp_path_factory.mktemp("noise")))


def run(dataset, way, count):
    """Losses and weights of a run of twenty steps on `count` devices, of a network that compiles fast."""
    devices = make_parallel(way, RECIPE, devices=jax.devices()[:count])
    state = start(small_params(normalized=True), RECIPE, steps=STEPS, steps_an_epoch=3.0)
    stream = batches(dataset, batch_size=RECIPE.batch_size, image_size=(SIDE, SIDE), shuffle_seed=0)
    state, losses = devices.place(state), []
    for _ in range(STEPS):
        state, measured = devices.step(state, next(stream))
        losses.append(np.mean(measured["loss"]))
    return np.array(losses), devices.one(state)


@pytest.fixture(scope="module")
def alone(noise):
    return run(noise, "jit", 1)


@pytest.mark.parametrize("way", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
def test_four_devices_are_one(noise, alone, way):
    losses, state = run(noise, way, 4)
    assert np.ptp(alone[0]) > 0.1
    np.testing.assert_allclose(losses, alone[0], rtol=1e-4)
    for leaf, expected in zip(jax.tree.leaves(state), jax.tree.leaves(alone[1]), strict=True):
        assert leaf.sharding.device_set == {jax.devices()[0]}
        np.testing.assert_allclose(leaf, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "way, batch_size, message",
    [
        ("jit", 6, "batch_size: got 6 for 4 devices; give a multiple of 4"),
        ("xmap", 8, "parallel: got 'xmap'; use jit or"),
    ],
)
def test_what_cannot_be_shared(noise, tmp_path, way, batch_size, message):
    with pytest.raises(ValueError, match=message):
        train(noise, dataclasses.replace(RECIPE, batch_size=batch_size), out=tmp_path, parallel=way)
    assert not list(tmp_path.iterdir())
