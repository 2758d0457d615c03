"""timm's state dicts, by network."""

from collections.abc import Mapping
from dataclasses import replace

from jaxcam.card import Card
from jaxcam.weights.rules import Source, Table
from jaxcam.weights.timm.config import card_of, check_architecture
from jaxcam.weights.timm.convnext import CONVNEXT, CONVNEXT_GAP
from jaxcam.weights.timm.mobile import (
    EFFICIENTNET,
    MOBILENET_V2,
    MOBILENET_V3_LARGE,
    MOBILENET_V3_LARGE_GAP,
    MOBILENET_V3_SMALL,
    MOBILENET_V3_SMALL_GAP,
)
from jaxcam.weights.timm.regnet import REGNET_Y
from jaxcam.weights.timm.vgg import VGG
from jaxcam.weights.timm.vit import VIT, VIT_GAP
from jaxcam.weights.torchvision.densenet import DENSENET
from jaxcam.weights.torchvision.inception import INCEPTION
from jaxcam.weights.torchvision.resnet import RESNET


def published(table: Table, architecture: str) -> Table:
    """The table for files of a model of timm's, fed as their publisher says."""

    def options(source: Source):
        check_architecture(source, architecture)
        return table.options(source)

    def card(usual: Card, source: Source) -> Card:
        return card_of(table.card(usual, source), source)

    return replace(table, options=options, card=card)


# Network -> its table, and the model of timm's that is the same network. Where timm names arrays as torchvision does,
# the table is torchvision's.
MODELS: Mapping[str, tuple[Table, str]] = {
    "convnext_tiny": (CONVNEXT, "convnext_tiny"),
    "convnext_tiny_gap": (CONVNEXT_GAP, "convnext_tiny"),
    "convnext_small": (CONVNEXT, "convnext_small"),
    "convnext_small_gap": (CONVNEXT_GAP, "convnext_small"),
    "convnext_base": (CONVNEXT, "convnext_base"),
    "convnext_base_gap": (CONVNEXT_GAP, "convnext_base"),
    "densenet121": (DENSENET, "densenet121"),
    "densenet161": (DENSENET, "densenet161"),
    "densenet169": (DENSENET, "densenet169"),
    "densenet201": (DENSENET, "densenet201"),
    "efficientnet_b0": (EFFICIENTNET, "efficientnet_b0"),
    "efficientnet_b1": (EFFICIENTNET, "efficientnet_b1"),
    "efficientnet_b2": (EFFICIENTNET, "efficientnet_b2"),
    "efficientnet_b3": (EFFICIENTNET, "efficientnet_b3"),
    "efficientnet_b4": (EFFICIENTNET, "efficientnet_b4"),
    "inception_v3": (INCEPTION, "inception_v3"),
    "mobilenet_v2": (MOBILENET_V2, "mobilenetv2_100"),
    "mobilenet_v3_small": (MOBILENET_V3_SMALL, "mobilenetv3_small_100"),
    "mobilenet_v3_small_gap": (MOBILENET_V3_SMALL_GAP, "mobilenetv3_small_100"),
    "mobilenet_v3_large": (MOBILENET_V3_LARGE, "mobilenetv3_large_100"),
    "mobilenet_v3_large_gap": (MOBILENET_V3_LARGE_GAP, "mobilenetv3_large_100"),
    "regnet_y_400mf": (REGNET_Y, "regnety_004"),
    "regnet_y_800mf": (REGNET_Y, "regnety_008_tv"),
    "regnet_y_1_6gf": (REGNET_Y, "regnety_016"),
    "regnet_y_3_2gf": (REGNET_Y, "regnety_032"),
    "regnet_y_8gf": (REGNET_Y, "regnety_080_tv"),
    "regnet_y_16gf": (REGNET_Y, "regnety_160"),
    "regnet_y_32gf": (REGNET_Y, "regnety_320"),
    "resnet18": (RESNET, "resnet18"),
    "resnet34": (RESNET, "resnet34"),
    "resnet50": (RESNET, "resnet50"),
    "resnet101": (RESNET, "resnet101"),
    "resnet152": (RESNET, "resnet152"),
    "resnext50_32x4d": (RESNET, "resnext50_32x4d"),
    "resnext101_32x8d": (RESNET, "resnext101_32x8d"),
    "resnext101_64x4d": (RESNET, "resnext101_64x4d"),
    "wide_resnet50_2": (RESNET, "wide_resnet50_2"),
    "wide_resnet101_2": (RESNET, "wide_resnet101_2"),
    **{name: (table, name.removesuffix("_gap")) for name, table in VGG.items()},
    "vit_b_16": (VIT, "vit_base_patch16_224"),
    "vit_b_16_gap": (VIT_GAP, "vit_base_patch16_224"),
    "vit_b_32": (VIT, "vit_base_patch32_224"),
    "vit_b_32_gap": (VIT_GAP, "vit_base_patch32_224"),
}

TIMM: dict[str, Table] = {name: published(table, architecture) for name, (table, architecture) in MODELS.items()}
