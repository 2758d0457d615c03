"""RegNetY (Radosavovic et al., "Designing Network Design Spaces", CVPR 2020, arXiv 2003.13678).

Structure and numerics are torchvision's. Few numbers describe a network: a straight line of widths, one for each
block, from which the stages follow.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm, SqueezeExcitation, rounded_channels


class Block(nn.Module):
    """1x1, grouped 3x3 and 1x1 convolutions with squeeze-and-excitation, and a shortcut.

    Attributes:
        width: channels.
        group_width: channels of a group.
        stride: of the 3x3 convolution.
        epsilon: of BatchNorm.
        activation: after each convolution and the sum.
    """

    width: int
    group_width: int
    stride: int
    epsilon: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        layer = partial(ConvNorm, self.width, epsilon=self.epsilon)
        y = self.activation(layer(1, name="conv1")(x, train))
        y = layer(3, self.stride, self.width // self.group_width, name="conv2")(y, train)
        # The squeeze is a quarter of the block's input, not of what it squeezes.
        y = SqueezeExcitation(round(x.shape[-1] / 4), self.activation, name="squeeze_excitation")(self.activation(y))
        y = layer(1, name="conv3")(y, train)
        if self.stride != 1 or x.shape[-1] != self.width:
            x = layer(1, self.stride, name="downsample")(x, train)
        return self.activation(x + y)


def stages_of(depth: int, width: int, slope: float, factor: float, group_width: int) -> list[tuple[int, int]]:
    """Number of blocks and width of each stage: equations 2 to 4 of the paper, whose u_j are `lines`."""
    lines = width + slope * np.arange(depth)
    powers = np.round(np.log(lines / width) / np.log(factor))
    widths, blocks = np.unique(8 * np.round(width * factor**powers / 8), return_counts=True)
    return [
        (int(n), rounded_channels(each, min(group_width, int(each)))) for n, each in zip(blocks, widths, strict=True)
    ]


class RegNet(Backbone):
    """The backbone: a stem and stages of blocks, each at half the resolution of what is before it.

    Attributes:
        depth: number of blocks.
        width: channels of the first block, the paper's w_0.
        slope: growth of the width from one block to the next, w_a.
        factor: between the widths of stages, w_m.
        group_width: channels of a group of the 3x3 convolutions.
        epsilon: of BatchNorm.
        activation: the non-linearity everywhere.
    """

    depth: int
    width: int
    slope: float
    factor: float
    group_width: int
    epsilon: float = 1e-5
    activation: Callable = nn.relu

    def __post_init__(self):
        if self.width < 8 or self.width % 8 or self.slope < 0 or self.factor <= 1:
            raise ValueError(
                f"width, slope, factor: got {self.width}, {self.slope}, {self.factor}; "
                "give a width that is a multiple of 8, no negative slope and a factor above 1"
            )
        super().__post_init__()

    @property
    def stages(self):
        return ("stem", *(f"stage{index + 1}" for index in range(len(self._stages()))))

    def run(self, name, x, train):
        if name == "stem":
            return self.activation(ConvNorm(32, 3, 2, epsilon=self.epsilon, name=name)(x, train))
        blocks, width = self._stages()[self.stages.index(name) - 1]
        for index in range(blocks):
            options = (min(self.group_width, width), 1 if index else 2, self.epsilon, self.activation)
            x = Block(width, *options, name=f"{name}_{index}")(x, train)
        return x

    def _stages(self):
        return stages_of(self.depth, self.width, self.slope, self.factor, self.group_width)


def regnet_y(num_classes: int, *, pool: str = "mean", dropout: float = 0.0, **options: Any) -> Classifier:
    """A RegNetY with a pooled linear head; `options` are the fields of `RegNet`."""
    return Classifier(RegNet(**options), LinearHead(num_classes, pool, dropout))


# The published parameters, by the multiply-adds of an image.
regnet_y_400mf = partial(regnet_y, depth=16, width=48, slope=27.89, factor=2.09, group_width=8)
regnet_y_800mf = partial(regnet_y, depth=14, width=56, slope=38.84, factor=2.4, group_width=16)
regnet_y_1_6gf = partial(regnet_y, depth=27, width=48, slope=20.71, factor=2.65, group_width=24)
regnet_y_3_2gf = partial(regnet_y, depth=21, width=80, slope=42.63, factor=2.66, group_width=24)
regnet_y_8gf = partial(regnet_y, depth=17, width=192, slope=76.82, factor=2.19, group_width=56)
regnet_y_16gf = partial(regnet_y, depth=18, width=200, slope=106.23, factor=2.48, group_width=112)
regnet_y_32gf = partial(regnet_y, depth=20, width=232, slope=115.89, factor=2.53, group_width=232)
