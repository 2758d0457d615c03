"""MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, arXiv 1801.04381).

Structure and numerics are torchvision's.
"""

from collections.abc import Callable
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm

# Table 2 of the paper: expansion, output channels, number of blocks, stride of the first of them.
ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# Expansion, output channels and stride of each block.
BLOCKS = [(factor, width, 1 if index else stride) for factor, width, n, stride in ROWS for index in range(n)]


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise 3x3 one and a linear 1x1 one to fewer; a shortcut where it fits.

    Attributes:
        expansion: how many times more channels; 1 for no first convolution.
        features: output channels.
        stride: of the depthwise convolution.
        epsilon: of BatchNorm.
        activation: after the first two convolutions.
    """

    expansion: int
    features: int
    stride: int
    epsilon: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        hidden, y = self.expansion * x.shape[-1], x
        if self.expansion > 1:
            y = self.activation(ConvNorm(hidden, 1, epsilon=self.epsilon, name="expand")(y, train))
        y = ConvNorm(hidden, 3, self.stride, groups=hidden, epsilon=self.epsilon, name="depthwise")(y, train)
        y = ConvNorm(self.features, 1, epsilon=self.epsilon, name="project")(self.activation(y), train)
        return x + y if self.stride == 1 and x.shape == y.shape else y


class MobileNetV2(Backbone):
    """The backbone: a stem, 17 inverted residuals and a 1x1 convolution.

    Attributes:
        epsilon: of BatchNorm.
        activation: the non-linearity everywhere.
    """

    epsilon: float = 1e-5
    activation: Callable = nn.relu6
    stages = ("stem", *(f"block{index + 1}" for index in range(len(BLOCKS))), "last")

    def run(self, name, x, train):
        if name == "stem":
            return self.activation(ConvNorm(32, 3, 2, epsilon=self.epsilon, name=name)(x, train))
        if name == "last":
            return self.activation(ConvNorm(1280, 1, epsilon=self.epsilon, name=name)(x, train))
        block = BLOCKS[self.stages.index(name) - 1]
        return InvertedResidual(*block, self.epsilon, self.activation, name=name)(x, train)


def mobilenet_v2(num_classes: int, *, pool: str = "mean", dropout: float = 0.2, **options: Any) -> Classifier:
    """MobileNetV2 with a pooled linear head; `options` are the fields of the backbone."""
    return Classifier(MobileNetV2(**options), LinearHead(num_classes, pool, dropout))
