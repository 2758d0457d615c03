"""Models of timm with random weights, saved by torch and imported: the same logits and last features."""

import numpy as np
import pytest
from flax.traverse_util import flatten_dict

import jaxcam
from jaxcam.weights.timm import MODELS, TIMM

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
timm = pytest.importorskip("timm", reason="timm is not installed: pip install --no-deps timm huggingface_hub")
hub = pytest.importorskip("timm.models._hub", reason="timm is too old")

pytestmark = pytest.mark.torch

# Beginning of timm's name -> the module that gives the last feature map.
FEATURES = {
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
# The smallest of each family, for `make test`.
SMALLEST = ("convnext_tiny", "densenet121", "efficientnet_b0", "inception_v3", "mobilenet_v2", "mobilenet_v3_small")
SMALLEST += ("regnet_y_400mf", "resnet18", "vgg11", "vit_b_32")


# What a GAP network has fresh.
HEAD = {"head/classifier/kernel", "head/classifier/bias"}
CONVOLUTION = {"backbone/cam_conv/kernel", "backbone/cam_conv/bias"}


def cases():
    names = [name for name in TIMM if not name.endswith("_gap")]
    return [pytest.param(name, marks=() if name in SMALLEST else pytest.mark.slow) for name in names]


def save(architecture, folder):
    """A random model of timm's, and the file of its weights, as timm writes it and its config for the Hub."""
    torch.manual_seed(0)
    model = networks.randomize(timm.create_model(architecture, pretrained=False))
    hub.save_for_hf(model, folder, safe_serialization=True)
    return model, folder / "model.safetensors"


@pytest.mark.parametrize("name", cases())
def test_equals_timm(name, tmp_path):
    _, architecture = MODELS[name]
    model, file = save(architecture, tmp_path)
    params, report = jaxcam.import_weights(file, name)
    assert (report["origin"], report["fresh"]) == ("timm", [])
    said, card = model.pretrained_cfg, params.card
    assert (card.preprocessing.mean, card.preprocessing.std) == (said["mean"], said["std"])
    assert card.preprocessing.interpolation == {"bicubic": "catmull_rom"}.get(*[said["interpolation"]] * 2)
    assert card.image_size == said["input_size"][1:]
    (module,) = [module for beginning, module in FEATURES.items() if architecture.startswith(beginning)]
    height, width = card.image_size
    # The comparison with torchvision is at the networks' own sizes. For larger images timm's VGG makes a map of scores.
    networks.check_equal(
        params, model, module, None, (height, width) if name.startswith("vit") else (height - 61, width - 38)
    )
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
