"""Networks of torchvision with random weights, saved by torch and imported: the same logits and last features."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.card import IMAGENET
from jaxcam.forward import normalize_channels
from jaxcam.networks import NETWORKS

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

pytestmark = pytest.mark.torch

# Network -> the module of torchvision's that gives the last feature map, and what is to be done to its output.
FEATURES = {
    "alexnet_torchvision": ("features", None),
    "convnext_tiny": ("features", None),
    "convnext_small": ("features", None),
    "convnext_base": ("features", None),
    "densenet121": ("features", torch.relu),
    "densenet161": ("features", torch.relu),
    "densenet169": ("features", torch.relu),
    "densenet201": ("features", torch.relu),
    "efficientnet_b0": ("features", None),
    "efficientnet_b1": ("features", None),
    "efficientnet_b2": ("features", None),
    "efficientnet_b3": ("features", None),
    "efficientnet_b4": ("features", None),
    "googlenet_torchvision": ("inception5b", None),
    "inception_v3": ("Mixed_7c", None),
    "mobilenet_v2": ("features", None),
    "mobilenet_v3_small": ("features", None),
    "mobilenet_v3_large": ("features", None),
    "regnet_y_400mf": ("trunk_output", None),
    "regnet_y_800mf": ("trunk_output", None),
    "regnet_y_1_6gf": ("trunk_output", None),
    "regnet_y_3_2gf": ("trunk_output", None),
    "regnet_y_8gf": ("trunk_output", None),
    "regnet_y_16gf": ("trunk_output", None),
    "regnet_y_32gf": ("trunk_output", None),
    "resnet18": ("layer4", None),
    "resnet34": ("layer4", None),
    "resnet50": ("layer4", None),
    "resnet101": ("layer4", None),
    "resnet152": ("layer4", None),
    "resnext50_32x4d": ("layer4", None),
    "resnext101_32x8d": ("layer4", None),
    "resnext101_64x4d": ("layer4", None),
    "wide_resnet50_2": ("layer4", None),
    "wide_resnet101_2": ("layer4", None),
    "shufflenet_v2_x0_5": ("conv5", None),
    "shufflenet_v2_x1_0": ("conv5", None),
    "shufflenet_v2_x1_5": ("conv5", None),
    "shufflenet_v2_x2_0": ("conv5", None),
    "squeezenet1_0": ("classifier.2", None),
    "squeezenet1_1": ("classifier.2", None),
    "vgg11": ("features", None),
    "vgg11_bn": ("features", None),
    "vgg13": ("features", None),
    "vgg13_bn": ("features", None),
    "vgg16": ("features", None),
    "vgg16_bn": ("features", None),
    "vgg19": ("features", None),
    "vgg19_bn": ("features", None),
    "vit_b_16": ("encoder", None),
    "vit_b_32": ("encoder", None),
}
# The smallest of each family, for `make test`.
SMALLEST = {"resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"}
SMALLEST |= {"alexnet_torchvision", "vgg11"}
SMALLEST |= {"googlenet_torchvision", "inception_v3", "convnext_tiny", "efficientnet_b0", "regnet_y_400mf", "vit_b_32"}
# Where torchvision's builder has another name.
BUILDERS = {"alexnet_torchvision": "alexnet", "googlenet_torchvision": "googlenet"}
# What torchvision's builder is to be told: that there are auxiliary classifiers, as in the published weights.
WITH_AUXILIARY = {"aux_logits": True, "init_weights": False}
OPTIONS = {"googlenet_torchvision": WITH_AUXILIARY, "inception_v3": WITH_AUXILIARY}


def cases():
    return [pytest.param(name, marks=() if name in SMALLEST else pytest.mark.slow) for name in FEATURES]


@pytest.mark.parametrize("name", cases())
def test_equals_torchvision(name, tmp_path):
    model = networks.random_model(BUILDERS.get(name, name), **OPTIONS.get(name, {}))
    networks.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    params, report = jaxcam.import_weights(tmp_path / "weights.safetensors", name)
    assert report["fresh"] == []
    size = params.card.image_size
    for height, width in (size,) if name.startswith("vit") else (size, (size[0] - 61, size[1] + 38)):
        networks.check_equal(params, model, *FEATURES[name], (height, width))


@pytest.mark.parametrize("name, model", [("inception_v3", "Inception3"), ("googlenet_torchvision", "GoogLeNet")])
def test_card_does_what_torchvision_does_inside(name, model):
    """The published weights take ImageNet's normalization back in the network, transform_input=True."""
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 8, 6, 3)), jnp.float32)
    normalized = normalize_channels(images, IMAGENET)
    tell = SimpleNamespace(transform_input=True)
    expected = getattr(networks.models, model)._transform_input(
        tell, torch.tensor(np.asarray(normalized)).permute(0, 3, 1, 2)
    )
    ours = normalize_channels(images, NETWORKS[name].preprocessing)
    np.testing.assert_allclose(ours, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-6)
