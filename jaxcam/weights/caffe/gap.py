"""What the authors of class activation maps added to VGG-16 and GoogLeNet in their release."""

from collections.abc import Callable
from typing import Any

from jaxcam.weights.rules import Rule, Source

CLASSIFIER = "CAM_fc"
RULES = (
    Rule(r"CAM_conv", r"backbone/cam_conv", "convolution"),
    Rule(r"CAM_fc", r"head/classifier", "linear"),
)
FRESH = (r"head/.*", r"backbone/cam_conv/.*")  # where the source is the plain network


def cam_groups(channels: int) -> Callable[[Source], dict[str, Any]]:
    """The option `cam_groups` of a source whose CAM_conv reads so many channels; nothing where it has none."""

    def options(source: Source) -> dict[str, Any]:
        shape = source.arrays["CAM_conv.weight"].shape if "CAM_conv.weight" in source.arrays else ()
        whole = len(shape) == 4 and shape[1] and channels % shape[1] == 0
        return {"cam_groups": channels // shape[1]} if whole else {}

    return options
