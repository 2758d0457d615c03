"""Networks of torchvision and timm with random weights, saved by torch and imported: the same logits and features.

What is compiled for the one library's weights serves the other's in the same process: all tests of a network stand in
one file.
"""

from contextlib import contextmanager
from functools import cache

import jax
import numpy as np
import pytest
import torch
from flax.traverse_util import flatten_dict

import jaxcam
from jaxcam.networks import NETWORKS
from jaxcam.weights import importing
from jaxcam.weights.timm import MODELS, TIMM
from tests.reference import torch_networks as networks
from tests.reference.parameter_counts import PARAMETERS

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
# What the names of residual networks begin with, which stand in a file of their own.
RESIDUAL = ("densenet", "regnet", "resne", "wide_resnet")
# The smallest of each family, for `make test` too.
SMALLEST = {"resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"}
SMALLEST |= {"alexnet_torchvision", "vgg11"}
SMALLEST |= {"googlenet_torchvision", "inception_v3", "convnext_tiny", "efficientnet_b0", "regnet_y_400mf", "vit_b_32"}
# Where torchvision's builder has another name.
BUILDERS = {"alexnet_torchvision": "alexnet", "googlenet_torchvision": "googlenet"}
# What it is to be told: that there are auxiliary classifiers, as in the published weights.
WITH_AUXILIARY = {"aux_logits": True, "init_weights": False}
OPTIONS = {"googlenet_torchvision": WITH_AUXILIARY, "inception_v3": WITH_AUXILIARY}

# Sizes of which these heads average several cells, in place of an odd one; timm's VGG makes a map of scores then.
LARGER = {"alexnet_torchvision": (163, 262), "vgg11": (163, 262)}
# The smallest VGG and the paper's are compared as they are, the others with narrower layers behind the convolutions.
WHOLE = {"vgg11", "vgg16"}

# Beginning of timm's name -> the module that gives the last feature map.
FEATURES_OF_TIMM = {
    "convnext": "stages",
    "densenet": "features",
    "efficientnet": "bn2",
    "inception": "Mixed_7c",
    "mobilenetv2": "bn2",
    "mobilenetv3": "blocks",
    "regnety": "s4",
    "resnet": "layer4",
    "resnext": "layer4",
    "vgg": "features",
    "vit": "norm",
    "wide_resnet": "layer4",
}

# What a GAP network has fresh.
HEAD = {"head/classifier/kernel", "head/classifier/bias"}
CONVOLUTION = {"backbone/cam_conv/kernel", "backbone/cam_conv/bias"}


@pytest.fixture(autouse=True, scope="module")
def traced_once():
    """The shapes of a network's variables are the same for each file."""
    with pytest.MonkeyPatch.context() as patch:
        of = cache(lambda network, size: network_shapes(network, jaxcam.Card(image_size=size)))
        network_shapes = importing.network_shapes
        patch.setattr(importing, "network_shapes", lambda network, card: of(network, card.image_size))
        yield


def networks_of(names, *, residual):
    """Parameters of a test: the plain networks that are residual, or all others."""
    return [
        pytest.param(name, marks=() if name in SMALLEST else pytest.mark.slow)
        for name in names
        if name.startswith(RESIDUAL) == residual and not name.endswith("_gap")
    ]


def odd_size(name):
    """Another size than a network's own, where it takes any."""
    size = NETWORKS[name].image_size
    if name.startswith("vit"):
        return size, size
    return size // 2 - 13, size // 2 + 42


@contextmanager
def layers_of(name):
    """Inside, a network of the other library is made with the layers that ours has by the options given."""
    if name.startswith("vgg") and name not in WHOLE:
        with networks.narrow_layers():
            yield {"width": networks.NARROW}
    else:
        yield {}


def check_torchvision(name, folder):
    with layers_of(name) as options:
        model = networks.random_model(BUILDERS.get(name, name), **OPTIONS.get(name, {}))
    networks.save_file(model.state_dict(), folder / "weights.safetensors")
    params, report = jaxcam.import_weights(folder / "weights.safetensors", name, **options)
    assert report["fresh"] == []
    if options == {}:
        assert sum(leaf.size for leaf in jax.tree.leaves(params.variables["params"])) == PARAMETERS[name]
    # The geometry is a family's: the larger ones are compared at the smaller size alone, as the time goes with it.
    own = [params.card.image_size] if name in SMALLEST else []
    for size in dict.fromkeys((*own, LARGER.get(name, odd_size(name)))):
        networks.check_equal(params, model, *FEATURES[name], size)


def save(architecture, folder):
    """A random model of timm's, and the file of its weights, as timm writes it and its config for the Hub."""
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install --no-deps timm huggingface_hub")
    hub = pytest.importorskip("timm.models._hub", reason="timm is too old")
    torch.manual_seed(0)
    model = networks.randomize(timm.create_model(architecture, pretrained=False))
    hub.save_for_hf(model, folder, safe_serialization=True)
    return model, folder / "model.safetensors"


def check_timm(name, folder):
    _, architecture = MODELS[name]
    with layers_of(name) as options:
        model, file = save(architecture, folder)
    params, report = jaxcam.import_weights(file, name, **options)
    assert (report["origin"], report["fresh"]) == ("timm", [])
    said, card = model.pretrained_cfg, params.card
    assert (card.preprocessing.mean, card.preprocessing.std) == (said["mean"], said["std"])
    assert card.preprocessing.interpolation == {"bicubic": "catmull_rom"}.get(*[said["interpolation"]] * 2)
    assert card.image_size == said["input_size"][1:]
    (module,) = [module for beginning, module in FEATURES_OF_TIMM.items() if architecture.startswith(beginning)]
    networks.check_equal(params, model, module, None, odd_size(name))
    if f"{name}_gap" in TIMM:
        check_gap(f"{name}_gap", file, params)


def check_gap(name, file, plain):
    """The GAP network's fresh part is named, and what the plain one has too is the same."""
    params, report = jaxcam.import_weights(file, name, origin="timm", num_classes=3)
    assert set(report["fresh"]) == (HEAD | CONVOLUTION if name.startswith("vgg") else HEAD)
    shared = 0
    theirs = flatten_dict(plain.variables, sep="/")
    for path, leaf in flatten_dict(params.variables, sep="/").items():
        if path in theirs and "head" not in path and "positions" not in path:
            np.testing.assert_array_equal(leaf, theirs[path])
            shared += 1
    assert shared >= len(theirs) - 8
