"""GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv 1409.4842) as BVLC trained it in Caffe,
and its GAP and GMP networks (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv
1512.04150).

Numerics are Caffe's: local response normalization, no BatchNorm, pooling that rounds up. The auxiliary classifiers,
which only training needs, are left out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import cam_convolution, local_response_norm, max_pool
from jaxcam.networks.winograd import convolve

# Channels of an inception module's 1x1, of 3x3 and what reduces to it, of 5x5 and what reduces to it, of pool_proj.
INCEPTIONS = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}
STAGES = ("conv1", "pool1", "conv2", "pool2", *[name for name in INCEPTIONS if "_3" in name])
STAGES += ("pool3", *[name for name in INCEPTIONS if "_4" in name])
STAGES += ("pool4", *[name for name in INCEPTIONS if "_5" in name])


def convolution(features: int, window: int, stride: int = 1, *, name: str) -> nn.Conv:
    """A convolution initialized as in Caffe: "xavier" weights, biases of .2."""
    return nn.Conv(
        features,
        (window, window),
        stride,
        padding=window // 2,
        kernel_init=nn.initializers.lecun_uniform(),
        bias_init=nn.initializers.constant(0.2),
        conv_general_dilated=convolve,
        name=name,
    )


class Inception(nn.Module):
    """1x1, 3x3, 5x5 convolutions and a max-pooling side by side, 1x1 convolutions before or behind."""

    channels: tuple[int, ...]
    activation: Callable

    @nn.compact
    def __call__(self, x):
        one, three_reduce, three, five_reduce, five, projected = self.channels
        branches = (
            convolution(one, 1, name="1x1")(x),
            convolution(three, 3, name="3x3")(self.activation(convolution(three_reduce, 1, name="3x3_reduce")(x))),
            convolution(five, 5, name="5x5")(self.activation(convolution(five_reduce, 1, name="5x5_reduce")(x))),
            convolution(projected, 1, name="pool_proj")(max_pool(x, 3, 1, padding=1)),
        )
        return self.activation(jnp.concatenate(branches, axis=-1))


class GoogLeNet(Backbone):
    """The backbone: two convolutions, inception modules, max-pooling 3x3 with stride 2 between.

    Attributes:
        last: the last inception module.
        cam_channels: of a last convolution, added for class activation maps; 0 for none.
        cam_groups: of that convolution.
        activation: the non-linearity everywhere.
    """

    last: str = "inception_5b"
    cam_channels: int = 0
    cam_groups: int = 1
    activation: Callable = nn.relu

    def __post_init__(self):
        if self.last not in INCEPTIONS:
            raise ValueError(f"last: got {self.last!r}; use one of {', '.join(INCEPTIONS)}")
        super().__post_init__()

    @property
    def stages(self) -> tuple[str, ...]:
        names = STAGES[: STAGES.index(self.last) + 1]
        return (*names, "cam_conv") if self.cam_channels else names

    def run(self, name, x, train):
        if name == "conv1":
            return self.activation(convolution(64, 7, 2, name=name)(x))
        if name == "conv2":
            x = self.activation(convolution(64, 1, name="conv2_reduce")(x))
            return self.activation(convolution(192, 3, name=name)(x))
        if name == "pool1":
            return local_response_norm(max_pool(x, 3, 2, ceil=True))
        if name == "pool2":
            return max_pool(local_response_norm(x), 3, 2, ceil=True)
        if name.startswith("pool"):
            return max_pool(x, 3, 2, ceil=True)
        if name == "cam_conv":
            return self.activation(cam_convolution(x, self.cam_channels, self.cam_groups, bias=1.0))
        return Inception(INCEPTIONS[name], self.activation, name=name)(x)


def googlenet_original(num_classes: int, *, pool: str = "mean", dropout: float = 0.4, **options: Any) -> Classifier:
    """The network with a pooled linear head; `options` are the fields of `GoogLeNet`."""
    return Classifier(GoogLeNet(**options), LinearHead(num_classes, pool, dropout))


googlenet_gap = partial(googlenet_original, last="inception_4e", cam_channels=1024, dropout=0.0)
googlenet_gmp = partial(googlenet_gap, pool="max")
