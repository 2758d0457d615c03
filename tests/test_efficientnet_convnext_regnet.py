"""EfficientNet, ConvNeXt and RegNetY: what a comparison with torchvision's outputs does not show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.card import Card
from jaxcam.checkpoints.folders import _network_record
from jaxcam.networks.layers import StochasticDepth
from jaxcam.networks.regnet import stages_of
from jaxcam.params import make_network
from tests.reference.weights import random_variables

pytestmark = pytest.mark.slow

SMALL = {
    "efficientnet_b0": {"width": 0.25, "depth": 0.4},
    "convnext_tiny_gap": {"width": 8, "blocks": (1, 2, 1, 1)},
    "regnet_y_400mf": {"depth": 6, "width": 8, "slope": 6.0, "factor": 2.0},
}
CARD = Card(image_size=(75, 53))


def small(name, **options):
    """A network, its variables and images of an odd size."""
    network = make_network(name, 7, **{**SMALL[name], **options})
    images = np.random.default_rng(0).normal(size=(4, *CARD.image_size, 3)).astype(np.float32)
    return network, random_variables(network, CARD), images


def trace(name, **options):
    network = make_network(name, 7, **options)
    jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))


# Counted in the papers' tables: the stem's, those of the blocks and their gates, that of the last convolution.
@pytest.mark.parametrize("name, count", [
    ("efficientnet_b0", 1 + 2 + 3 * 15 + 1),
    pytest.param("efficientnet_b4", 1 + 2 * 2 + 3 * 30 + 1, marks=pytest.mark.slow),
    ("convnext_tiny", 18),
    ("convnext_small_gap", 36),
    ("regnet_y_400mf", 1 + 4 * 16),
])  # fmt: skip
def test_activation_is_replaced_everywhere(name, count):
    calls = []

    def recording(x):
        calls.append(x.shape)
        return x

    trace(name, activation=recording)
    assert len(calls) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_stages_run_one_by_one(name):
    """At an odd size, and each by itself, so that a network can be split after any of them."""
    network, variables, images = small(name)
    of_backbone = {collection: tree["backbone"] for collection, tree in variables.items() if "backbone" in tree}

    @jax.jit
    def run(of_backbone, variables, x):
        whole = network.apply(variables, x)
        for previous, stage in zip((None, *network.stages), network.stages, strict=False):
            x = network.backbone.apply(of_backbone, x, previous, stage)
        return whole, (x, network.apply(variables, x, method="logits"))

    for wanted, got in zip(*run(of_backbone, variables, images), strict=True):
        assert np.ptp(wanted) > 0.01
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


# From 0 in equal steps, one a block; where a block of EfficientNet has no shortcut, its share is not used.
@pytest.mark.parametrize("name, shares", [
    ("efficientnet_b0", np.delete(np.arange(16) * 0.2 / 16, [0, 1, 3, 5, 8, 11, 15])),
    ("convnext_tiny", np.linspace(0, 0.1, 18)),
    ("convnext_small_gap", np.linspace(0, 0.4, 36)),
    pytest.param("convnext_base", np.linspace(0, 0.5, 36), marks=pytest.mark.slow),
])  # fmt: skip
def test_stochastic_depth_is_the_published_one(name, shares):
    found = []

    def record(call, arguments, keywords, context):
        if isinstance(context.module, StochasticDepth):
            found.append(context.module.rate)
        return call(*arguments, **keywords)

    with nn.intercept_methods(record):
        trace(name)
    np.testing.assert_allclose(found, shares)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny_gap"])
def test_stochastic_depth_in_training(name):
    """It leaves blocks out, sample by sample and by the key; without it no key is wanted."""
    network, variables, images = small(name)
    same = jnp.broadcast_to(images[:1], images.shape)
    options = {"train": True, "mutable": ["batch_stats"], "method": "features"}

    @jax.jit
    def run(variables, images, key):
        usual = network.clone(backbone=network.backbone.clone(stochastic_depth=0.9))
        never = network.clone(backbone=network.backbone.clone(stochastic_depth=0.0))
        trained, _ = usual.apply(variables, images, rngs={"dropout": key}, **options)
        whole, _ = never.apply(variables, images, **options)
        return trained, whole

    (trained, whole), (other, _) = (run(variables, same, jax.random.key(seed)) for seed in range(2))
    assert np.ptp(whole, axis=0).max() < 1e-4 * np.abs(whole).max()
    assert np.ptp(trained, axis=0).max() > 0.1 * np.abs(trained).max()
    assert np.abs(trained - other).max() > 0.1 * np.abs(trained).max()


def test_dropout_is_the_published_one():
    rates = [make_network(f"efficientnet_b{index}", 7).head.dropout for index in range(5)]
    assert rates == [0.2, 0.2, 0.3, 0.3, 0.4]


# Numbers of blocks and widths of the four stages, as published with the networks.
@pytest.mark.parametrize("name, blocks, widths", [
    ("400mf", (1, 3, 6, 6), (48, 104, 208, 440)),
    ("800mf", (1, 3, 8, 2), (64, 144, 320, 784)),
    ("1_6gf", (2, 6, 17, 2), (48, 120, 336, 888)),
    ("3_2gf", (2, 5, 13, 1), (72, 216, 576, 1512)),
    ("8gf", (2, 4, 10, 1), (224, 448, 896, 2016)),
    ("16gf", (2, 4, 11, 1), (224, 448, 1232, 3024)),
    ("32gf", (2, 5, 12, 1), (232, 696, 1392, 3712)),
])  # fmt: skip
def test_stages_of_regnet(name, blocks, widths):
    backbone = make_network(f"regnet_y_{name}", 7).backbone
    parameters = (backbone.depth, backbone.width, backbone.slope, backbone.factor, backbone.group_width)
    assert stages_of(*parameters) == list(zip(blocks, widths, strict=True))


@pytest.mark.parametrize("options", [{"width": 50}, {"width": 0}, {"slope": -1.0}, {"factor": 1.0}])
def test_wrong_parameters_of_regnet(options):
    with pytest.raises(ValueError, match=r"width, slope, factor: got .*; give a width that is a multiple of 8"):
        make_network("regnet_y_400mf", 7, **options)


@pytest.mark.parametrize("name, options", [
    ("efficientnet_b3", {"stochastic_depth": 0.0, "epsilon": 1e-3, "pool": "max"}),
    ("convnext_small", {"blocks": [1, 2, 1, 1], "dropout": 0.5}),
    ("convnext_base_gap", {"width": 64, "pool": "max"}),
    ("regnet_y_8gf", {"group_width": 28, "dropout": 0.1}),
])  # fmt: skip
def test_record_holds_the_options(name, options):
    network = make_network(name, 7, **options)
    record = _network_record(network)
    assert make_network(record["network"], 7, **record["options"]) == network
    assert set(record["options"]) == set(options)


@pytest.mark.torch
def test_gap_network_normalizes_each_cell_with_the_heads_norm(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
    family = networks.models.convnext
    stages = [family.CNBlockConfig(*stage) for stage in ((8, 16, 1), (16, 32, 2), (32, 64, 1), (64, None, 1))]
    model = networks.randomize(family.ConvNeXt(stages))
    path = tmp_path / "weights.safetensors"
    networks.save_file(model.state_dict(), path)
    params, report = jaxcam.import_weights(path, "convnext_tiny_gap", **SMALL["convnext_tiny_gap"])
    assert set(report["fresh"]) == {"head/classifier/kernel", "head/classifier/bias"}
    images = np.random.default_rng(0).normal(size=(1, 96, 64, 3)).astype(np.float32)
    with torch.no_grad():
        cells = model.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        wanted = model.classifier[0](cells).permute(0, 2, 3, 1).numpy()
    features, _ = jax.jit(params.network.apply)(params.variables, images)
    np.testing.assert_allclose(features, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
