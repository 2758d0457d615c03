"""torchvision without its compiled operators, which no classification network needs."""

import re
from importlib.util import find_spec
from pathlib import Path

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

__all__ = ["random_model", "save_file"]


def random_model(name, **options):
    """A network of torchvision with random weights and statistics unlike those a network starts with."""
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model
