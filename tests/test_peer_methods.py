"""Map methods against pytorch-grad-cam and torch-cam on one network's weights, after the same relu and scaling.

Where a peer deviates from the paper that it cites, its deviation is restated: what docstrings say of it is shown.
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import cv2
import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.forward import preprocess
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.cut import cut_at
from jaxcam.methods.table import METHODS
from tests.reference import map_methods as plain

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

pytestmark = pytest.mark.torch

SIZE = (96, 64)
LABELS = np.array([3, 251])
SMOOTH = {"std": 0.2, "num_samples": 2}
# Stage, which torchvision names alike: the last one, and one whose cells are more.
STAGES = ("layer4", "layer3")
# pytorch-grad-cam's class -> our method and options, for those that do the same.
OF_GRAD_CAM = {
    "GradCAM": ("grad_cam", {}),
    "GradCAMPlusPlus": ("grad_cam_plus_plus", {}),
    "XGradCAM": ("xgrad_cam", {}),
    "LayerCAM": ("layer_cam", {}),
    "HiResCAM": ("hires_cam", {"relu": True}),
    "GradCAMElementWise": ("grad_cam_elementwise", {}),
    "EigenCAM": ("eigen_cam", {"centred": True}),
    "EigenGradCAM": ("eigen_grad_cam", {}),
    "KPCA_CAM": ("kpca_cam", {}),
}
# torch-cam's class -> our method.
OF_TORCH_CAM = {"GradCAM": "grad_cam", "XGradCAM": "xgrad_cam", "LayerCAM": "layer_cam"}


def scaled(maps):
    """From 0 to 1."""
    maps = np.array(maps, np.float64)
    axes = tuple(range(1, maps.ndim))
    maps -= maps.min(axes, keepdims=True)
    return maps / maps.max(axes, keepdims=True)


def enlarged(maps, size=SIZE):
    """As pytorch-grad-cam shows maps: without what is below 0, enlarged, from 0 to 1."""
    return scaled([cv2.resize(np.maximum(one, 0).astype(np.float32), size[::-1]) for one in maps])


def check(maps, expected):
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-3)


@dataclass(frozen=True, eq=False)
class Network:
    """One network here and there, and the same images for both."""

    model: Any
    params: jaxcam.Params
    images: np.ndarray
    pixels: jax.Array
    tensor: Any


def imported(model, name, folder, *, size=SIZE, **options):
    networks.save_file(model.state_dict(), folder / "weights.safetensors")
    params = jaxcam.import_weights(folder / "weights.safetensors", name, **options)[0]
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    pixels = preprocess(params, images, image_size=size)
    tensor = torch.from_numpy(np.asarray(pixels).transpose(0, 3, 1, 2).copy())
    return Network(model, params, images, pixels, tensor)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """One whose gradients are large enough to outweigh what peers add to denominators."""
    model = networks.random_model("resnet18")
    model.fc.weight.data *= 100
    return imported(model, "resnet18", tmp_path_factory.mktemp("resnet"))


@pytest.fixture(scope="module")
def quiet_resnet(resnet):
    """The same with the small gradients that trained networks have."""
    model = networks.random_model("resnet18")
    parameters = resnet.params.variables["params"]
    classifier = parameters["head"]["classifier"]
    head = {"classifier": {**classifier, "kernel": classifier["kernel"] / 100}}
    params = resnet.params.replace(variables={**resnet.params.variables, "params": {**parameters, "head": head}})
    return replace(resnet, model=model, params=params)


@pytest.fixture(scope="module")
def ours():
    """On a stage's cells, by one program: name -> maps; features and gradients; and those of noisy copies."""

    @partial(jax.jit, static_argnums=2)
    def run(params, pixels, stage):
        cut = cut_at(params, pixels, stage)
        targets = class_weights(jax.numpy.asarray(LABELS), 1000)
        own = {**dict(OF_GRAD_CAM.values()), "fem": {}, "smooth_grad_cam_plus_plus": SMOOTH}
        maps = {name: METHODS[name].core(cut, targets, **options)[:, 0] for name, options in own.items()}
        cuts = [cut, *(cut_at(params, pixels + noise[None], stage) for noise in noises())]
        return maps, *((one.cells, one.gradients(targets)[:, 0]) for one in cuts)

    # What was computed is kept, for several tests.
    return cache(lambda network, stage: jax.device_get(run(network.params, network.pixels, stage)))


def noises():
    """Those of `smooth_grad_cam_plus_plus` without a key."""
    keys = jax.random.split(jax.random.key(0), SMOOTH["num_samples"])
    return [SMOOTH["std"] * jax.random.normal(key, (*SIZE, 3)) for key in keys]


def by_grad_cam(name, network, stage, **options):
    peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed: see the extra peers")
    targets = [peer.utils.model_targets.ClassifierOutputTarget(label) for label in LABELS]
    with getattr(peer, name)(network.model, [network.model.get_submodule(stage)], **options) as method:
        return method(network.tensor, targets)


def by_torch_cam(name, network, stage, change=None, **options):
    peer = pytest.importorskip("torchcam.methods", reason="torch-cam is not installed: see the extra peers")
    with getattr(peer, name)(network.model, stage, **options) as method:
        if change is not None:
            change(method)
        scores = network.model(network.tensor)
        return method(LABELS.tolist(), scores)[0].numpy()


@pytest.mark.parametrize("stage", STAGES)
def test_pytorch_grad_cam(resnet, ours, stage):
    maps, (cells, _), *_ = ours(resnet, stage)
    for name, (method, _) in OF_GRAD_CAM.items():
        theirs = by_grad_cam(name, resnet, stage)
        if name.startswith("Eigen"):  # of a sign that singular vectors happen to have
            signs = [np.abs(enlarged(sign * maps[method]) - theirs).max((1, 2)) for sign in (1, -1)]
            assert np.min(signs, axis=0).max() <= 1e-3
        else:
            check(enlarged(maps[method]), theirs)
    # It weighs features by the share of cells where a channel is strong; the paper weighs these by the channel's mean.
    strong = cells > cells.mean((1, 2), keepdims=True) + 2 * cells.std((1, 2), keepdims=True)
    theirs = by_grad_cam("FEM", resnet, stage)
    check(enlarged((strong.mean((1, 2), keepdims=True) * cells).sum(axis=-1)), theirs)
    assert np.abs(enlarged(maps["fem"]) - theirs).max() > 0.1


def test_pytorch_grad_cam_adds_to_a_denominator(quiet_resnet, ours):
    """1e-6, which is most of it where gradients are small."""
    maps, (cells, gradients), *_ = ours(quiet_resnet, "layer4")
    theirs = by_grad_cam("GradCAMPlusPlus", quiet_resnet, "layer4")
    pairs = zip(cells, gradients, strict=True)
    check(enlarged([plain.grad_cam_plus_plus(*pair, epsilon=1e-6) for pair in pairs]), theirs)
    assert np.abs(enlarged(maps["grad_cam_plus_plus"]) - theirs).max() > 0.01


@pytest.mark.parametrize("stage", STAGES)
def test_torch_cam(resnet, ours, stage):
    maps, (cells, gradients), *copies = ours(resnet, stage)
    for name, method in OF_TORCH_CAM.items():
        check(scaled(maps[method]), by_torch_cam(name, resnet, stage))
    # It divides a copy of the squares, and so by nothing.
    theirs = by_torch_cam("GradCAMpp", resnet, stage)
    weights = (gradients**2 * np.maximum(gradients, 0)).sum((1, 2), keepdims=True)
    check(scaled(np.maximum((weights * cells).sum(axis=-1), 0)), theirs)
    assert np.abs(scaled(maps["grad_cam_plus_plus"]) - theirs).max() > 0.01
    # It takes the last copy's features and gradients, and sums cubes with the features.
    noise = iter([torch.from_numpy(np.asarray(one).transpose(2, 0, 1).copy())[None] for one in noises()])
    stub = SimpleNamespace(sample=lambda size: next(noise).expand(size))
    theirs = by_torch_cam("SmoothGradCAMpp", resnet, stage, lambda method: setattr(method, "_distrib", stub), **SMOOTH)
    squares, cubes = (np.mean([one**power for _, one in copies], axis=0) for power in (2, 3))
    shares = squares / (2 * squares + (cubes * cells).sum((1, 2), keepdims=True) + 1e-8)
    last_cells, last_gradients = copies[-1]
    weights = (shares * np.maximum(last_gradients, 0)).sum((1, 2), keepdims=True)
    check(scaled(np.maximum((weights * last_cells).sum(axis=-1), 0)), theirs)
    assert np.abs(scaled(maps["smooth_grad_cam_plus_plus"]) - theirs).max() > 0.01


def test_torch_cams_class_activation_maps(resnet):
    """Without a relu, in spite of its docstring."""
    maps = jaxcam.cam(resnet.params, resnet.images, LABELS, image_size=SIZE, size="cells")
    check(scaled(maps), by_torch_cam("CAM", resnet, "layer4", fc_layer="fc"))


def test_torch_cam_brightens_maps_that_are_scaled_by_their_minimum_too(resnet, ours):
    peer = pytest.importorskip("torchcam.methods", reason="torch-cam is not installed: see the extra peers")
    maps = [torch.from_numpy(by_torch_cam("LayerCAM", resnet, "layer3")), torch.zeros(2, 1, 1)]
    check(np.tanh(2 * scaled(ours(resnet, "layer3")[0]["layer_cam"])), peer.LayerCAM.fuse_cams(maps).numpy())


def test_transformer_with_a_class_token(tmp_path):
    """Tokens over the image, as pytorch-grad-cam's reshape_transform lays them; before the last block by default."""
    options = {"num_layers": 3, "num_heads": 3, "hidden_dim": 48, "mlp_dim": 64}
    model = networks.randomize(networks.models.VisionTransformer(image_size=224, patch_size=32, **options))
    options = {"depth": 3, "heads": 3, "width": 48, "hidden": 64}
    network = imported(model, "vit_b_32", tmp_path, size=(224, 224), **options)
    maps = jaxcam.grad_cam(network.params, network.images, LABELS, size="cells")

    def over_the_image(tokens):
        return tokens[:, 1:].reshape(-1, 7, 7, 48).permute(0, 3, 1, 2)

    layer = "encoder.layers.encoder_layer_1"
    check(enlarged(maps, (224, 224)), by_grad_cam("GradCAM", network, layer, reshape_transform=over_the_image))
