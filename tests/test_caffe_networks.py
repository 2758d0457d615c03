"""The paper's networks against a NumPy restatement of Caffe's layers: every stage, the logits, the split, the maps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.traverse_util import flatten_dict

from jaxcam.card import CAFFE, IMAGENET, Card
from jaxcam.networks import NETWORKS
from jaxcam.params import default_card, make_network
from jaxcam.weights.origins import ORIGINS
from jaxcam.weights.rules import Source
from tests.reference import caffe_networks as plain
from tests.reference.caffe import global_max
from tests.reference.weights import random_variables

NARROW = {"channels": (8, 12, 10, 8, 6)}
CAM = {"cam_channels": 6}

# Name, options, image size, and the NumPy backbone and head.
CASES = {
    "alexnet": ({**NARROW, "width": 9}, (227, 227), plain.alexnet, plain.fully_connected),
    "alexnet-bvlc": (
        {**NARROW, "width": 9, "order": "norm_pool", "grid": (3, 2)},
        (109, 75),
        partial(plain.alexnet, order="norm_pool"),
        plain.fully_connected,
    ),
    "alexnet_gap": ({**NARROW, **CAM}, (109, 83), partial(plain.alexnet, pool5=0), plain.pooled_linear),
    "alexnet_gap-groups": (
        {**NARROW, **CAM, "cam_groups": 2},
        (83, 109),
        partial(plain.alexnet, pool5=0),
        plain.pooled_linear,
    ),
    "alexnet_plus_gap": (
        {"channels": (8, 12, 10, 8, 6, 8, 10)},
        (131, 99),
        partial(plain.alexnet, pool5=1),
        plain.pooled_linear,
    ),
    "vgg16": ({"channels": 4, "width": 9, "grid": (3, 2)}, (75, 53), plain.vgg, plain.fully_connected),
    "vgg16_gap": ({"channels": 4, **CAM}, (75, 53), plain.vgg, plain.pooled_linear),
    "vgg16_gap-groups": ({"channels": 4, **CAM, "cam_groups": 2}, (53, 75), plain.vgg, plain.pooled_linear),
    "googlenet": ({}, (75, 53), plain.googlenet, plain.pooled_linear),
    "googlenet_gap": ({**CAM, "cam_groups": 2}, (53, 75), plain.googlenet, plain.pooled_linear),
    "googlenet_gmp": (CAM, (75, 53), plain.googlenet, partial(plain.pooled_linear, pool=global_max)),
    "nin": ({}, (75, 67), plain.nin, plain.pooled),
}
CORE = {"alexnet_gap", "vgg16_gap", "googlenet_gap"}
SLOW = {"googlenet", "googlenet_gmp"}  # which have the layers of googlenet_gap, and the heads of others


def case_of(case, **options):
    """The network, variables and images of the scale that Caffe feeds, at which normalization does something."""
    fixed, size, _, _ = CASES[case]
    network = make_network(case.partition("-")[0], 6, **fixed, **options)
    images = np.random.default_rng(0).normal(0, 70, (2, *size, 3)).astype(np.float32)
    return network, random_variables(network, Card(image_size=size)), images


def expected_blobs(case, variables, images, act=plain.relu):
    """What NumPy makes of them, channels last."""
    *_, backbone, head = CASES[case]
    weights = plain.caffe_weights(variables)
    blobs = backbone(weights, images.transpose(0, 3, 1, 2), act=act)
    blobs.update(head(weights, list(blobs.values())[-1], act=act))
    return {name: blob.transpose(0, 2, 3, 1) if blob.ndim == 4 else blob for name, blob in blobs.items()}


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def marks_of(case):
    return [pytest.mark.core] * (case in CORE) + [pytest.mark.slow] * (case in SLOW)


@pytest.mark.parametrize("case", [pytest.param(case, marks=marks_of(case)) for case in CASES])
def test_equals_numpy_after_every_stage(case):
    network, variables, images = case_of(case)
    expected = expected_blobs(case, variables, images)
    assert (*network.stages, "logits") == tuple(expected)

    @jax.jit
    def stage_by_stage(variables, images):
        x, before, outputs = images, None, []
        for stage in network.backbone.stages:
            x = network.apply(variables, x, before, stage, method=lambda bound, *call: bound.backbone(*call))
            before = stage
            outputs.append(x)
        outputs += [
            network.apply(variables, images, stage, method="features") for stage in network.stages[len(outputs) :]
        ]
        return outputs, network.apply(variables, images)

    outputs, (features, logits) = stage_by_stage(variables, images)
    for stage, output in zip(network.stages, outputs, strict=True):
        assert_close(output, expected[stage])
    assert_close(features, expected[network.backbone.stages[-1]])
    assert_close(logits, expected["logits"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["alexnet-bvlc", "alexnet_plus_gap", "vgg16", "googlenet_gap", "nin"])
def test_logits_from_every_stage(case):
    network, variables, images = case_of(case)
    expected = expected_blobs(case, variables, images)
    stages = {stage: expected[stage].astype(np.float32) for stage in network.stages}

    @jax.jit
    def rest(variables, stages):
        return [network.apply(variables, x, stage, method="logits") for stage, x in stages.items()]

    for logits in rest(variables, stages):
        assert_close(logits, expected["logits"])


@pytest.mark.parametrize("case", ["alexnet-bvlc", "vgg16", pytest.param("googlenet", marks=pytest.mark.slow), "nin"])
def test_activation_is_replaced_everywhere(case):
    network, variables, images = case_of(case, activation=partial(nn.leaky_relu, negative_slope=0.3))
    expected = expected_blobs(case, variables, images, act=lambda x: np.where(x > 0, x, 0.3 * x))
    features, logits = jax.jit(network.apply)(variables, images)
    assert_close(features, expected[network.backbone.stages[-1]])
    assert_close(logits, expected["logits"])


@pytest.mark.parametrize(
    "name, size, cells",
    [
        ("alexnet", 227, 6),
        ("alexnet_gap", 227, 13),
        ("alexnet_plus_gap", 227, 11),
        ("vgg16", 224, 7),
        ("vgg16_gap", 224, 14),
        ("googlenet_gap", 224, 14),
        ("googlenet_gmp", 224, 14),
        ("googlenet", 224, 7),
        ("nin", 224, 6),
    ],
)
def test_map_size_and_input(name, size, cells):
    entry, network = NETWORKS[name], make_network(name, 1000)
    assert (entry.image_size, entry.preprocessing) == (size, CAFFE)
    images = jnp.zeros((1, size, size, 3))
    (features, logits), _ = jax.eval_shape(network.init_with_output, jax.random.key(0), images)
    assert features.shape[1:3] == (cells, cells)
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_gap"])
def test_weights_of_torchvision_bring_their_inputs_and_pooling(name):
    table = ORIGINS["torchvision"][name]
    assert table.card(default_card(name, ()), Source({})).preprocessing == IMAGENET
    assert not make_network(name, 6, **table.options(Source({}))).backbone.ceil
    assert make_network(name, 6).backbone.ceil


def test_order_of_pooling_and_normalization_matters():
    outputs = []
    for order in ("pool_norm", "norm_pool"):
        network, variables, images = case_of("alexnet_gap", order=order)
        outputs.append(jax.jit(network.apply)(variables, images)[0])
    assert not np.allclose(*outputs, rtol=1e-2)


# What training drops, seen by dropping all: the stages before and after it, or, in a head, the logits that are left.
@pytest.mark.parametrize(
    "case, kept, dropped",
    [
        ("alexnet-bvlc", "pool5", "fc6"),
        pytest.param("vgg16", "pool5", "fc6", marks=pytest.mark.slow),
        ("vgg16_gap", "cam_conv", None),
        pytest.param("googlenet", "inception_5b", None, marks=pytest.mark.slow),
        ("nin", "cccp6", "pool3"),
    ],
)
def test_place_of_dropout(case, kept, dropped):
    network, variables, images = case_of(case, dropout=1.0)
    stages = [kept, dropped] if dropped else [kept]

    @jax.jit
    def run(variables, images):
        options = {"train": True, "rngs": {"dropout": jax.random.key(0)}}
        outputs = [network.apply(variables, images, stage, method="features", **options) for stage in stages]
        return outputs, network.apply(variables, images, **options)[1]

    outputs, logits = run(variables, images)
    assert [bool(output.any()) for output in outputs] == [True, False][: len(stages)]
    if case != "nin":
        assert_close(logits, np.tile(variables["params"]["head"]["classifier"]["bias"], (2, 1)))


@pytest.mark.parametrize(
    "name, rate",
    [
        ("alexnet", 0.5),
        ("alexnet_gap", 0),
        ("alexnet_plus_gap", 0.5),
        ("vgg16", 0.5),
        ("vgg16_gap", 0.5),
        ("googlenet", 0.4),
        ("googlenet_gap", 0),
        ("googlenet_gmp", 0),
    ],
)
def test_rate_of_dropout(name, rate):
    assert make_network(name, 6).head.dropout == rate


def initial(network, chosen):
    """Some of the weights that a backbone starts with, by path: XLA drops the computation of the others."""

    @jax.jit
    def draw(key):
        weights = flatten_dict(network.init(key, jnp.zeros((1, 64, 64, 3)))["params"]["backbone"])
        return {path: leaf for path, leaf in weights.items() if chosen(path)}

    return draw(jax.random.key(0))


@pytest.mark.parametrize(
    "name, options, bias",
    [
        ("alexnet_gap", NARROW, 0),
        pytest.param("vgg16_gap", {"channels": 16}, 0, marks=pytest.mark.slow),
        ("googlenet_gap", {"last": "inception_3a"}, 1),
    ],
)
def test_added_convolution_starts_as_in_the_release(name, options, bias):
    network = make_network(name, 6, cam_channels=512, **options)
    added = initial(network, lambda path: path[0] == "cam_conv")
    np.testing.assert_allclose(np.std(added["cam_conv", "kernel"]), 0.01, rtol=0.02)
    np.testing.assert_array_equal(added["cam_conv", "bias"], bias)


def test_alexnet_starts_as_published():
    """Caffe's has biases of 1, which keep units alive at first, but for conv1 and conv3; torchvision's has none."""
    biases = {}
    for name, narrow in {
        "alexnet_plus_gap": {"channels": [4, 6, 6, 4, 6, 4, 6]},
        "alexnet_torchvision": {"channels": [4, 6, 6, 4, 6], "width": 8},
    }.items():
        network = make_network(name, 6, **narrow)
        assert network == make_network(
            name, 6, **{**narrow, "channels": tuple(narrow["channels"])}
        )  # a record has lists
        biases[name] = [np.mean(bias) for _, bias in sorted(initial(network, lambda path: path[-1] == "bias").items())]
    assert biases == {"alexnet_plus_gap": [0, 1, 0, 1, 1, 1, 1], "alexnet_torchvision": [0, 0, 0, 0, 0]}


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("alexnet", {"order": "pool first"}, "order: got 'pool first'; use one of pool_norm, norm_pool, pool"),
        ("alexnet_gap", {"channels": [8, 8]}, r"groups: got \(1, 2, 1, 2, 2\); give one number for each"),
        ("googlenet", {"last": "6a"}, "last: got '6a'; use one of inception_3a, .*inception_5b"),
        ("vgg16_gap", {"cam_groups": 3}, "cam_groups: got 3; 512 and 1024 channels are not divisible by it"),
        ("nin", {"cam_groups": 2}, "network nin: got options .*cam_groups"),
    ],
)
def test_wrong_option(name, options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(make_network(name, 6, **options).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
