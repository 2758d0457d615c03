"""Weights made elsewhere: torchvision's, timm's and Caffe's, read by tables of rules."""

from jaxcam.weights.importing import import_weights
from jaxcam.weights.origins import ORIGINS

__all__ = ["ORIGINS", "import_weights"]
