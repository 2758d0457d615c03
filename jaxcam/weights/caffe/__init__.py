"""Caffe's `.caffemodel` files, by network."""

from jaxcam.weights.caffe.alexnet import ALEXNET, ALEXNET_GAP, ALEXNET_PLUS_GAP
from jaxcam.weights.caffe.googlenet import GOOGLENET, GOOGLENET_GAP
from jaxcam.weights.caffe.nin import NIN
from jaxcam.weights.caffe.vgg import VGG16, VGG16_GAP
from jaxcam.weights.rules import Table

CAFFE: dict[str, Table] = {
    "alexnet": ALEXNET,
    "alexnet_gap": ALEXNET_GAP,
    "alexnet_plus_gap": ALEXNET_PLUS_GAP,
    "googlenet": GOOGLENET,
    "googlenet_gap": GOOGLENET_GAP,
    "googlenet_gmp": GOOGLENET_GAP,
    "nin": NIN,
    "vgg16": VGG16,
    "vgg16_gap": VGG16_GAP,
}
