"""Where weights come from: for each origin, how each network is read."""

from jaxcam.weights.caffe import CAFFE
from jaxcam.weights.rules import Table
from jaxcam.weights.timm import TIMM
from jaxcam.weights.torchvision import TORCHVISION

ORIGINS: dict[str, dict[str, Table]] = {"torchvision": TORCHVISION, "timm": TIMM, "caffe": CAFFE}
