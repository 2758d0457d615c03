"""DenseNet, MobileNet, ShuffleNet and SqueezeNet: what a comparison with torchvision's outputs does not show."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file

import jaxcam
from jaxcam.card import Card
from jaxcam.checkpoints.folders import _network_record
from jaxcam.params import make_network
from tests.reference.weights import random_variables

pytestmark = pytest.mark.slow

# The smallest network of each family, and options that make it smaller still.
NAMES = ("densenet121", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1")
SHORT = {"blocks": (1, 2, 1, 1), "growth": 4, "width": 6}
SMALL = {"densenet121": SHORT, "shufflenet_v2_x0_5": {"widths": (8, 16, 32, 64, 128)}}
CARD = Card(image_size=(75, 53))


def pixels(*size):
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)


def shapes_of(network, size=CARD.image_size):
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    return jax.eval_shape(lambda image: network.init_with_output(jax.random.key(0), image), image)


# Counted in the papers' tables: the stem's, those of the blocks, of what joins them, of the last norm or convolution.
@pytest.mark.parametrize("name, field, count", [
    ("densenet121", "activation", 1 + 2 * (6 + 12 + 24 + 16) + 3 + 1),
    ("mobilenet_v2", "activation", 1 + (1 + 2 * 16) + 1),
    ("mobilenet_v3_small", "activation", 1 + 2 * 8 + 1 + 1),  # and that of the head
    ("mobilenet_v3_small", "relu", (1 + 2 * 2) + 9),  # of the first three blocks, and of nine pairs of gates
    ("mobilenet_v3_small_gap", "activation", 1 + 2 * 8 + 1),
    ("mobilenet_v3_large", "activation", 1 + 2 * 9 + 1 + 1),
    ("mobilenet_v3_large", "relu", (1 + 2 * 5) + 8),
    ("shufflenet_v2_x0_5", "activation", 1 + (3 * 3 + 13 * 2) + 1),
    ("squeezenet1_1", "activation", 1 + 3 * 8 + 1),
])  # fmt: skip
def test_activation_is_replaced_everywhere(name, field, count):
    calls = []

    def recording(x):
        calls.append(x.shape)
        return x

    shapes_of(make_network(name, 7, **{field: recording}))
    assert len(calls) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_stages_run_one_by_one(name):
    """At an odd size, and each by itself, so that a network can be split after any of them."""
    network, images = make_network(name, 7, **SMALL.get(name, {})), pixels(*CARD.image_size)
    variables = random_variables(network, CARD)
    of_backbone = {collection: tree["backbone"] for collection, tree in variables.items()}

    @jax.jit
    def run(of_backbone, variables, x):
        whole = network.apply(variables, x)
        for previous, stage in zip((None, *network.stages), network.stages, strict=False):
            x = network.backbone.apply(of_backbone, x, previous, stage)
        return whole, (x, network.apply(variables, x, method="logits"))

    for wanted, got in zip(*run(of_backbone, variables, images), strict=True):
        assert np.ptp(wanted) > 0.01
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


# Which torchvision documents.
@pytest.mark.parametrize("name, side", [*zip(NAMES, (29, 1, 1, 1, 21), strict=True), ("squeezenet1_0", 21)])
def test_smallest_size(name, side):
    (features, logits), _ = shapes_of(make_network(name, 7), (side, side))
    assert features.shape[:-1] == (1, 1, 1)
    assert logits.shape == (1, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:-1])
def test_training_mode(name):
    """Every norm keeps its share of the old statistics, and dropout's choice depends on the key."""
    network, images = make_network(name, 7, dropout=0.5, **SMALL.get(name, {})), pixels(64, 48)
    variables = random_variables(network, CARD)

    @jax.jit
    def run(statistics, key):
        trained = {**variables, "batch_stats": statistics}
        return network.apply(trained, images, train=True, mutable=["batch_stats"], rngs={"dropout": key})

    old = variables["batch_stats"]
    (features, logits), new = run(old, jax.random.key(0))
    (same, other), of_batch = run(jax.tree.map(jnp.zeros_like, old), jax.random.key(1))
    np.testing.assert_array_equal(features, same)
    assert not np.allclose(logits, other)
    # A batch's own statistics do not depend on the old ones, so that the difference is the share of these.
    share = 0.99 if name.startswith("mobilenet_v3") else 0.9
    for before, after, without in zip(*map(jax.tree.leaves, (old, new, of_batch)), strict=True):
        np.testing.assert_allclose(after - without, share * before, rtol=1e-3, atol=1e-4 * np.abs(without).max())
        assert np.abs(without).max() > 0


def test_dropout_of_squeezenet_stands_before_the_class_maps():
    network, images = make_network("squeezenet1_1", 7), pixels(64, 48)
    variables = random_variables(network, CARD)
    run = jax.jit(lambda key: network.apply(variables, images, train=True, rngs={"dropout": key}))
    (features, logits), (others, _) = run(jax.random.key(0)), run(jax.random.key(1))
    assert not np.allclose(features, others)
    np.testing.assert_allclose(features.mean((1, 2)), logits, rtol=1e-5)


@pytest.mark.parametrize(
    "name, dropout", [*zip(NAMES, (0, 0.2, 0.2, 0, 0.5), strict=True), ("mobilenet_v3_large_gap", 0.2)]
)
def test_dropout_is_the_published_one(name, dropout):
    network = make_network(name, 7)
    part = network.backbone if name.startswith("squeezenet") else network.head
    assert part.dropout == dropout
    assert make_network(name, 7, dropout=0.7) != network


@pytest.mark.parametrize("name, usual", [("densenet121", 1e-5), ("mobilenet_v2", 1e-5), ("mobilenet_v3_small", 1e-3)])
def test_epsilon_reaches_every_norm(name, usual):
    for options, expected in (({}, usual), ({"epsilon": 0.5}, 0.5)):
        found = []

        def record(call, arguments, keywords, context, found=found):
            if isinstance(context.module, nn.BatchNorm):
                found.append(context.module.epsilon)
            return call(*arguments, **keywords)

        with nn.intercept_methods(record):
            _, variables = shapes_of(make_network(name, 7, **SMALL.get(name, {}), **options))
        assert len(found) == len(jax.tree.leaves(variables["batch_stats"])) / 2
        assert set(found) == {expected}


def test_initialization_is_as_released():
    """He's by the fan-in: normal in DenseNet, uniform in SqueezeNet, whose last convolution has a deviation of .01."""

    def kernels(name, channels, since, upto, **options):
        backbone, x = make_network(name, 500, **options).backbone, jnp.zeros((1, 4, 4, channels))
        parts = jax.jit(lambda key: backbone.init(key, x, since, upto))(jax.random.key(0))["params"]
        return [np.asarray(leaf) for path, leaf in flatten_dict(parts).items() if path[-1] == "kernel"]

    for kernel in kernels("densenet121", 64, "stem", "block1", blocks=(1, 1, 1, 1)):
        deviation = np.sqrt(2 / np.prod(kernel.shape[:-1]))
        np.testing.assert_allclose(kernel.std(), deviation, rtol=0.05)
        assert np.abs(kernel).max() > 3 * deviation
    last, *fire = kernels("squeezenet1_1", 512, "fire8", "conv10")
    for kernel in fire:
        deviation = np.sqrt(2 / np.prod(kernel.shape[:-1]))
        np.testing.assert_allclose(kernel.std(), deviation, rtol=0.05)
        assert np.abs(kernel).max() <= np.sqrt(3) * deviation
    np.testing.assert_allclose(last.std(), 0.01, rtol=0.02)


@pytest.mark.parametrize("name, options", [
    ("densenet121", {"blocks": [1, 2, 1, 1], "growth": 4, "width": 6, "epsilon": 0.1, "pool": "max"}),
    ("mobilenet_v2", {"epsilon": 0.1, "dropout": 0.0}),
    ("mobilenet_v3_small", {"epsilon": 0.1, "hidden": 64}),
    ("mobilenet_v3_large_gap", {"epsilon": 0.1, "pool": "max"}),
    ("shufflenet_v2_x0_5", {"widths": [8, 16, 32, 64, 128]}),
    ("squeezenet1_0", {"dropout": 0.25}),
])  # fmt: skip
def test_record_holds_the_options(name, options):
    network = make_network(name, 7, **options)
    record = _network_record(network)
    assert make_network(record["network"], 7, **record["options"]) == network
    assert set(record["options"]) == set(options)


@pytest.mark.parametrize("name, options, message", [
    ("densenet121", {"blocks": (6, 12, 24)}, r"blocks: got \(6, 12, 24\); give one number for each of the 4 blocks"),
    ("mobilenet_v3_small", {"size": "tiny"}, "size: got 'tiny'; use one of large, small"),
    ("shufflenet_v2_x0_5", {"widths": (24, 48, 96, 192)}, r"widths: got \(24, 48, 96, 192\); give 5 numbers, even"),
    ("shufflenet_v2_x0_5", {"widths": (24, 48, 97, 192, 1024)}, "widths: got .*; give 5 numbers, even ones"),
    ("squeezenet1_0", {"version": "1.2"}, "version: got '1.2'; use one of 1.0, 1.1"),
])  # fmt: skip
def test_wrong_option(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_network(name, 7, **options)


@pytest.mark.parametrize("dot", [".", ""])
def test_densenet_is_read_under_old_and_new_names(dot, tmp_path):
    """The released files call "norm.1" what torchvision calls "norm1" today."""
    variables = random_variables(make_network("densenet121", 7, **SHORT), CARD)
    names = {"scale": "weight", "kernel": "weight", "mean": "running_mean", "var": "running_var", "bias": "bias"}
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    arrays = {}
    for (_, part, *modules, leaf), array in flatten_dict(variables).items():
        path = ".".join(["features", *modules] if part == "backbone" else modules)
        path = re.sub(r"(block\d)_(\d+)\.(conv|norm)(\d)", rf"dense\1.denselayer\2.\3{dot}\4", path)
        arrays[f"{path}.{names[leaf]}"] = np.ascontiguousarray(array.transpose(axes[array.ndim]))
    save_file(arrays, tmp_path / "densenet.safetensors")
    assert f"features.denseblock2.denselayer2.norm{dot}1.running_mean" in arrays
    params, report = jaxcam.import_weights(tmp_path / "densenet.safetensors", "densenet121", **SHORT)
    assert report["fresh"] == []
    jax.tree.map(np.testing.assert_array_equal, params.variables, variables)
