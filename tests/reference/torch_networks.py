"""torchvision without its compiled operators, which no classification network needs, and torch networks compared."""

import re
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
import torch
from safetensors.torch import save_file

# A wheel of torchvision that was built for another torch cannot load its operators, and without them it cannot be
# imported: its Python code gives them shapes. So they are declared first; nothing ever calls them.
_LIBRARY = torch.library.Library("torchvision", "DEF")
_SIGNATURES = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align": "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
}
_found = find_spec("torchvision")
if _found is None or _found.origin is None:
    raise ImportError("torchvision is not installed: pip install --no-deps torchvision")
_source = Path(_found.origin).with_name("_meta_registrations.py")
for _name in set(re.findall(r'register_meta\("(\w+)"|torchvision::(\w+)"', _source.read_text(encoding="utf-8"))):
    _operator = "".join(_name)
    _LIBRARY.define(_operator + _SIGNATURES.get(_operator, "(Tensor x) -> Tensor"))

from torchvision import models  # noqa: E402

__all__ = ["check_equal", "models", "random_model", "randomize", "save_file"]


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
    for parameter in model.parameters():
        # Biases of zero, scales of one and a last layer of zeros would hide a mistake.
        if parameter.min() == parameter.max() == 0:
            torch.nn.init.normal_(parameter, 0, 0.1)
        elif parameter.min() == parameter.max():
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    with torch.no_grad():
        # Patches of 32 pixels and noise give BatchNorm the statistics that these weights lead to.
        model(torch.randn(4, 3, 7, 7).repeat_interleave(32, 2).repeat_interleave(32, 3) + torch.randn(4, 3, 224, 224))
    return model.eval()


def check_equal(params, model, module, change, size):
    """Two images, one of half the contrast, give the same features and scores in both, and scores of their own."""
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
    ours = jax.jit(params.network.apply)(params.variables, pixels.transpose(0, 2, 3, 1))
    for got, wanted in zip(ours, (features, expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
