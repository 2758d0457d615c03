"""Networks of torch compared with ours."""

from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from benchmarks.any_torchvision import models
from safetensors.torch import save_file

import jaxcam
from jaxcam.compilation import jit_network
from tests.reference.class_maps import check_identity

__all__ = ["NARROW", "check_equal", "models", "narrow_layers", "random_model", "randomize", "save_file"]

NARROW = 1024  # outputs of a layer that has 4096


class NarrowLinear(torch.nn.Linear):
    """One that has `NARROW` units for 4096."""

    def __init__(self, inputs, outputs, **options):
        super().__init__(*(NARROW if length == 4096 else length for length in (inputs, outputs)), **options)


@contextmanager
def narrow_layers():
    """VGGs are made with narrow layers behind the convolutions, which hold nine tenths of their weights."""
    if find_spec("timm"):
        from timm.models import vgg  # before Linear is another: its own layers are made from that

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn, "Linear", NarrowLinear)
        if find_spec("timm"):
            layers = vgg.ConvMlp
            patch.setattr(
                vgg, "ConvMlp", lambda inputs, _, *sizes, **options: layers(inputs, NARROW, *sizes, **options)
            )
        yield


def random_model(name, **options):
    """A network of torchvision with random weights and statistics unlike those a network starts with."""
    torch.manual_seed(0)
    return randomize(getattr(models, name)(weights=None, **options))


def randomize(model):
    """The model for inference, with weights and statistics unlike those it starts with and under which the scores tell
    one image from another, so that no mistake in a deep layer is lost.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            module.momentum = 1.0
            module.train()
    for module in model.modules():
        if hasattr(module, "downsample") and hasattr(module, "bn2"):
            # In fifty residual blocks of full strength float32 itself is off by 5e-4; trained ones begin at zero.
            torch.nn.init.uniform_((getattr(module, "bn3", None) or module.bn2).weight, 0.1, 0.3)
    for parameter in model.parameters():
        # Biases of zero, scales of one and a last layer of zeros would hide a mistake.
        if parameter.min() == parameter.max() == 0:
            torch.nn.init.normal_(parameter, 0, 0.1)
        elif parameter.min() == parameter.max():
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    if any(module.training for module in model.modules()):
        # Patches of 32 pixels and noise give BatchNorm the statistics that these weights lead to.
        patches = torch.randn(4, 3, 7, 7).repeat_interleave(32, 2).repeat_interleave(32, 3)
        with torch.no_grad():
            model(patches + torch.randn(4, 3, 224, 224))
    return model.eval()


@partial(jit_network, static_argnums=0)
def run(network, variables, pixels):
    """Features and scores; compiled once for a network whose weights come from two libraries."""
    return network.apply(variables, pixels)


def check_equal(params, model, module, change, size):
    """Two images, one of half the contrast, give the same features and scores in both, and scores of their own.

    Where the head has a kernel, the class maps' means and the biases are the scores.
    """
    pixels = np.random.default_rng(0).normal(size=(2, 3, *size)).astype(np.float32)
    pixels[1] /= 2
    kept = []
    hook = model.get_submodule(module).register_forward_hook(lambda _module, _input, output: kept.append(output))
    with torch.no_grad():
        expected = model(torch.from_numpy(pixels)).numpy()
    hook.remove()
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()
    features = kept[0] if change is None else change(kept[0])
    features = features.numpy().transpose(0, 2, 3, 1) if features.ndim == 4 else features.numpy()
    ours = run(params.network, params.variables, pixels.transpose(0, 2, 3, 1))
    for got, wanted in zip(ours, (features, expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    head = params.network.head
    if hasattr(head, "kernel"):
        weights, labels = params.variables["params"].get("head", {}), np.tile(np.arange(expected.shape[1]), (2, 1))
        kernel = head.apply({"params": weights}, method="kernel")
        check_identity(head, weights, jaxcam.cam_from_features(ours[0], kernel, labels).mean((2, 3)), ours[1])
