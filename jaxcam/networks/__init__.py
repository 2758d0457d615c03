"""The networks by name. A family is a file; a network is a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxcam.card import CAFFE, IMAGENET, IMAGENET_BICUBIC, SYMMETRIC, Preprocessing
from jaxcam.networks.alexnet import alexnet_gap, alexnet_original, alexnet_plus_gap, alexnet_torchvision
from jaxcam.networks.classifier import Backbone, Classifier, Functions
from jaxcam.networks.convnext import (
    convnext_base,
    convnext_base_gap,
    convnext_small,
    convnext_small_gap,
    convnext_tiny,
    convnext_tiny_gap,
)
from jaxcam.networks.densenet import densenet121, densenet161, densenet169, densenet201
from jaxcam.networks.efficientnet import (
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
)
from jaxcam.networks.googlenet import googlenet_gap, googlenet_gmp, googlenet_original
from jaxcam.networks.googlenet_torchvision import googlenet_bn
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.inception import inception_v3
from jaxcam.networks.mobilenet_v2 import mobilenet_v2
from jaxcam.networks.mobilenet_v3 import (
    mobilenet_v3_large,
    mobilenet_v3_large_gap,
    mobilenet_v3_small,
    mobilenet_v3_small_gap,
)
from jaxcam.networks.nin import network_in_network
from jaxcam.networks.regnet import (
    regnet_y_1_6gf,
    regnet_y_3_2gf,
    regnet_y_8gf,
    regnet_y_16gf,
    regnet_y_32gf,
    regnet_y_400mf,
    regnet_y_800mf,
)
from jaxcam.networks.resnet import (
    ResNet,
    resnet10,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from jaxcam.networks.shufflenet import shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0
from jaxcam.networks.squeezenet import squeezenet1_0, squeezenet1_1
from jaxcam.networks.vgg import (
    vgg11,
    vgg11_bn,
    vgg11_bn_gap,
    vgg11_gap,
    vgg13,
    vgg13_bn,
    vgg13_bn_gap,
    vgg13_gap,
    vgg16,
    vgg16_bn,
    vgg16_bn_gap,
    vgg16_gap,
    vgg19,
    vgg19_bn,
    vgg19_bn_gap,
    vgg19_gap,
)
from jaxcam.networks.vit import vit_b_16, vit_b_16_gap, vit_b_32, vit_b_32_gap


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
    "alexnet": Entry(alexnet_original, 227, CAFFE),
    "alexnet_gap": Entry(alexnet_gap, 227, CAFFE),
    "alexnet_plus_gap": Entry(alexnet_plus_gap, 227, CAFFE),
    "alexnet_torchvision": Entry(alexnet_torchvision),
    "convnext_tiny": Entry(convnext_tiny),
    "convnext_tiny_gap": Entry(convnext_tiny_gap),
    "convnext_small": Entry(convnext_small),
    "convnext_small_gap": Entry(convnext_small_gap),
    "convnext_base": Entry(convnext_base),
    "convnext_base_gap": Entry(convnext_base_gap),
    "densenet121": Entry(densenet121),
    "densenet161": Entry(densenet161),
    "densenet169": Entry(densenet169),
    "densenet201": Entry(densenet201),
    "efficientnet_b0": Entry(efficientnet_b0, 224, IMAGENET_BICUBIC),
    "efficientnet_b1": Entry(efficientnet_b1, 240),
    "efficientnet_b2": Entry(efficientnet_b2, 288, IMAGENET_BICUBIC),
    "efficientnet_b3": Entry(efficientnet_b3, 300, IMAGENET_BICUBIC),
    "efficientnet_b4": Entry(efficientnet_b4, 380, IMAGENET_BICUBIC),
    "googlenet": Entry(googlenet_original, 224, CAFFE),
    "googlenet_gap": Entry(googlenet_gap, 224, CAFFE),
    "googlenet_gmp": Entry(googlenet_gmp, 224, CAFFE),
    "googlenet_torchvision": Entry(googlenet_bn, 224, SYMMETRIC),
    "inception_v3": Entry(inception_v3, 299, SYMMETRIC),
    "mobilenet_v2": Entry(mobilenet_v2),
    "mobilenet_v3_small": Entry(mobilenet_v3_small),
    "mobilenet_v3_small_gap": Entry(mobilenet_v3_small_gap),
    "mobilenet_v3_large": Entry(mobilenet_v3_large),
    "mobilenet_v3_large_gap": Entry(mobilenet_v3_large_gap),
    "nin": Entry(network_in_network, 224, CAFFE),
    "regnet_y_400mf": Entry(regnet_y_400mf),
    "regnet_y_800mf": Entry(regnet_y_800mf),
    "regnet_y_1_6gf": Entry(regnet_y_1_6gf),
    "regnet_y_3_2gf": Entry(regnet_y_3_2gf),
    "regnet_y_8gf": Entry(regnet_y_8gf),
    "regnet_y_16gf": Entry(regnet_y_16gf),
    "regnet_y_32gf": Entry(regnet_y_32gf),
    "resnet10": Entry(resnet10),
    "resnet18": Entry(resnet18),
    "resnet34": Entry(resnet34),
    "resnet50": Entry(resnet50),
    "resnet101": Entry(resnet101),
    "resnet152": Entry(resnet152),
    "resnext50_32x4d": Entry(resnext50_32x4d),
    "resnext101_32x8d": Entry(resnext101_32x8d),
    "resnext101_64x4d": Entry(resnext101_64x4d),
    "wide_resnet50_2": Entry(wide_resnet50_2),
    "wide_resnet101_2": Entry(wide_resnet101_2),
    "shufflenet_v2_x0_5": Entry(shufflenet_v2_x0_5),
    "shufflenet_v2_x1_0": Entry(shufflenet_v2_x1_0),
    "shufflenet_v2_x1_5": Entry(shufflenet_v2_x1_5),
    "shufflenet_v2_x2_0": Entry(shufflenet_v2_x2_0),
    "squeezenet1_0": Entry(squeezenet1_0),
    "squeezenet1_1": Entry(squeezenet1_1),
    "vgg11": Entry(vgg11),
    "vgg11_bn": Entry(vgg11_bn),
    "vgg11_bn_gap": Entry(vgg11_bn_gap),
    "vgg11_gap": Entry(vgg11_gap),
    "vgg13": Entry(vgg13),
    "vgg13_bn": Entry(vgg13_bn),
    "vgg13_bn_gap": Entry(vgg13_bn_gap),
    "vgg13_gap": Entry(vgg13_gap),
    "vgg16": Entry(vgg16, 224, CAFFE),
    "vgg16_bn": Entry(vgg16_bn),
    "vgg16_bn_gap": Entry(vgg16_bn_gap),
    "vgg16_gap": Entry(vgg16_gap, 224, CAFFE),
    "vgg19": Entry(vgg19),
    "vgg19_bn": Entry(vgg19_bn),
    "vgg19_bn_gap": Entry(vgg19_bn_gap),
    "vgg19_gap": Entry(vgg19_gap),
    "vit_b_16": Entry(vit_b_16),
    "vit_b_16_gap": Entry(vit_b_16_gap),
    "vit_b_32": Entry(vit_b_32),
    "vit_b_32_gap": Entry(vit_b_32_gap),
}

__all__ = ["NETWORKS", "Backbone", "Classifier", "Entry", "Functions", "LinearHead", "ResNet"]
