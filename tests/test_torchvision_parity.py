"""Networks of torchvision with random weights, saved by torch and imported: the same logits and last features."""

import jax
import numpy as np
import pytest

import jaxcam

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

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
SMALLEST |= {"convnext_tiny", "efficientnet_b0", "regnet_y_400mf", "vit_b_32"}
BUILDERS = {"alexnet_torchvision": "alexnet"}  # where torchvision's builder has another name
OPTIONS = {}  # what torchvision's builder is to be told


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
        check(params, model, *FEATURES[name], (height, width))


def check(params, model, module, change, size):
    pixels = np.random.default_rng(0).normal(size=(1, 3, *size)).astype(np.float32)
    kept = []
    hook = model.get_submodule(module).register_forward_hook(lambda _module, _input, output: kept.append(output))
    with torch.no_grad():
        expected = model(torch.from_numpy(pixels)).numpy()
    hook.remove()
    features = kept[0] if change is None else change(kept[0])
    features = features.numpy().transpose(0, 2, 3, 1) if features.ndim == 4 else features.numpy()
    ours = jax.jit(params.network.apply)(params.variables, pixels.transpose(0, 2, 3, 1))
    for got, wanted in zip(ours, (features, expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
