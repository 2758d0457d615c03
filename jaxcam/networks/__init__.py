"""The networks by name. A family is a file; a network is a line here."""

from collections.abc import Callable

from jaxcam.networks.classifier import Classifier, Functions, LinearHead
from jaxcam.networks.resnet import ResNet, resnet10, resnet18, resnet34, resnet50

NETWORKS: dict[str, Callable[..., Classifier]] = {
    "resnet10": resnet10,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
}

__all__ = ["NETWORKS", "Classifier", "Functions", "LinearHead", "ResNet"]
