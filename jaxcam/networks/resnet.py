"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv 1512.03385).

Structure and numerics are torchvision's: a bottleneck's stride stands on its 3x3 convolution, BatchNorm's epsilon is
1e-5.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead

convolution = partial(nn.Conv, use_bias=False, kernel_init=nn.initializers.variance_scaling(2.0, "fan_out", "normal"))
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
            x = convolution(self.width, (1, 1), self.stride, name="downsample_conv")(x)
            x = norm(name="downsample_bn")(x)
        return self.activation(x + y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the last four times as wide, and a shortcut."""

    width: int
    stride: int
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        norm = partial(batch_norm, use_running_average=not train)
        y = convolution(self.width, (1, 1), name="conv1")(x)
        y = self.activation(norm(name="bn1")(y))
        y = convolution(self.width, (3, 3), self.stride, padding=1, name="conv2")(y)
        y = self.activation(norm(name="bn2")(y))
        y = convolution(4 * self.width, (1, 1), name="conv3")(y)
        y = norm(name="bn3")(y)
        if self.stride != 1 or x.shape[-1] != y.shape[-1]:
            x = convolution(4 * self.width, (1, 1), self.stride, name="downsample_conv")(x)
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
        activation: the non-linearity everywhere.
    """

    block: str
    blocks: tuple[int, ...]
    width: int = 64
    stem: str = "imagenet"
    strides: tuple[int, ...] = (1, 2, 2, 2)
    activation: Callable = nn.relu
    stages = ("stem", "layer1", "layer2", "layer3", "layer4")

    def __post_init__(self):
        for name, known in (("block", BLOCKS), ("stem", STEMS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; use one of {', '.join(known)}")
        for name in ("blocks", "strides"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"{name}: got {getattr(self, name)}; give one number for each of the 4 stages")
        super().__post_init__()

    def run(self, name, x, train):
        return self._stem(x, train) if name == "stem" else self._stage(x, self.stages.index(name) - 1, train)

    def _stem(self, x, train):
        kernel, stride, pool = STEMS[self.stem]
        x = convolution(self.width, (kernel, kernel), stride, padding=kernel // 2, name="conv1")(x)
        x = self.activation(batch_norm(use_running_average=not train, name="bn1")(x))
        return nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1))) if pool else x

    def _stage(self, x, stage, train):
        block = BLOCKS[self.block]
        for index in range(self.blocks[stage]):
            stride = self.strides[stage] if index == 0 else 1
            x = block(self.width * 2**stage, stride, self.activation, name=f"layer{stage + 1}_{index}")(x, train)
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
