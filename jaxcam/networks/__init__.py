"""The networks by name. A family is a file; a network is a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxcam.card import IMAGENET, Preprocessing
from jaxcam.networks.classifier import Backbone, Classifier, Functions
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.resnet import ResNet, resnet10, resnet18, resnet34, resnet50


@dataclass(frozen=True)
class Entry:
    """A line of the table.

    Attributes:
        build: `build(num_classes, **options)` gives the network.
        image_size: side of the square images that it is made for, in pixels.
        preprocessing: that its pretrained weights expect.
    """

    build: Callable[..., Classifier]
    image_size: int = 224
    preprocessing: Preprocessing = IMAGENET


NETWORKS: dict[str, Entry] = {
    "resnet10": Entry(resnet10),
    "resnet18": Entry(resnet18),
    "resnet34": Entry(resnet34),
    "resnet50": Entry(resnet50),
}

__all__ = ["NETWORKS", "Backbone", "Classifier", "Entry", "Functions", "LinearHead", "ResNet"]
