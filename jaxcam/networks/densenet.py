"""Densely connected networks (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, arXiv 1608.06993).

Structure and numerics are torchvision's: DenseNet-BC, with bottlenecks and transitions that halve the channels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import max_pool, mean_pool
from jaxcam.networks.winograd import convolve

# As released: He's normal distribution by the fan-in.
convolution = partial(
    nn.Conv,
    use_bias=False,
    kernel_init=nn.initializers.variance_scaling(2.0, "fan_in", "normal"),
    conv_general_dilated=convolve,
)


class DenseLayer(nn.Module):
    """1x1 and 3x3 convolutions, each after BatchNorm and non-linearity: `growth` new channels beside the old ones."""

    growth: int
    epsilon: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        norm = partial(nn.BatchNorm, not train, momentum=0.9, epsilon=self.epsilon)
        y = self.activation(norm(name="norm1")(x))
        y = convolution(4 * self.growth, (1, 1), name="conv1")(y)
        y = self.activation(norm(name="norm2")(y))
        y = convolution(self.growth, (3, 3), padding=1, name="conv2")(y)
        return jnp.concatenate([x, y], -1)


class Transition(nn.Module):
    """BatchNorm, non-linearity, a 1x1 convolution to half of the channels, and means of 2x2 cells."""

    epsilon: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.BatchNorm(not train, momentum=0.9, epsilon=self.epsilon, name="norm")(x)
        x = convolution(x.shape[-1] // 2, (1, 1), name="conv")(self.activation(x))
        return mean_pool(x, 2, 2)


class DenseNet(Backbone):
    """The backbone: a stem, four dense blocks with transitions between them, and a last norm with its non-linearity.

    Attributes:
        blocks: number of layers of each block.
        growth: channels that a layer adds.
        width: channels of the stem.
        epsilon: of BatchNorm.
        activation: the non-linearity everywhere.
    """

    blocks: tuple[int, ...]
    growth: int = 32
    width: int = 64
    epsilon: float = 1e-5
    activation: Callable = nn.relu
    stages = ("stem", "block1", "transition1", "block2", "transition2", "block3", "transition3", "block4", "last")

    def __post_init__(self):
        if len(self.blocks) != 4:
            raise ValueError(f"blocks: got {self.blocks}; give one number for each of the 4 blocks")
        super().__post_init__()

    def run(self, name, x, train):
        norm = partial(nn.BatchNorm, not train, momentum=0.9, epsilon=self.epsilon)
        if name == "stem":
            x = convolution(self.width, (7, 7), 2, padding=3, name="conv0")(x)
            return max_pool(self.activation(norm(name="norm0")(x)), 3, 2, padding=1)
        if name == "last":
            return self.activation(norm(name="norm5")(x))
        if name.startswith("transition"):
            return Transition(self.epsilon, self.activation, name=name)(x, train)
        for index in range(self.blocks[int(name[-1]) - 1]):
            x = DenseLayer(self.growth, self.epsilon, self.activation, name=f"{name}_{index + 1}")(x, train)
        return x


def densenet(
    num_classes: int, *, blocks: Sequence[int], pool: str = "mean", dropout: float = 0.0, **options: Any
) -> Classifier:
    """A DenseNet with a pooled linear head; `options` are the other fields of `DenseNet`."""
    return Classifier(DenseNet(tuple(blocks), **options), LinearHead(num_classes, pool, dropout))


densenet121 = partial(densenet, blocks=(6, 12, 24, 16))
densenet161 = partial(densenet, blocks=(6, 12, 36, 24), growth=48, width=96)
densenet169 = partial(densenet, blocks=(6, 12, 32, 32))
densenet201 = partial(densenet, blocks=(6, 12, 48, 32))
