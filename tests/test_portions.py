"""jaxcam.networks.portions: the same features, early stages in a loop over the batch where that serves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.networks import NETWORKS, portions

IMAGES = np.random.default_rng(0).random((6, 32, 40, 3)).astype(np.float32)
EARLY = {
    "alexnet_torchvision": "pool1",
    "densenet121": "transition1",
    "efficientnet_b0": "stage2",
    "googlenet": "inception_3a",
    "mobilenet_v2": "block6",
    "resnet18": "layer1",
    "resnet50": "layer1",
    "squeezenet1_1": "pool5",
    "vit_b_16": None,
}


@pytest.fixture
def one_device(monkeypatch):
    """A machine of two cores, whatever the tests run on."""
    monkeypatch.setattr(portions, "_devices", lambda: 1)
    monkeypatch.setattr(portions, "_cores", lambda: 2)


@pytest.fixture(scope="module")
def params():
    return jaxcam.init("resnet10", jax.random.key(0), num_classes=4, width=8, stem="small")


def features(params, stage=None, **options):
    """The network's own function, which no program was compiled for before."""
    return lambda images: params.network.apply(params.variables, images, stage, method="features", **options)


def has_loop(function, platform="cpu"):
    return "stablehlo.while" in jax.jit(function).trace(IMAGES).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("stage", [None, "stem", "layer1", "layer3"])
def test_features_are_those_of_the_whole_batch(params, monkeypatch, one_device, stage, jit):
    function = features(params, stage)
    assert has_loop(function)
    found = (jax.jit(function) if jit else function)(IMAGES)
    monkeypatch.setattr(portions, "_devices", lambda: 2)
    function = features(params, stage)
    assert not has_loop(function)
    np.testing.assert_allclose(found, function(IMAGES), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EARLY)
def test_the_stages_whose_features_outweigh_them(name):
    backbone = NETWORKS[name].build(1000).backbone
    assert portions.early_stage(backbone, (224, 224, 3), jnp.dtype("float32"), backbone.stages[-1]) == EARLY[name]


def test_no_further_than_the_stage_that_is_asked_for():
    backbone = NETWORKS["mobilenet_v2"].build(1000).backbone
    assert portions.early_stage(backbone, (224, 224, 3), jnp.dtype("float32"), "block3") == "block3"


@pytest.mark.parametrize(
    "cores, batch, portion", [(1, 5, 1), (2, 32, 2), (2, 33, 3), (4, 6, 6), (6, 32, 8), (2, 31, 31), (8, 4, 4)]
)
def test_an_equal_part_of_at_least_an_image_a_core(monkeypatch, one_device, cores, batch, portion):
    monkeypatch.setattr(portions, "_cores", lambda: cores)
    assert portions.portion_of(batch) == portion


def test_derivatives_are_of_the_whole_batch(params, monkeypatch, one_device):
    def derivatives(images):
        pixels, tangent = jax.jvp(lambda x: features(params)(x).sum((1, 2)), (images,), (images[::-1],))
        return pixels, tangent, jax.grad(lambda x: (features(params)(x) ** 2).sum())(images)

    assert not has_loop(derivatives)
    found = derivatives(jnp.asarray(IMAGES))
    monkeypatch.setattr(portions, "_devices", lambda: 2)
    for got, wanted in zip(found, derivatives(jnp.asarray(IMAGES)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_in_one_piece_elsewhere(params, one_device):
    assert not has_loop(features(params), platform="tpu")
    assert not has_loop(lambda images: features(params)(images[:2]))
    assert not has_loop(features(params, train=True, mutable=["batch_stats"]))


def test_what_modules_keep_is_of_the_whole_batch(params, one_device):
    _, kept = features(params, capture_intermediates=True)(IMAGES)
    layers = kept["intermediates"]["backbone"]
    assert layers["conv1"]["__call__"][0].shape == (6, 16, 20, 8)


def test_over_several_weights(params, one_device):
    """vmap over the variables has the loop run with all of them."""
    doubled = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params.variables)
    found = jax.vmap(lambda variables: params.network.apply(variables, IMAGES, method="features"))(doubled)
    twice = jax.tree.map(lambda leaf: leaf[1], doubled)
    expected = params.network.apply(twice, IMAGES, method="features")
    np.testing.assert_allclose(found[1], expected, atol=1e-6 * expected.max())
