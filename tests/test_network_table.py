"""Every line of `jaxcam.networks.NETWORKS`: its size, its record, its maps."""

import functools

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.checkpoints.folders import _network_record
from jaxcam.cli import main
from jaxcam.network_table import summarize as trace_and_summarize
from jaxcam.networks import NETWORKS
from jaxcam.params import Params, default_card, make_network
from jaxcam.weights import ORIGINS
from tests.families import CLASSES, SMALLEST, SMALLEST_WITHOUT_KERNEL, params_of, photos, slow_unless
from tests.reference.class_maps import check_identity
from tests.reference.parameter_counts import PARAMETERS

summarize = functools.cache(trace_and_summarize)  # two tests ask about the same networks
# Of each kind of head one that is quick.
QUICK = ("alexnet_gap", "googlenet_gmp", "nin", "resnet10", "squeezenet1_1")
# The comparison with torchvision counts the parameters of the others, and checks what maps and logits they have.
COMPARED = {name for name in ORIGINS["torchvision"] if not name.endswith("_gap")} - {"squeezenet1_1"}
NARROW = {name for name in COMPARED if name.startswith("vgg") and name not in ("vgg11", "vgg16")}
# The smallest of each family, and those that no test but these runs.
RUN = {*SMALLEST, "convnext_small_gap", "convnext_base_gap", "mobilenet_v3_large_gap", "vit_b_16_gap"}
WITH_KERNEL = [name for name, entry in NETWORKS.items() if hasattr(entry.build(2).head, "kernel")]


def test_every_network_has_a_published_size():
    assert set(PARAMETERS) == set(NETWORKS)


@pytest.mark.parametrize("name", slow_unless(("alexnet", *QUICK), sorted(NETWORKS.keys() - COMPARED | NARROW)))
def test_number_of_parameters(name):
    assert summarize(name).parameters == PARAMETERS[name]


# In 1e9, as torchvision's documentation has them.
@pytest.mark.parametrize(
    "name, count",
    [
        ("densenet121", 2.834),
        ("efficientnet_b0", 0.386),
        ("inception_v3", 5.713),
        ("mobilenet_v2", 0.301),
        ("regnet_y_400mf", 0.402),
        ("resnet50", 4.089),
        ("squeezenet1_1", 0.349),
        ("vgg16", 15.470),
        ("vit_b_16", 17.564),
    ],
)
def test_multiply_adds(name, count):
    np.testing.assert_allclose(summarize(name).multiply_adds / 1e9, count, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_record_names_the_network(name):
    """A checkpoint finds its network again: no two lines of the table are equal, and options are fields."""
    network = make_network(name, 7)
    assert _network_record(network) == {"network": name, "options": {}}
    assert network == make_network(name, 7)
    assert hash(network) == hash(make_network(name, 7))


@pytest.mark.parametrize("name", slow_unless(QUICK, sorted({*QUICK, *RUN} - COMPARED)))
def test_mean_of_the_map_and_bias_give_the_logit(name):
    params = params_of(name)
    images = photos(params)
    labels = np.tile(np.arange(len(CLASSES)), (len(images), 1))
    means = jaxcam.cam(params, images, labels, size="cells").mean((2, 3))
    scores = jaxcam.logits(params, images)
    check_identity(params.network.head, params.variables["params"].get("head", {}), means, scores)


@pytest.mark.parametrize("name", slow_unless(QUICK, WITH_KERNEL))
def test_the_same_of_every_head(name):
    """Whatever features a network has, by its head alone."""
    network, random = make_network(name, len(CLASSES)), np.random.default_rng(0)
    features = random.normal(size=(2, 3, 4, len(CLASSES))).astype(np.float32)
    shapes = jax.eval_shape(network.head.init, jax.random.key(0), features)
    variables = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)
    labels = np.tile(np.arange(len(CLASSES)), (len(features), 1))
    kernel = network.head.apply(variables, method="kernel")
    means = jaxcam.cam_from_features(features, kernel, labels).mean((2, 3))
    check_identity(network.head, variables.get("params", {}), means, network.head.apply(variables, features))


@pytest.mark.parametrize("name", SMALLEST_WITHOUT_KERNEL)
def test_without_kernel_cam_is_refused(name):
    params = Params({}, make_network(name, 7), default_card(name, CLASSES))  # it is refused before anything is run
    with pytest.raises(ValueError, match="no class activation maps; use grad_cam"):
        jaxcam.cam(params, photos(params, count=1), np.array([1]))


def test_command_prints_the_table(capsys):
    assert main(["networks", "resnet18", "squeezenet1"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["network", "parameters", "multiply-adds", "input", "map", "cam", "weights", "from"]
    assert lines[0].split()[:9] == ["resnet18", "11.69", "M", "1.81", "G", "224x224", "7x7", "yes", "torchvision,"]
    assert {line.split()[0] for line in lines} >= {"resnet18", "squeezenet1_0", "squeezenet1_1"}


def test_command_refuses_an_unknown_network(capsys):
    assert main(["networks", "lenet"]) == 2
    assert "none begins with lenet; known are" in capsys.readouterr().err
