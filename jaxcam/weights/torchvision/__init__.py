"""torchvision's state dicts, by network."""

from jaxcam.weights.rules import Table
from jaxcam.weights.torchvision.resnet import RESNET

TORCHVISION: dict[str, Table] = {
    "resnet18": RESNET,
    "resnet34": RESNET,
    "resnet50": RESNET,
}
