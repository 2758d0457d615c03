"""ShuffleNetV2 (Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018,
arXiv 1807.11164).

Structure and numerics are torchvision's.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm, max_pool

REPEATS = (4, 8, 4)  # number of units of stages 2, 3 and 4


class Unit(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolutions beside a shortcut, their channels interleaved.

    Attributes:
        features: output channels.
        stride: 1, where half of the input's channels is the shortcut; or 2, where the shortcut is a depthwise 3x3 and
            a 1x1 convolution of all.
        activation: after the 1x1 convolutions.
    """

    features: int
    stride: int
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        half = self.features // 2
        if self.stride == 1:
            shortcut, y = jnp.split(x, 2, -1)
        else:
            y, channels = x, x.shape[-1]
            x = ConvNorm(channels, 3, self.stride, groups=channels, name="downsample_conv1")(x, train)
            shortcut = self.activation(ConvNorm(half, 1, name="downsample_conv2")(x, train))
        y = self.activation(ConvNorm(half, 1, name="conv1")(y, train))
        y = ConvNorm(half, 3, self.stride, groups=half, name="conv2")(y, train)
        y = self.activation(ConvNorm(half, 1, name="conv3")(y, train))
        return jnp.stack([shortcut, y], -1).reshape(*y.shape[:-1], self.features)  # channels in turn: the shuffle


class ShuffleNetV2(Backbone):
    """The backbone: a stem, three stages of units and a 1x1 convolution, numbered as in the paper.

    Attributes:
        widths: output channels of the stem, of the three stages and of the last convolution.
        activation: the non-linearity everywhere.
    """

    widths: tuple[int, ...]
    activation: Callable = nn.relu
    stages = ("stem", "stage2", "stage3", "stage4", "conv5")

    def __post_init__(self):
        if len(self.widths) != 5 or any(width % 2 for width in self.widths[1:4]):
            raise ValueError(f"widths: got {self.widths}; give 5 numbers, even ones for the 3 stages in the middle")
        super().__post_init__()

    def run(self, name, x, train):
        index = self.stages.index(name)
        width = self.widths[index]
        if name == "stem":
            return max_pool(self.activation(ConvNorm(width, 3, 2, name="conv1")(x, train)), 3, 2, padding=1)
        if name == "conv5":
            return self.activation(ConvNorm(width, 1, name=name)(x, train))
        for unit in range(REPEATS[index - 1]):
            x = Unit(width, 1 if unit else 2, self.activation, name=f"{name}_{unit}")(x, train)
        return x


def shufflenet_v2(
    num_classes: int, *, widths: Sequence[int], pool: str = "mean", dropout: float = 0.0, **options: Any
) -> Classifier:
    """ShuffleNetV2 with a pooled linear head; `options` are the other fields of `ShuffleNetV2`."""
    return Classifier(ShuffleNetV2(tuple(widths), **options), LinearHead(num_classes, pool, dropout))


shufflenet_v2_x0_5 = partial(shufflenet_v2, widths=(24, 48, 96, 192, 1024))
shufflenet_v2_x1_0 = partial(shufflenet_v2, widths=(24, 116, 232, 464, 1024))
shufflenet_v2_x1_5 = partial(shufflenet_v2, widths=(24, 176, 352, 704, 1024))
shufflenet_v2_x2_0 = partial(shufflenet_v2, widths=(24, 244, 488, 976, 2048))
