"""MobileNetV3 (Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244).

Structure and numerics are torchvision's: BatchNorm's epsilon is 1e-3 and its momentum .99. The published head has a
hidden layer between pool and classifier, so no class activation maps; the `_gap` networks have a linear head instead.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead, MlpHead
from jaxcam.networks.layers import ConvNorm, SqueezeExcitation, rounded_channels

# Tables 1 and 2 of the paper, a block a row: side of the window, hidden and output channels, squeeze-and-excitation,
# hard swish (else ReLU), stride.
BLOCKS = {
    "large": (
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2),
        (5, 120, 40, True, False, 1),
        (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1),
        (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2),
        (5, 960, 160, True, True, 1),
        (5, 960, 160, True, True, 1),
    ),
    "small": (
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    ),
}
HIDDEN = {"large": 1280, "small": 1024}  # width of the published head


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, gates, and a linear 1x1 one to fewer; a shortcut where it
    fits.

    Attributes:
        kernel: side of the depthwise window.
        hidden: channels after the first convolution; as many as before for none.
        features: output channels.
        squeeze: whether squeeze-and-excitation weighs the hidden channels.
        stride: of the depthwise convolution.
        epsilon: of BatchNorm.
        activation: after the first two convolutions.
        relu: inside squeeze-and-excitation.
    """

    kernel: int
    hidden: int
    features: int
    squeeze: bool
    stride: int
    epsilon: float
    activation: Callable
    relu: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        layer, y = partial(ConvNorm, epsilon=self.epsilon, momentum=0.99), x
        if self.hidden != x.shape[-1]:
            y = self.activation(layer(self.hidden, 1, name="expand")(y, train))
        y = layer(self.hidden, self.kernel, self.stride, groups=self.hidden, name="depthwise")(y, train)
        y = self.activation(y)
        if self.squeeze:
            fewer = rounded_channels(self.hidden // 4)
            y = SqueezeExcitation(fewer, self.relu, nn.hard_sigmoid, name="squeeze_excitation")(y)
        y = layer(self.features, 1, name="project")(y, train)
        return x + y if self.stride == 1 and x.shape == y.shape else y


class MobileNetV3(Backbone):
    """The backbone: a stem, 11 or 15 inverted residuals and a 1x1 convolution.

    Attributes:
        size: "large" or "small".
        epsilon: of BatchNorm.
        activation: in place of hard swish, which the stem, the later blocks and the last convolution have.
        relu: in place of ReLU, which the early blocks and squeeze-and-excitation have.
    """

    size: str
    epsilon: float = 1e-3
    activation: Callable = nn.hard_swish
    relu: Callable = nn.relu

    def __post_init__(self):
        if self.size not in BLOCKS:
            raise ValueError(f"size: got {self.size!r}; use one of {', '.join(BLOCKS)}")
        super().__post_init__()

    @property
    def stages(self):
        return ("stem", *(f"block{index + 1}" for index in range(len(BLOCKS[self.size]))), "last")

    def run(self, name, x, train):
        layer = partial(ConvNorm, epsilon=self.epsilon, momentum=0.99, name=name)
        if name == "stem":
            return self.activation(layer(16, 3, 2)(x, train))
        if name == "last":
            return self.activation(layer(6 * x.shape[-1], 1)(x, train))
        side, hidden, features, squeeze, hard_swish, stride = BLOCKS[self.size][self.stages.index(name) - 1]
        activation = self.activation if hard_swish else self.relu
        block = InvertedResidual(
            side, hidden, features, squeeze, stride, self.epsilon, activation, self.relu, name=name
        )
        return block(x, train)


def mobilenet_v3(
    num_classes: int,
    *,
    size: str,
    hidden: int | None = None,
    dropout: float = 0.2,
    activation: Callable = nn.hard_swish,
    **options: Any,
) -> Classifier:
    """MobileNetV3 with its published head; `options` are the other fields of `MobileNetV3`."""
    backbone = MobileNetV3(size, activation=activation, **options)
    hidden = HIDDEN[size] if hidden is None else hidden
    return Classifier(backbone, MlpHead(num_classes, hidden=hidden, activation=activation, dropout=dropout))


def mobilenet_v3_gap(
    num_classes: int, *, size: str, pool: str = "mean", dropout: float = 0.2, **options: Any
) -> Classifier:
    """MobileNetV3 with a pooled linear head; `options` are the other fields of `MobileNetV3`."""
    return Classifier(MobileNetV3(size, **options), LinearHead(num_classes, pool, dropout))


mobilenet_v3_large = partial(mobilenet_v3, size="large")
mobilenet_v3_small = partial(mobilenet_v3, size="small")
mobilenet_v3_large_gap = partial(mobilenet_v3_gap, size="large")
mobilenet_v3_small_gap = partial(mobilenet_v3_gap, size="small")
