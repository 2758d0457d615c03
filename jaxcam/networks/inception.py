"""Inception-v3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, arXiv
1512.00567).

Structure and numerics are torchvision's and timm's: most windows have no padding, a mean over a window counts the zeros
outside, BatchNorm's epsilon is 1e-3. The auxiliary classifier, which only training needs, is left out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead
from jaxcam.networks.layers import ConvNorm, max_pool, mean_pool

convolution = partial(ConvNorm, epsilon=1e-3)

# Channels, window, stride and padding of the convolutions before the mixed modules.
STEM = {"conv_1a": (32, 3, 2, 0), "conv_2a": (32, 3, 1, 0), "conv_2b": (64, 3, 1, 1)}
STEM |= {"conv_3b": (80, 1, 1, 0), "conv_4a": (192, 3, 1, 0)}

# A mixed module is a dict of branches, a branch is a chain of convolutions (channels, window); where there are several
# windows, they are applied side by side.
ACROSS, DOWN = (1, 7), (7, 1)


def mixed_5(pooled):
    """Branches of 1x1, 5x5 and two 3x3 convolutions."""
    return {
        "branch1x1": ((64, 1),),
        "branch5x5": ((48, 1), (64, 5)),
        "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
        "branch_pool": ((pooled, 1),),
    }


def mixed_6(width):
    """Branches whose 7x7 windows are made of a row and a column."""
    return {
        "branch1x1": ((192, 1),),
        "branch7x7": ((width, 1), (width, ACROSS), (192, DOWN)),
        "branch7x7dbl": ((width, 1), (width, DOWN), (width, ACROSS), (width, DOWN), (192, ACROSS)),
        "branch_pool": ((192, 1),),
    }


def mixed_7():
    """Branches that end in a row and a column of 3 side by side."""
    return {
        "branch1x1": ((320, 1),),
        "branch3x3": ((384, 1), (384, (1, 3), (3, 1))),
        "branch3x3dbl": ((448, 1), (384, 3), (384, (1, 3), (3, 1))),
        "branch_pool": ((192, 1),),
    }


MIXED = {
    "mixed_5b": mixed_5(32),
    "mixed_5c": mixed_5(64),
    "mixed_5d": mixed_5(64),
    # Those without a pooled branch halve the grid.
    "mixed_6a": {"branch3x3": ((384, 3),), "branch3x3dbl": ((64, 1), (96, 3), (96, 3))},
    "mixed_6b": mixed_6(128),
    "mixed_6c": mixed_6(160),
    "mixed_6d": mixed_6(160),
    "mixed_6e": mixed_6(192),
    "mixed_7a": {"branch3x3": ((192, 1), (320, 3)), "branch7x7x3": ((192, 1), (192, ACROSS), (192, DOWN), (192, 3))},
    "mixed_7b": mixed_7(),
    "mixed_7c": mixed_7(),
}


class Mixed(nn.Module):
    """Branches side by side, and pooling: by the mean and then convolved, or by the maximum where the grid is halved.

    Parameters are named after the branch and the convolution's place in it, as in `branch3x3dbl_2`.
    """

    branches: dict[str, tuple]
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        outputs = [self._branch(x, name, train) for name in self.branches]
        return jnp.concatenate([*outputs, max_pool(x, 3, 2)] if self._halves() else outputs, axis=-1)

    def _halves(self):
        return "branch_pool" not in self.branches

    def _branch(self, x, name, train):
        x = mean_pool(x, 3, 1, padding=1) if name == "branch_pool" else x
        steps = self.branches[name]
        for index, (channels, *windows) in enumerate(steps, start=1):
            step = name if len(steps) == 1 else f"{name}_{index}"
            stride, padding = (2, (0, 0)) if self._halves() and index == len(steps) else (1, None)
            layer = partial(convolution, channels, stride=stride, padding=padding)
            outputs = [
                self.activation(layer(kernel=window, name=step + letter)(x, train))
                for window, letter in zip(windows, ("a", "b") if len(windows) > 1 else ("",), strict=True)
            ]
            x = jnp.concatenate(outputs, axis=-1)
        return x


class InceptionV3(Backbone):
    """The backbone: convolutions, two max-poolings and mixed modules on three grids.

    Attributes:
        activation: the non-linearity everywhere.
    """

    activation: Callable = nn.relu
    stages = ("conv_1a", "conv_2a", "conv_2b", "pool_3a", "conv_3b", "conv_4a", "pool_5a", *MIXED)

    def run(self, name, x, train):
        if name.startswith("pool"):
            return max_pool(x, 3, 2)
        if name in MIXED:
            return Mixed(MIXED[name], self.activation, name=name)(x, train)
        channels, window, stride, padding = STEM[name]
        layer = convolution(channels, window, stride, padding=(padding, padding), name=name)
        return self.activation(layer(x, train))


def inception_v3(num_classes: int, *, pool: str = "mean", dropout: float = 0.5, **options: Any) -> Classifier:
    """The network with a pooled linear head; `options` are the fields of `InceptionV3`."""
    return Classifier(InceptionV3(**options), LinearHead(num_classes, pool, dropout))
