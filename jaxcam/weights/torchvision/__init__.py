"""torchvision's state dicts, by network."""

from jaxcam.weights.rules import Table
from jaxcam.weights.torchvision.alexnet import ALEXNET
from jaxcam.weights.torchvision.convnext import CONVNEXT, CONVNEXT_GAP
from jaxcam.weights.torchvision.densenet import DENSENET
from jaxcam.weights.torchvision.efficientnet import EFFICIENTNET
from jaxcam.weights.torchvision.googlenet import GOOGLENET
from jaxcam.weights.torchvision.inception import INCEPTION
from jaxcam.weights.torchvision.mobilenet_v2 import MOBILENET_V2
from jaxcam.weights.torchvision.mobilenet_v3 import MOBILENET_V3, MOBILENET_V3_GAP
from jaxcam.weights.torchvision.regnet import REGNET_Y
from jaxcam.weights.torchvision.resnet import RESNET
from jaxcam.weights.torchvision.shufflenet import SHUFFLENET
from jaxcam.weights.torchvision.squeezenet import SQUEEZENET1_0, SQUEEZENET1_1
from jaxcam.weights.torchvision.vgg import VGG
from jaxcam.weights.torchvision.vit import VIT, VIT_GAP

TORCHVISION: dict[str, Table] = {
    "alexnet_torchvision": ALEXNET,
    "convnext_tiny": CONVNEXT,
    "convnext_tiny_gap": CONVNEXT_GAP,
    "convnext_small": CONVNEXT,
    "convnext_small_gap": CONVNEXT_GAP,
    "convnext_base": CONVNEXT,
    "convnext_base_gap": CONVNEXT_GAP,
    "densenet121": DENSENET,
    "densenet161": DENSENET,
    "densenet169": DENSENET,
    "densenet201": DENSENET,
    "efficientnet_b0": EFFICIENTNET,
    "efficientnet_b1": EFFICIENTNET,
    "efficientnet_b2": EFFICIENTNET,
    "efficientnet_b3": EFFICIENTNET,
    "efficientnet_b4": EFFICIENTNET,
    "googlenet_torchvision": GOOGLENET,
    "inception_v3": INCEPTION,
    "mobilenet_v2": MOBILENET_V2,
    "mobilenet_v3_small": MOBILENET_V3,
    "mobilenet_v3_small_gap": MOBILENET_V3_GAP,
    "mobilenet_v3_large": MOBILENET_V3,
    "mobilenet_v3_large_gap": MOBILENET_V3_GAP,
    "regnet_y_400mf": REGNET_Y,
    "regnet_y_800mf": REGNET_Y,
    "regnet_y_1_6gf": REGNET_Y,
    "regnet_y_3_2gf": REGNET_Y,
    "regnet_y_8gf": REGNET_Y,
    "regnet_y_16gf": REGNET_Y,
    "regnet_y_32gf": REGNET_Y,
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
    "vit_b_16": VIT,
    "vit_b_16_gap": VIT_GAP,
    "vit_b_32": VIT,
    "vit_b_32_gap": VIT_GAP,
}
