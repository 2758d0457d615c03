"""SqueezeNet (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
2016, arXiv 1602.07360), and version 1.1 of its release, which pools earlier.

Structure and numerics are torchvision's: dropout stands before the last convolution, which makes one map a class; the
class maps are its outputs after the ReLU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import ClassMapHead
from jaxcam.networks.layers import max_pool
from jaxcam.networks.winograd import convolve

# As released: He's uniform distribution by the fan-in.
convolution = partial(nn.Conv, kernel_init=nn.initializers.he_uniform(), conv_general_dilated=convolve)

# Version -> (channels and side of the first convolution, numbers of the modules that a pool follows).
VERSIONS = {"1.0": (96, 7, (1, 4, 8)), "1.1": (64, 3, (1, 3, 5))}


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 convolutions side by side, each four times as wide."""

    squeezed: int
    activation: Callable

    @nn.compact
    def __call__(self, x):
        x = self.activation(convolution(self.squeezed, (1, 1), name="squeeze")(x))
        narrow = self.activation(convolution(4 * self.squeezed, (1, 1), name="expand1x1")(x))
        wide = self.activation(convolution(4 * self.squeezed, (3, 3), padding=1, name="expand3x3")(x))
        return jnp.concatenate([narrow, wide], -1)


class SqueezeNet(Backbone):
    """The backbone: ten modules, numbered as in the paper, and pools named after the module before them.

    Attributes:
        num_classes: channels of the last convolution.
        version: "1.0" or "1.1".
        dropout: before the last convolution.
        activation: the non-linearity everywhere.
    """

    num_classes: int
    version: str = "1.1"
    dropout: float = 0.5
    activation: Callable = nn.relu

    def __post_init__(self):
        if self.version not in VERSIONS:
            raise ValueError(f"version: got {self.version!r}; use one of {', '.join(VERSIONS)}")
        super().__post_init__()

    @property
    def stages(self):
        modules = {1: "conv1", **{number: f"fire{number}" for number in range(2, 10)}, 10: "conv10"}
        pools = VERSIONS[self.version][2]
        pairs = [(name, f"pool{number}") if number in pools else (name,) for number, name in modules.items()]
        return sum(pairs, ())

    def run(self, name, x, train):
        if name == "conv1":
            channels, side, _ = VERSIONS[self.version]
            return self.activation(convolution(channels, (side, side), 2, padding=0, name=name)(x))
        if name.startswith("pool"):
            return max_pool(x, 3, 2, ceil=True)
        if name.startswith("fire"):
            return Fire(16 * (int(name.removeprefix("fire")) // 2), self.activation, name=name)(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        last = nn.Conv(self.num_classes, (1, 1), kernel_init=nn.initializers.normal(0.01), name=name)
        return self.activation(last(x))


def squeezenet(num_classes: int, **options: Any) -> Classifier:
    """A SqueezeNet, whose features are class maps; `options` are the other fields of the backbone."""
    return Classifier(SqueezeNet(num_classes, **options), ClassMapHead(num_classes))


squeezenet1_0 = partial(squeezenet, version="1.0")
squeezenet1_1 = partial(squeezenet, version="1.1")
