"""torchvision, with or without its compiled operators."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import torch


def declare_operators(package: Path) -> None:
    """Make torchvision importable where its wheel was built for another torch, whose operators cannot be loaded.

    Its Python code gives the operators shapes, and for that they must be declared; no network calls them.
    """
    signatures = {
        "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "roi_align": "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor",
    }
    source = (package / "_meta_registrations.py").read_text(encoding="utf-8")
    for names in set(re.findall(r'register_meta\("(\w+)"|torchvision::(\w+)"', source)):
        operator = "".join(names)
        LIBRARY.define(operator + signatures.get(operator, "(Tensor x) -> Tensor"))


FOUND = find_spec("torchvision")
if FOUND is None or FOUND.origin is None:
    raise ModuleNotFoundError("torchvision is not installed: pip install --no-deps torchvision")
try:
    from torchvision import models
except RuntimeError:
    for _module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_module]
    LIBRARY = torch.library.Library("torchvision", "DEF")
    declare_operators(Path(FOUND.origin).parent)
    from torchvision import models

__all__ = ["models"]
