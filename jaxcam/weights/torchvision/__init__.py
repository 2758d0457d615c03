"""torchvision's state dicts, by network."""

from jaxcam.weights.rules import Table
from jaxcam.weights.torchvision.alexnet import ALEXNET
from jaxcam.weights.torchvision.densenet import DENSENET
from jaxcam.weights.torchvision.mobilenet_v2 import MOBILENET_V2
from jaxcam.weights.torchvision.mobilenet_v3 import MOBILENET_V3, MOBILENET_V3_GAP
from jaxcam.weights.torchvision.resnet import RESNET
from jaxcam.weights.torchvision.shufflenet import SHUFFLENET
from jaxcam.weights.torchvision.squeezenet import SQUEEZENET1_0, SQUEEZENET1_1
from jaxcam.weights.torchvision.vgg import VGG

TORCHVISION: dict[str, Table] = {
    "alexnet_torchvision": ALEXNET,
    "densenet121": DENSENET,
    "densenet161": DENSENET,
    "densenet169": DENSENET,
    "densenet201": DENSENET,
    "mobilenet_v2": MOBILENET_V2,
    "mobilenet_v3_small": MOBILENET_V3,
    "mobilenet_v3_small_gap": MOBILENET_V3_GAP,
    "mobilenet_v3_large": MOBILENET_V3,
    "mobilenet_v3_large_gap": MOBILENET_V3_GAP,
    "resnet18": RESNET,
    "resnet34": RESNET,
    "resnet50": RESNET,
    "resnet101": RESNET,
    "resnet152": RESNET,
    "resnext50_32x4d": RESNET,
    "resnext101_32x8d": RESNET,
    "resnext101_64x4d": RESNET,
    "wide_resnet50_2": RESNET,
    "wide_resnet101_2": RESNET,
    "shufflenet_v2_x0_5": SHUFFLENET,
    "shufflenet_v2_x1_0": SHUFFLENET,
    "shufflenet_v2_x1_5": SHUFFLENET,
    "shufflenet_v2_x2_0": SHUFFLENET,
    "squeezenet1_0": SQUEEZENET1_0,
    "squeezenet1_1": SQUEEZENET1_1,
    **VGG,
}
