"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv 1512.03385), grouped
ones (ResNeXt: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, arXiv 1611.05431)
and wide ones (Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, arXiv 1605.07146).

Structure and numerics are torchvision's: a bottleneck's stride stands on its 3x3 convolution, BatchNorm's epsilon is
1e-5. For maps twice as fine, such as 14x14 cells of 224x224 pixels for localization, give `strides=(1, 2, 2, 1)`: no
weight changes its shape, so the same ones are imported and loaded.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import every, kernel_init, max_pool
from jaxcam.networks.winograd import convolve

convolution = partial(nn.Conv, use_bias=False, kernel_init=kernel_init, conv_general_dilated=convolve)
batch_norm = partial(nn.BatchNorm, momentum=0.9, epsilon=1e-5)

# Stem name -> (kernel, stride, max-pool after it). "small" and "tiny" keep more cells of small images.
STEMS = {"imagenet": (7, 2, True), "small": (3, 2, False), "tiny": (3, 1, False)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    width: int
    stride: int
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        norm = partial(batch_norm, use_running_average=not train)
        y = convolution(self.width, (3, 3), self.stride, padding=1, name="conv1")(x)
        y = self.activation(norm(name="bn1")(y))
        y = convolution(self.width, (3, 3), padding=1, name="conv2")(y)
        y = norm(name="bn2")(y)
        if self.stride != 1 or x.shape[-1] != y.shape[-1]:
            x = convolution(self.width, (1, 1), name="downsample_conv")(every(self.stride, x))
            x = norm(name="downsample_bn")(x)
        return self.activation(x + y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the last four times as wide, and a shortcut.

    Attributes:
        width: a quarter of the output's channels.
        groups: of channels that the 3x3 convolution keeps apart.
        width_per_group: channels of each of them where `width` is 64.
    """

    width: int
    stride: int
    activation: Callable
    groups: int
    width_per_group: int

    @nn.compact
    def __call__(self, x, train: bool):
        norm = partial(batch_norm, use_running_average=not train)
        inner = self.width * self.width_per_group // 64 * self.groups
        y = convolution(inner, (1, 1), name="conv1")(x)
        y = self.activation(norm(name="bn1")(y))
        y = convolution(inner, (3, 3), self.stride, padding=1, feature_group_count=self.groups, name="conv2")(y)
        y = self.activation(norm(name="bn2")(y))
        y = convolution(4 * self.width, (1, 1), name="conv3")(y)
        y = norm(name="bn3")(y)
        if self.stride != 1 or x.shape[-1] != y.shape[-1]:
            x = convolution(4 * self.width, (1, 1), name="downsample_conv")(every(self.stride, x))
            x = norm(name="downsample_bn")(x)
        return self.activation(x + y)


BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


class ResNet(Backbone):
    """The backbone: a stem and four stages of residual blocks.

    Attributes:
        block: "basic" or "bottleneck".
        blocks: number of blocks of each stage.
        width: channels of the first stage; each later stage doubles them.
        stem: "imagenet" (7x7 stride 2, max-pool), "small" (3x3 stride 2) or "tiny" (3x3 stride 1).
        strides: stride of each stage; (1, 2, 2, 1) gives maps twice as fine as torchvision's (1, 2, 2, 2).
        groups: of channels that a bottleneck's 3x3 convolution keeps apart.
        width_per_group: channels of each of them, in the first stage of a network of width 64.
        activation: the non-linearity everywhere.
    """

    block: str
    blocks: tuple[int, ...]
    width: int = 64
    stem: str = "imagenet"
    strides: tuple[int, ...] = (1, 2, 2, 2)
    groups: int = 1
    width_per_group: int = 64
    activation: Callable = nn.relu
    stages = ("stem", "layer1", "layer2", "layer3", "layer4")

    def __post_init__(self):
        for name, known in (("block", BLOCKS), ("stem", STEMS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; use one of {', '.join(known)}")
        for name in ("blocks", "strides"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"{name}: got {getattr(self, name)}; give one number for each of the 4 stages")
        if self.block == "basic" and (self.groups, self.width_per_group) != (1, 64):
            raise ValueError(
                f"groups: got {self.groups} of width {self.width_per_group} with basic blocks; use block='bottleneck'"
            )
        if self.width * self.width_per_group < 64:
            least = -(-64 // self.width_per_group)
            raise ValueError(f"width: got {self.width} for groups of {self.width_per_group}; give at least {least}")
        super().__post_init__()

    def run(self, name, x, train):
        return self._stem(x, train) if name == "stem" else self._stage(x, self.stages.index(name) - 1, train)

    def _stem(self, x, train):
        kernel, stride, pool = STEMS[self.stem]
        x = convolution(self.width, (kernel, kernel), stride, padding=kernel // 2, name="conv1")(x)
        x = self.activation(batch_norm(use_running_average=not train, name="bn1")(x))
        return max_pool(x, 3, 2, padding=1) if pool else x

    def _stage(self, x, stage, train):
        groups = (self.groups, self.width_per_group) if self.block == "bottleneck" else ()
        for index in range(self.blocks[stage]):
            block = BLOCKS[self.block](
                self.width * 2**stage,
                self.strides[stage] if index == 0 else 1,
                self.activation,
                *groups,
                name=f"layer{stage + 1}_{index}",
            )
            x = block(x, train)
        return x


def resnet(
    num_classes: int,
    *,
    block: str,
    blocks: tuple[int, ...],
    pool: str = "mean",
    dropout: float = 0.0,
    strides: Sequence[int] = (1, 2, 2, 2),
    **options: Any,
) -> Classifier:
    """A residual network with a pooled linear head; `options` are the other fields of `ResNet`."""
    backbone = ResNet(block, tuple(blocks), strides=tuple(strides), **options)
    return Classifier(backbone, LinearHead(num_classes, pool, dropout))


# ResNet-10 has one basic block a stage: the smallest of the family, for small images and small machines.
resnet10 = partial(resnet, block="basic", blocks=(1, 1, 1, 1))
resnet18 = partial(resnet, block="basic", blocks=(2, 2, 2, 2))
resnet34 = partial(resnet, block="basic", blocks=(3, 4, 6, 3))
resnet50 = partial(resnet, block="bottleneck", blocks=(3, 4, 6, 3))
resnet101 = partial(resnet, block="bottleneck", blocks=(3, 4, 23, 3))
resnet152 = partial(resnet, block="bottleneck", blocks=(3, 8, 36, 3))
resnext50_32x4d = partial(resnet50, groups=32, width_per_group=4)
resnext101_32x8d = partial(resnet101, groups=32, width_per_group=8)
resnext101_64x4d = partial(resnet101, groups=64, width_per_group=4)
wide_resnet50_2 = partial(resnet50, width_per_group=128)
wide_resnet101_2 = partial(resnet101, width_per_group=128)
