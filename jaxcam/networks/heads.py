"""The heads: what stands between the last features and the class scores."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.arrays import Features, Kernel, Logits
from jaxcam.networks.layers import adaptive_mean

POOLS: dict[str, Callable] = {"mean": jnp.mean, "max": jnp.max}


def cells(features):
    """The axes of a feature map's cells: all but the first and the last."""
    return tuple(range(1, features.ndim - 1))


class LinearHead(nn.Module):
    """Global pooling, dropout and one linear layer: the head of the GAP (mean) and GMP (max) networks."""

    num_classes: int
    pool: str = "mean"
    dropout: float = 0.0

    def setup(self):
        self.classifier = nn.Dense(self.num_classes)
        self.drop = nn.Dropout(self.dropout)

    def __call__(self, features: Features, train: bool = False) -> Logits:
        if self.pool not in POOLS:
            raise ValueError(f"pool: got {self.pool!r}; use one of {', '.join(POOLS)}")
        pooled = POOLS[self.pool](features, axis=cells(features))
        return self.classifier(self.drop(pooled, deterministic=not train))

    @property
    def averages_cells(self) -> bool:
        """Whether logits are `kernel` applied to the mean over cells, and a bias."""
        return self.pool == "mean"

    def kernel(self) -> Kernel:
        return self.classifier.variables["params"]["kernel"]


class ClassMapHead(nn.Module):
    """Global average pooling of features that are one map a class already (SqueezeNet, Network in Network)."""

    num_classes: int
    averages_cells = True

    def __call__(self, features: Features, train: bool = False) -> Logits:
        return features.mean(cells(features))

    def kernel(self) -> Kernel:
        return jnp.eye(self.num_classes, dtype=jnp.float32)


class FullyConnectedHead(nn.Module):
    """Two wide layers over all cells and a linear one: the head of AlexNet and VGG, which has no kernel.

    Attributes:
        grid: (y, x) that the cells are averaged to where the image is not of the network's own size.
        width: of fc6 and fc7.
        dropout: before fc6 and fc7 where `dropout_first`, else after each.
    """

    num_classes: int
    grid: tuple[int, ...]
    width: int = 4096
    dropout: float = 0.5
    dropout_first: bool = False
    activation: Callable = nn.relu
    stages = ("fc6", "fc7")

    @nn.compact
    def __call__(self, x, train: bool = False, since: str | None = None, upto: str | None = None):
        first = 0 if since is None else self.stages.index(since) + 1
        last = len(self.stages) if upto is None else self.stages.index(upto) + 1
        drop = nn.Dropout(self.dropout, deterministic=not train)
        if first == 0:
            x = adaptive_mean(x, self.grid)
        for index in range(first, last):
            axes = (-3, -2, -1) if index == 0 else -1
            x = drop(x) if self.dropout_first else x
            x = self.activation(nn.DenseGeneral(self.width, axes, name=self.stages[index])(x))
            x = x if self.dropout_first else drop(x)
        return nn.Dense(self.num_classes, name="classifier")(x) if upto is None else x


class MlpHead(nn.Module):
    """Global average pooling, then LayerNorm or a hidden layer, then a linear one: what torchvision's ConvNeXt and
    MobileNetV3 end in. It has no kernel.

    Attributes:
        norm_epsilon: of a LayerNorm on the pooled features; 0 for none.
        hidden: width of a hidden layer; 0 for none.
        activation: after the hidden layer.
        dropout: before the last layer.
    """

    num_classes: int
    norm_epsilon: float = 0.0
    hidden: int = 0
    activation: Callable = nn.relu
    dropout: float = 0.0

    @nn.compact
    def __call__(self, features: Features, train: bool = False) -> Logits:
        x = features.mean(cells(features))
        if self.norm_epsilon:
            x = nn.LayerNorm(epsilon=self.norm_epsilon, name="norm")(x)
        if self.hidden:
            x = self.activation(nn.Dense(self.hidden, name="hidden")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="classifier")(x)


class ClassTokenHead(nn.Module):
    """One linear layer on the first token of (b, tokens, k): how vision transformers classify. It has no kernel."""

    num_classes: int

    @nn.compact
    def __call__(self, features: Features, train: bool = False) -> Logits:
        return nn.Dense(self.num_classes, name="classifier")(features[:, 0])
