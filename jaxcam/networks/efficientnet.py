"""EfficientNet (Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
arXiv 1905.11946).

Structure and numerics are torchvision's.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm, SqueezeExcitation, StochasticDepth, rounded_channels

# Table 1 of the paper, a stage a row: expansion, side of the window, stride, output channels, number of blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class Block(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, gates, and a linear 1x1 one to fewer; a shortcut where it
    fits.

    Attributes:
        expansion: how many times more channels; 1 for no first convolution.
        kernel: side of the depthwise window.
        stride: of the depthwise convolution.
        features: output channels.
        drop: share of samples without it, in training, where there is a shortcut.
        epsilon: of BatchNorm.
        activation: after the first two convolutions and in squeeze-and-excitation.
    """

    expansion: int
    kernel: int
    stride: int
    features: int
    drop: float
    epsilon: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        layer, y = partial(ConvNorm, epsilon=self.epsilon), x
        hidden = self.expansion * x.shape[-1]
        if self.expansion > 1:
            y = self.activation(layer(hidden, 1, name="expand")(y, train))
        y = self.activation(layer(hidden, self.kernel, self.stride, hidden, name="depthwise")(y, train))
        # The squeeze is a quarter of the block's input, not of what it squeezes.
        y = SqueezeExcitation(max(x.shape[-1] // 4, 1), self.activation, name="squeeze_excitation")(y)
        y = layer(self.features, 1, name="project")(y, train)
        return x + StochasticDepth(self.drop)(y, train) if self.stride == 1 and x.shape == y.shape else y


class EfficientNet(Backbone):
    """The backbone: a stem, seven stages of blocks and a 1x1 convolution.

    Attributes:
        width: factor of all channels against B0.
        depth: factor of the number of blocks.
        stochastic_depth: share of samples without a block in training; from 0 at the first block it grows evenly, to
            this for one after the last.
        epsilon: of BatchNorm.
        activation: the non-linearity everywhere.
    """

    width: float = 1.0
    depth: float = 1.0
    stochastic_depth: float = 0.2
    epsilon: float = 1e-5
    activation: Callable = nn.silu
    stages = ("stem", *(f"stage{index + 1}" for index in range(len(STAGES))), "last")

    def run(self, name, x, train):
        layer = partial(ConvNorm, epsilon=self.epsilon, name=name)
        if name == "stem":
            return self.activation(layer(rounded_channels(32 * self.width), 3, 2)(x, train))
        if name == "last":
            return self.activation(layer(4 * x.shape[-1], 1)(x, train))
        return self._stage(x, self.stages.index(name) - 1, train)

    def _stage(self, x, stage, train):
        expansion, kernel, stride, features, _ = STAGES[stage]
        blocks = [math.ceil(row[-1] * self.depth) for row in STAGES]
        for index in range(blocks[stage]):
            block = Block(
                expansion,
                kernel,
                1 if index else stride,
                rounded_channels(features * self.width),
                self.stochastic_depth * (sum(blocks[:stage]) + index) / sum(blocks),
                self.epsilon,
                self.activation,
                name=f"stage{stage + 1}_{index}",
            )
            x = block(x, train)
        return x


def efficientnet(num_classes: int, *, pool: str = "mean", dropout: float = 0.2, **options: Any) -> Classifier:
    """An EfficientNet with a pooled linear head; `options` are the fields of the backbone."""
    return Classifier(EfficientNet(**options), LinearHead(num_classes, pool, dropout))


efficientnet_b0 = efficientnet
efficientnet_b1 = partial(efficientnet, depth=1.1)
efficientnet_b2 = partial(efficientnet, width=1.1, depth=1.2, dropout=0.3)
efficientnet_b3 = partial(efficientnet, width=1.2, depth=1.4, dropout=0.3)
efficientnet_b4 = partial(efficientnet, width=1.4, depth=1.8, dropout=0.4)
