"""Vision transformers (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, arXiv 2010.11929).

Structure and numerics are torchvision's. The `_gap` networks have no class token and classify the mean of the others
(Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022, arXiv 2205.01580). Their tokens are the cells of a
(b, y, x, k) map at every stage, so they have class activation maps, at any size.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcam.geometry import resize
from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import ClassTokenHead, LinearHead
from jaxcam.networks.layers import exact_gelu

dense = partial(nn.Dense, kernel_init=nn.initializers.xavier_uniform())
layer_norm = partial(nn.LayerNorm, epsilon=1e-6)


class Attention(nn.Module):
    """Each token becomes a mean of values of all tokens, weighed by how well it matches each, in `heads` ways."""

    heads: int

    @nn.compact
    def __call__(self, x, weights_only: bool = False):
        width = x.shape[-1]
        joint = dense(3 * width, name="qkv")(x)
        queries_keys_values = joint.reshape(x.shape[0], -1, 3, self.heads, width // self.heads)
        queries, keys, values = jnp.moveaxis(queries_keys_values, 2, 0)
        if weights_only:
            matches = jnp.einsum("bqhk,bthk->bhqt", queries, keys) / math.sqrt(queries.shape[-1])
            return jax.nn.softmax(matches, axis=-1)
        y = jax.nn.dot_product_attention(queries, keys, values)
        return dense(width, name="out")(y.reshape(x.shape))


class Block(nn.Module):
    """Attention among tokens and a hidden layer within each, both after LayerNorm and beside a shortcut."""

    heads: int
    hidden: int
    activation: Callable

    @nn.compact
    def __call__(self, x, weights_only: bool = False):
        attention, normed = Attention(self.heads, name="attention"), layer_norm(name="norm1")(x)
        if weights_only:
            return attention(normed, weights_only=True)
        x = x + attention(normed)
        y = dense(self.hidden, name="expand")(layer_norm(name="norm2")(x))
        return x + dense(x.shape[-1], name="project")(self.activation(y))


class VisionTransformer(Backbone):
    """The backbone: patches as tokens, blocks, and a LayerNorm of each token.

    Attributes:
        patch: side of a patch in pixels.
        class_token: whether a token of the class stands before those of the patches: then tokens are (b, 1 + y*x, k),
            and images have `grid` patches; else they are (b, y, x, k), and images may have others.
        grid: (y, x) patches that positions are learned for.
        depth: number of blocks.
        width: channels of a token.
        heads: of attention.
        hidden: width of a block's hidden layer.
        activation: after the hidden layers.
    """

    patch: int
    class_token: bool = True
    grid: tuple[int, ...] = (14, 14)
    depth: int = 12
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    activation: Callable = exact_gelu
    rectified = False

    def __post_init__(self):
        if len(self.grid) != 2 or min(self.grid) < 1:
            raise ValueError(f"grid: got {self.grid}; give the numbers (y, x) of patches")
        if self.width % self.heads:
            raise ValueError(f"heads: got {self.heads} for a width of {self.width}; give a divisor of it")
        super().__post_init__()

    @property
    def stages(self):
        return ("patches", *(f"block{index}" for index in range(self.depth)), "norm")

    @property
    def map_stage(self):
        """The patches' tokens move a class token only before the last block."""
        return self.stages[-3] if self.class_token else self.stages[-1]

    @property
    def token_grid(self):
        return self.grid if self.class_token else None

    def run(self, name, x, train):
        if name == "patches":
            return self._tokens(x)
        if name == "norm":
            return layer_norm(name=name)(x)
        return Block(self.heads, self.hidden, self.activation, name=name)(x)

    def _tokens(self, images):
        self._check(images.shape[1:3])
        x = nn.Conv(self.width, (self.patch, self.patch), self.patch, padding=0, name="patches")(images)
        shape = (1 + math.prod(self.grid),) if self.class_token else self.grid
        positions = self.param("positions", nn.initializers.normal(0.02), (*shape, self.width), jnp.float32)
        if not self.class_token:
            return x + resize(positions, x.shape[1:3], axis=0, method="bicubic")[None]
        token = self.param("class_token", nn.initializers.zeros, (self.width,), jnp.float32)
        first = jnp.broadcast_to(token, (x.shape[0], 1, self.width))
        return jnp.concatenate([first, x.reshape(x.shape[0], -1, self.width)], axis=1) + positions[None]

    def _check(self, size):
        own = tuple(self.patch * cells for cells in self.grid)
        if self.class_token and size != own:
            raise ValueError(f"images: got {size} pixels; with a class token this network takes {own} only")
        if min(size) < self.patch or any(side % self.patch for side in size):
            raise ValueError(f"images: got {size} pixels; give height and width that are multiples of {self.patch}")


def attention_weights(
    backbone: VisionTransformer, variables: Any, stage: str, x: Float[Array, "b *tokens k"]
) -> Float[Array, "b heads t t"]:
    """What a block makes each token of, in its heads, given the block's input: rows of weights that add up to 1."""
    block: Any = Block(backbone.heads, backbone.hidden, backbone.activation)
    return block.apply({"params": variables["params"]["backbone"][stage]}, x, weights_only=True)


def vit(num_classes: int, *, grid: Sequence[int] = (14, 14), **options: Any) -> Classifier:
    """A vision transformer that classifies by its class token; `options` are the other fields of the backbone."""
    return Classifier(VisionTransformer(grid=tuple(grid), **options), ClassTokenHead(num_classes))


def vit_gap(
    num_classes: int, *, grid: Sequence[int] = (14, 14), pool: str = "mean", dropout: float = 0.0, **options: Any
) -> Classifier:
    """One without class token and with a pooled linear head; `options` are the other fields of the backbone."""
    backbone = VisionTransformer(class_token=False, grid=tuple(grid), **options)
    return Classifier(backbone, LinearHead(num_classes, pool, dropout))


vit_b_16 = partial(vit, patch=16)
vit_b_32 = partial(vit, patch=32, grid=(7, 7))
vit_b_16_gap = partial(vit_gap, patch=16)
vit_b_32_gap = partial(vit_gap, patch=32, grid=(7, 7))
