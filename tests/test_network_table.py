"""Every line of `jaxcam.networks.NETWORKS`: its size, its record, its maps, its gradients, and that it lowers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.card import Card
from jaxcam.checkpoints.folders import _network_record
from jaxcam.cli import main
from jaxcam.network_table import summarize
from jaxcam.networks import NETWORKS
from jaxcam.params import Params, default_card, make_network
from tests.reference.parameter_counts import PARAMETERS
from tests.reference.weights import random_variables

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")

# The smallest network of each family that has a kernel, and of those that have none.
SMALLEST = (
    "alexnet_gap",
    "convnext_tiny_gap",
    "densenet121",
    "efficientnet_b0",
    "googlenet_gap",
    "googlenet_torchvision",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small_gap",
    "nin",
    "regnet_y_400mf",
    "resnet10",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "vgg11_gap",
    "vit_b_32_gap",
)
SMALLEST_WITHOUT_KERNEL = ("alexnet", "convnext_tiny", "mobilenet_v3_small", "vit_b_32")
WITH_KERNEL = [name for name, entry in NETWORKS.items() if hasattr(entry.build(2).head, "kernel")]


def params_of(name, *, own_size=False):
    """A network with random weights; unless at its own size, for images of less than half of it."""
    card = default_card(name, CLASSES)
    size = card.image_size if own_size else tuple(length // 2 // 32 * 32 for length in card.image_size)
    card = Card(CLASSES, image_size=size, preprocessing=card.preprocessing)
    network = make_network(name, len(CLASSES))
    return Params(jax.tree.map(jnp.asarray, random_variables(network, card)), network, card)


def photos(params, count=2):
    return np.random.default_rng(1).integers(0, 256, (count, *params.card.image_size, 3), dtype=np.uint8)


def slow_unless(names):
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in WITH_KERNEL]


def test_every_network_has_a_published_size():
    assert set(PARAMETERS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_number_of_parameters(name):
    assert summarize(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_record_names_the_network(name):
    """A checkpoint finds its network again: no two lines of the table are equal, and options are fields."""
    network = make_network(name, 7)
    assert _network_record(network) == {"network": name, "options": {}}
    assert network == make_network(name, 7)
    assert hash(network) == hash(make_network(name, 7))


@pytest.mark.parametrize("name", slow_unless((*SMALLEST, "googlenet_gmp")))
def test_mean_of_the_map_and_bias_give_the_logit(name):
    params = params_of(name)
    images = photos(params)
    labels = np.tile(np.arange(len(CLASSES)), (len(images), 1))
    means = jaxcam.cam(params, images, labels, size="cells").mean((2, 3))
    if "classifier" in params.variables["params"].get("head", {}):
        means = means + params.variables["params"]["head"]["classifier"]["bias"][None]
    scores = jaxcam.logits(params, images)
    assert np.ptp(scores) > 0.01
    if getattr(params.network.head, "pool", "mean") == "mean":
        np.testing.assert_allclose(means, scores, rtol=1e-4, atol=1e-5 * np.abs(scores).max())
    else:
        assert np.abs(means - scores).max() > 0.01 * np.abs(scores).max()


@pytest.mark.parametrize("name", [*SMALLEST, *SMALLEST_WITHOUT_KERNEL])
def test_gradients(name):
    """Of one class score, by the image and by every weight: there, finite, and as a difference quotient says."""
    params = params_of(name, own_size=name.startswith("vit") and name in SMALLEST_WITHOUT_KERNEL)
    pixels = jnp.asarray(photos(params, count=1), jnp.float32) / 255

    @jax.jit
    def score_and_gradients(pixels):
        def score(variables, pixels):
            return jaxcam.logits(params.replace(variables=variables), pixels)[0, 3]

        return jax.value_and_grad(score, (0, 1))(params.variables, pixels)

    value, (by_weights, by_pixels) = score_and_gradients(pixels)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((by_weights, by_pixels)))
    idle = [path for path, leaf in jax.tree_util.tree_leaves_with_path(by_weights["params"]) if not leaf.any()]
    assert not idle
    slope = jnp.linalg.norm(by_pixels)
    step = by_pixels / slope * (0.01 * jnp.abs(value) / slope)  # should move the score by a hundredth of it
    moved = score_and_gradients(pixels + step)[0] - score_and_gradients(pixels - step)[0]
    np.testing.assert_allclose(moved, 0.02 * jnp.abs(value), rtol=0.1)


@pytest.mark.parametrize("name", SMALLEST_WITHOUT_KERNEL)
def test_without_kernel_cam_is_refused(name):
    params = params_of(name, own_size=True)
    with pytest.raises(ValueError, match="no class activation maps; use grad_cam"):
        jaxcam.cam(params, photos(params, count=1), np.array([1]))


@pytest.mark.parametrize("name", SMALLEST)
def test_cam_lowers_for_accelerators(name):
    """What fails on a TPU or a GPU for its operations fails here, without one."""
    params = params_of(name)
    images = jax.ShapeDtypeStruct((2, 64, 48, 3), jnp.uint8)
    labels = jax.ShapeDtypeStruct((2, 3), jnp.int32)
    variables = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params.variables)

    @jax.jit
    def cam(variables, images, labels):
        return jaxcam.cam(params.replace(variables=variables), images, labels)

    exported = jax.export.export(cam, platforms=["tpu", "cuda"])(variables, images, labels)
    assert exported.platforms == ("tpu", "cuda")
    assert [output.shape for output in exported.out_avals] == [(2, 3, 64, 48)]


def test_command_prints_the_table(capsys):
    assert main(["networks", "resnet1", "resnet50"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["network", "parameters", "multiply-adds", "input", "map", "cam", "weights", "from"]
    assert lines[1].split()[:9] == ["resnet18", "11.69", "M", "1.81", "G", "224x224", "7x7", "yes", "torchvision,"]
    assert {line.split()[0] for line in lines} >= {"resnet10", "resnet18", "resnet50", "resnet101"}


def test_command_refuses_an_unknown_network(capsys):
    assert main(["networks", "lenet"]) == 2
    assert "none begins with lenet; known are" in capsys.readouterr().err
