"""torchvision's GoogLeNet: that of Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv 1409.4842, with
BatchNorm (Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift", ICML 2015, arXiv 1502.03167). It is another network than Caffe's, of `googlenet.py`.

As in torchvision, the paper's 5x5 convolutions are 3x3 ones, the last pooling has 2x2 windows, and BatchNorm's epsilon
is 1e-3. The auxiliary classifiers, which only training needs, are left out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.googlenet import INCEPTIONS, STAGES
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm, max_pool

convolution = partial(ConvNorm, epsilon=1e-3)


class Inception(nn.Module):
    """The branches of Caffe's, by their names there; the window of `5x5` is 3x3 all the same."""

    channels: tuple[int, ...]
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        def layer(features, window, name, x):
            return self.activation(convolution(features, window, name=name)(x, train))

        one, three_reduce, three, five_reduce, five, projected = self.channels
        branches = (
            layer(one, 1, "1x1", x),
            layer(three, 3, "3x3", layer(three_reduce, 1, "3x3_reduce", x)),
            layer(five, 3, "5x5", layer(five_reduce, 1, "5x5_reduce", x)),
            layer(projected, 1, "pool_proj", max_pool(x, 3, 1, padding=1)),
        )
        return jnp.concatenate(branches, axis=-1)


class GoogLeNetTorchvision(Backbone):
    """The backbone: two convolutions, inception modules, max-pooling with stride 2 between, which rounds up.

    Attributes:
        activation: the non-linearity everywhere.
    """

    activation: Callable = nn.relu
    stages = STAGES

    def run(self, name, x, train):
        def layer(features, window, stride, name, x):
            return self.activation(convolution(features, window, stride, name=name)(x, train))

        if name == "conv1":
            return layer(64, 7, 2, name, x)
        if name == "conv2":
            return layer(192, 3, 1, name, layer(64, 1, 1, "conv2_reduce", x))
        if name.startswith("pool"):
            return max_pool(x, 2 if name == "pool4" else 3, 2, ceil=True)
        return Inception(INCEPTIONS[name], self.activation, name=name)(x, train)


def googlenet_bn(num_classes: int, *, pool: str = "mean", dropout: float = 0.2, **options: Any) -> Classifier:
    """The network with a pooled linear head; `options` are the fields of `GoogLeNetTorchvision`."""
    return Classifier(GoogLeNetTorchvision(**options), LinearHead(num_classes, pool, dropout))
