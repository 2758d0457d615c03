"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv 2201.03545).

Structure and numerics are torchvision's. The published head has a LayerNorm between pool and classifier, so no class
activation maps; the `_gap` networks normalize each cell before the pool instead, as a last stage of the backbone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import LinearHead, MlpHead
from jaxcam.networks.layers import StochasticDepth, depthwise, exact_gelu

EPSILON = 1e-6
layer_norm = partial(nn.LayerNorm, epsilon=EPSILON)
# The paper's initial values, in place of He's.
convolution = partial(nn.Conv, kernel_init=nn.initializers.truncated_normal(0.02))
dense = partial(nn.Dense, kernel_init=nn.initializers.truncated_normal(0.02))


class Block(nn.Module):
    """A depthwise 7x7 convolution, LayerNorm and a hidden layer four times as wide, scaled, beside a shortcut.

    Attributes:
        drop: share of samples without it in training.
        activation: after the hidden layer.
    """

    drop: float
    activation: Callable

    @nn.compact
    def __call__(self, x, train: bool):
        width = x.shape[-1]
        options = {"feature_group_count": width, "conv_general_dilated": depthwise}
        y = convolution(width, (7, 7), padding=3, name="depthwise", **options)(x)
        y = dense(4 * width, name="expand")(layer_norm(name="norm")(y))
        y = dense(width, name="project")(self.activation(y))
        scale = self.param("layer_scale", nn.initializers.constant(1e-6), (width,), jnp.float32)
        return x + StochasticDepth(self.drop)(y * scale.reshape(1, 1, 1, width), train)


class ConvNeXt(Backbone):
    """The backbone: a stem and four stages of blocks, each of the later ones at half the resolution.

    Attributes:
        blocks: number of blocks of each stage.
        width: channels of the first stage; each later stage doubles them.
        stochastic_depth: share of samples without a block in training; from 0 at the first block it grows to this.
        last_norm: whether a LayerNorm of each cell follows, the stage "norm".
        activation: the non-linearity everywhere.
    """

    blocks: tuple[int, ...]
    width: int = 96
    stochastic_depth: float = 0.1
    last_norm: bool = False
    activation: Callable = exact_gelu
    rectified = False

    @property
    def stages(self):
        return ("stem", *(f"stage{index + 1}" for index in range(len(self.blocks))), *["norm"] * self.last_norm)

    def run(self, name, x, train):
        if name == "stem":
            x = convolution(self.width, (4, 4), 4, padding=0, name="stem_conv")(x)
            return layer_norm(name="stem_norm")(x)
        return layer_norm(name=name)(x) if name == "norm" else self._stage(x, self.stages.index(name), train)

    def _stage(self, x, stage, train):
        if stage > 1:
            x = layer_norm(name=f"stage{stage}_downsample_norm")(x)
            x = convolution(2 * x.shape[-1], (2, 2), 2, padding=0, name=f"stage{stage}_downsample_conv")(x)
        before = sum(self.blocks[: stage - 1])
        for index in range(self.blocks[stage - 1]):
            drop = self.stochastic_depth * (before + index) / max(sum(self.blocks) - 1, 1)
            x = Block(drop, self.activation, name=f"stage{stage}_{index}")(x, train)
        return x


def convnext(num_classes: int, *, blocks: Sequence[int], dropout: float = 0.0, **options: Any) -> Classifier:
    """ConvNeXt with its published head; `options` are the other fields of the backbone."""
    head = MlpHead(num_classes, norm_epsilon=EPSILON, dropout=dropout)
    return Classifier(ConvNeXt(tuple(blocks), **options), head)


def convnext_gap(
    num_classes: int, *, blocks: Sequence[int], pool: str = "mean", dropout: float = 0.0, **options: Any
) -> Classifier:
    """ConvNeXt with a pooled linear head; `options` are the other fields of the backbone."""
    backbone = ConvNeXt(tuple(blocks), last_norm=True, **options)
    return Classifier(backbone, LinearHead(num_classes, pool, dropout))


TINY: dict[str, Any] = {"blocks": (3, 3, 9, 3), "width": 96, "stochastic_depth": 0.1}
SMALL: dict[str, Any] = {"blocks": (3, 3, 27, 3), "width": 96, "stochastic_depth": 0.4}
BASE: dict[str, Any] = {"blocks": (3, 3, 27, 3), "width": 128, "stochastic_depth": 0.5}
convnext_tiny = partial(convnext, **TINY)
convnext_small = partial(convnext, **SMALL)
convnext_base = partial(convnext, **BASE)
convnext_tiny_gap = partial(convnext_gap, **TINY)
convnext_small_gap = partial(convnext_gap, **SMALL)
convnext_base_gap = partial(convnext_gap, **BASE)
