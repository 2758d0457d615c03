"""jaxcam.networks against a NumPy restatement of residual networks, and the identities of features, logits, kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcam.card import Card
from jaxcam.networks import NETWORKS, Classifier, LinearHead, ResNet
from jaxcam.params import make_network
from tests.families import slow_unless
from tests.reference.resnet import ResNet as PlainResNet
from tests.reference.resnet import convolve, head
from tests.reference.weights import random_variables

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
CARD = Card(image_size=(64, 48))

# Name, options, and what the NumPy restatement is to be told of them.
BASIC = {"bottleneck": False, "blocks": (2, 2, 2, 2)}
DEEP = {"bottleneck": True, "blocks": (3, 4, 6, 3)}
DEEPER = {"bottleneck": True, "blocks": (3, 4, 23, 3)}
CASES = {
    "resnet10": ({"stem": "small"}, {"bottleneck": False, "blocks": (1, 1, 1, 1), "stem": "small"}),
    "resnet10-fine": (
        {"stem": "tiny", "strides": [2, 1, 2, 1]},
        {"bottleneck": False, "blocks": (1, 1, 1, 1), "stem": "tiny", "strides": (2, 1, 2, 1)},
    ),
    "resnet18": ({}, BASIC),
    "resnet34": ({}, {"bottleneck": False, "blocks": (3, 4, 6, 3)}),
    "resnet50": ({}, DEEP),
    "resnet50-fine": ({"strides": (1, 2, 2, 1)}, {**DEEP, "strides": (1, 2, 2, 1)}),
    "resnet101": ({}, DEEPER),
    "resnet152": ({}, {"bottleneck": True, "blocks": (3, 8, 36, 3)}),
    "resnext50_32x4d": ({"width": 16}, DEEP),
    "resnext101_32x8d": ({"width": 8}, DEEPER),
    "resnext101_64x4d": ({"width": 16}, DEEPER),
    "wide_resnet50_2": ({}, DEEP),
    "wide_resnet101_2": ({}, DEEPER),
}


def pixels(seed=0, size=CARD.image_size):
    return np.random.default_rng(seed).normal(size=(2, *size, 3)).astype(np.float32)


def network_of(case, **options):
    return make_network(case.partition("-")[0], 6, **{"width": 4, **CASES[case][0], **options})


@pytest.mark.parametrize("case", slow_unless(("resnet10", "resnet18", "resnet50", "resnext50_32x4d"), CASES))
def test_resnet_equals_numpy(case):
    """Features and logits, and the mean identity: mean of the class map over cells + bias = logit."""
    network, images = network_of(case), pixels()
    variables = random_variables(network, CARD)
    features, logits = jax.jit(network.apply)(variables, images)
    expected = PlainResNet(variables, **CASES[case][1]).stages(images)["layer4"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5 * expected.max())
    np.testing.assert_allclose(logits, head(variables, expected), rtol=1e-4, atol=1e-4)
    maps = np.einsum("byxk,kc->byxc", features, network.apply(variables, method="kernel"))
    bias = variables["params"]["head"]["classifier"]["bias"]
    np.testing.assert_allclose(maps.mean((1, 2)) + bias, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_network_can_be_split_after_every_stage(block):
    network, images = make_network("resnet10", 6, width=4, block=block), pixels()
    variables = random_variables(network, CARD)

    @jax.jit
    def run(variables, images):
        stages = [network.apply(variables, images, stage, method="features") for stage in STAGES]
        rest = [network.apply(variables, x, stage, method="logits") for x, stage in zip(stages, STAGES, strict=True)]
        return stages, rest, network.apply(variables, images)

    stages, rest, (features, logits) = run(variables, images)
    expected = PlainResNet(variables, bottleneck=block == "bottleneck", blocks=(1, 1, 1, 1)).stages(images)
    for stage, output in zip(STAGES, stages, strict=True):
        np.testing.assert_allclose(output, expected[stage], rtol=1e-4, atol=1e-5 * expected[stage].max())
    np.testing.assert_array_equal(stages[-1], features)
    for output in rest:
        np.testing.assert_allclose(output, logits, rtol=1e-5, atol=1e-5)


def test_every_resnet_is_compared():
    resnets = {name for name, entry in NETWORKS.items() if isinstance(entry.build(2).backbone, ResNet)}
    assert {case.partition("-")[0] for case in CASES} == resnets


def test_max_pooling_has_a_kernel_but_no_mean_identity():
    network, images = network_of("resnet10", pool="max"), pixels()
    variables = random_variables(network, CARD)
    features, logits = jax.jit(network.apply)(variables, images)
    kernel, bias = (variables["params"]["head"]["classifier"][name] for name in ("kernel", "bias"))
    np.testing.assert_array_equal(network.apply(variables, method="kernel"), kernel)
    np.testing.assert_allclose(logits, head(variables, np.asarray(features), np.max), rtol=1e-5, atol=1e-5)
    means = np.einsum("byxk,kc->byxc", features, kernel).mean((1, 2)) + bias
    assert np.abs(means - logits).max() > 0.1


@pytest.mark.parametrize("name, channels", [("resnet18", 512), ("resnet50", 2048)])
def test_stride_of_the_last_stage(name, channels):
    """Localization wants 14x14 cells where torchvision has 7x7, from the same weights."""
    images = jnp.zeros((1, 224, 224, 3))
    usual, fine = make_network(name, 1000), make_network(name, 1000, strides=(1, 2, 2, 1))
    shapes = jax.eval_shape(usual.init, jax.random.key(0), images)
    assert jax.eval_shape(fine.init, jax.random.key(0), images) == shapes
    for network, cells in ((usual, 7), (fine, 14)):
        features, logits = jax.eval_shape(network.apply, shapes, images)
        assert features.shape == (1, cells, cells, channels)
        assert logits.shape == (1, 1000)


def test_training_mode():
    """BatchNorm keeps a tenth of a batch's statistics, and dropout's choice depends on the key."""
    network, images = network_of("resnet10", dropout=0.5), pixels()
    variables = random_variables(network, CARD)
    options = {"train": True, "mutable": ["batch_stats"]}
    run = jax.jit(lambda key: network.apply(variables, images, rngs={"dropout": key}, **options))
    (features, logits), updates = run(jax.random.key(0))
    before = convolve(images, variables["params"]["backbone"]["conv1"]["kernel"], 2)
    old, new = (tree["batch_stats"]["backbone"]["bn1"] for tree in (variables, updates))
    np.testing.assert_allclose(new["mean"], 0.9 * old["mean"] + 0.1 * before.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(new["var"], 0.9 * old["var"] + 0.1 * before.var((0, 1, 2)), rtol=1e-4, atol=1e-5)
    (same, other), _ = run(jax.random.key(1))
    np.testing.assert_array_equal(features, same)
    assert not np.allclose(logits, other)


def test_equal_networks_are_interchangeable():
    """Networks are compared by their fields, so that two checkpoints of one kind share their compiled programs."""
    options = {"stem": "small", "strides": [1, 2, 2, 1]}
    a, b = make_network("resnet10", 6, **options), make_network("resnet10", 6, **options)
    assert a is not b
    assert a == b
    assert hash(a) == hash(b)
    assert a == make_network("resnet18", 6, blocks=(1, 1, 1, 1), **options)
    others = [
        make_network("resnet10", 6),
        make_network("resnet10", 7, **options),
        make_network("resnet18", 6, **options),
    ]
    assert a not in others
    assert a not in [
        make_network("resnet10", 6, dropout=0.5, **options),
        make_network("resnet10", 6, activation=nn.gelu),
    ]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"stem": "large"}, "stem: got 'large'; use one of imagenet, small, tiny"),
        ({"pool": "median"}, "pool: got 'median'; use one of mean, max"),
        ({"block": "plain"}, "block: got 'plain'; use one of basic, bottleneck"),
        ({"strides": (2, 2, 2)}, r"strides: got \(2, 2, 2\); give one number for each of the 4 stages"),
        ({"blocks": (1, 1, 1, 1, 1)}, r"blocks: got \(1, 1, 1, 1, 1\); give one number for each of the 4 stages"),
        ({"groups": 2}, "groups: got 2 of width 64 with basic blocks; use block='bottleneck'"),
        ({"width_per_group": 4}, "groups: got 1 of width 4 with basic blocks; use block='bottleneck'"),
        ({"block": "bottleneck", "width": 8, "width_per_group": 4}, "width: got 8 for groups of 4; give at least 16"),
        ({"depth": 3}, "network resnet10: got options .*depth"),
    ],
)
def test_wrong_option(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(make_network("resnet10", 6, **options).init, jax.random.key(0), pixels())


def test_unknown_network():
    with pytest.raises(ValueError, match=r"network: got 'resnet11'; known are .*resnet10, .*wide_resnet50_2"):
        make_network("resnet11", 6)


@pytest.mark.parametrize("method", ["features", "logits"])
def test_unknown_stage(method):
    network = network_of("resnet10")
    variables = random_variables(network, CARD)
    with pytest.raises(ValueError, match="stage: got 'layer5'; this network has stem, layer1, layer2, layer3, layer4"):
        network.apply(variables, pixels(), "layer5", method=method)


def test_head_without_kernel():
    class NoKernel(nn.Module):
        num_classes: int

        @nn.compact
        def __call__(self, features, train=False):
            return nn.Dense(self.num_classes)(features.reshape(len(features), -1))

    network = Classifier(ResNet("basic", (1, 1, 1, 1), 4, "small"), NoKernel(3))
    assert network.apply(random_variables(network, CARD), method="kernel") is None


def test_pools_over_any_number_of_axes():
    random = np.random.default_rng(0)
    for shape in ((2, 5, 4), (2, 3, 2, 2, 4)):
        features = random.normal(size=shape).astype(np.float32)
        linear = LinearHead(3)
        variables = linear.init(jax.random.key(0), features)
        expected = features.mean(tuple(range(1, len(shape) - 1))) @ variables["params"]["classifier"]["kernel"]
        np.testing.assert_allclose(linear.apply(variables, features), expected, rtol=1e-5, atol=1e-6)
