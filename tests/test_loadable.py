"""What `load` would refuse is refused by `save`, which then writes nothing; all else comes back."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.networks import Classifier, LinearHead, ResNet

CARD = jaxcam.Card(classes=("ant", "bee"), image_size=(32, 32))


@pytest.fixture(scope="module")
def params():
    return jaxcam.init("resnet10", jax.random.key(0), card=CARD, width=4)


def cast(params, dtype):
    return params.replace(variables=jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params.variables))


def without_classes(params):
    return params.replace(card=jaxcam.Card(image_size=(32, 32)))


def with_one_class(params):
    return params.replace(card=jaxcam.Card(classes=("ant",), image_size=(32, 32)))


def of_float64(params):
    return cast(params, np.float64)


def with_intermediates(params):
    return params.replace(variables={**params.variables, "intermediates": {"x": jnp.zeros(3)}})


def of_several_devices(params):
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), params)


@pytest.mark.core
@pytest.mark.parametrize(
    "change, message",
    [
        (without_classes, r"card: got 0 classes for a network of 2; save params.replace\(card=\) with 2"),
        (with_one_class, r"card: got 1 classes for a network of 2; save params.replace\(card=\) with 2"),
        (of_float64, r"batch_stats/backbone/bn1/mean: the network needs \(\[4\], 'float32'\), .*'float64'\)"),
        (with_intermediates, r"cast or drop it first: intermediates/x: the network needs nothing, .*\[3\]"),
        (of_several_devices, r"bn1/mean: the network needs \(\[4\], 'float32'\), .*\(\[2, 4\], 'float32'\)"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(params, tmp_path, change, message):
    for options in ({}, {"dtype": "float16"}):
        with pytest.raises(ValueError, match=message):
            jaxcam.save(change(params), tmp_path / "a", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_older_checkpoint_stays(params, tmp_path):
    jaxcam.save(params, tmp_path / "a")
    with pytest.raises(ValueError, match="params: got what could not be loaded again"):
        jaxcam.save(of_float64(params), tmp_path / "a", overwrite=True)
    assert jaxcam.load(tmp_path / "a").card == CARD


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16])
def test_arrays_of_numpy_and_halves_come_back_as_float32(params, tmp_path, dtype):
    jaxcam.save(cast(params, dtype), tmp_path / "a")
    for found, leaf in zip(*map(jax.tree.leaves, (jaxcam.load(tmp_path / "a"), params)), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.asarray(leaf, dtype).astype(np.float32))


@pytest.mark.parametrize(
    "options", [{"width": np.int64(4)}, {"width": np.int32(4), "strides": (np.int64(2), 1, 1, np.int64(2))}]
)
def test_integers_of_numpy_are_options(options, tmp_path):
    own = jaxcam.init("resnet10", jax.random.key(0), card=CARD, **options)
    jaxcam.save(own, tmp_path / "a")
    assert jaxcam.describe(tmp_path / "a")["options"] == json.loads(json.dumps(options, default=int))
    assert jaxcam.load(tmp_path / "a").network == own.network


def test_integers_of_numpy_in_a_module(params, tmp_path):
    network = params.network.clone(backbone=params.network.backbone.clone())
    object.__setattr__(network.backbone, "width", np.int64(4))  # its type is checked in tests alone
    jaxcam.save(params.replace(network=network), tmp_path / "a")
    assert jaxcam.describe(tmp_path / "a") == {"network": "resnet10", "options": {"width": 4}}
    assert jaxcam.load(tmp_path / "a").network == network


def test_a_network_outside_the_table_needs_no_classes(tmp_path):
    network = Classifier(ResNet("basic", (1,) * 4, width=4, activation=nn.gelu), LinearHead(2))
    own = without_classes(jaxcam.init(network, jax.random.key(0), card=CARD))
    jaxcam.save(own, tmp_path / "a")
    assert jaxcam.load(tmp_path / "a", network=network).card == own.card
    with pytest.raises(ValueError, match="'float64'"):
        jaxcam.save(of_float64(own), tmp_path / "b")


def test_a_network_is_not_traced_again(params, tmp_path, monkeypatch):
    """A save takes no second for it, where the params were just made or loaded."""
    monkeypatch.setattr(Classifier, "__call__", lambda *_, **__: pytest.fail("traced again"))
    jaxcam.save(params, tmp_path / "a")
