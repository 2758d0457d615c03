"""A network is a backbone of named stages and a head, seen through three pure functions: features, logits, kernel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcam.arrays import Features, Kernel, Logits, Pixels, type_of_array

POOLS: dict[str, Callable] = {"mean": jnp.mean, "max": jnp.max}


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
        pooled = POOLS[self.pool](features, axis=tuple(range(1, features.ndim - 1)))
        return self.classifier(self.drop(pooled, deterministic=not train))

    def kernel(self) -> Kernel:
        return self.classifier.variables["params"]["kernel"]


class Classifier(nn.Module):
    """A backbone and a head.

    The backbone has `stages`, the names of its parts in order, and is called as `backbone(x, since, upto, train)`: it
    runs the stages after `since` (None: from the image) through `upto` (inclusive).

    Attributes:
        backbone: images -> features.
        head: features -> logits; its `kernel()`, where it has one, is what class maps are made of.
    """

    backbone: nn.Module
    head: nn.Module

    def __call__(self, images: Pixels, train: bool = False) -> tuple[Features, Logits]:
        features = self.features(images, train=train)
        return features, self.logits(features, train=train)

    def features(self, images: Pixels, upto: str | None = None, train: bool = False) -> Float[Array, "..."]:
        """The output of stage `upto` (inclusive; default: the last stage)."""
        return self.backbone(images, None, self._stage(upto), train)

    def logits(self, features: Float[type_of_array, "..."], since: str | None = None, train: bool = False) -> Logits:
        """Everything after stage `since` (default: the last stage, so the head alone)."""
        stage = self._stage(since)
        if stage != self.backbone.stages[-1]:
            features = self.backbone(features, stage, self.backbone.stages[-1], train)
        return self.head(features, train)

    def kernel(self) -> Kernel | None:
        """The (k, c) weights from pooled features to classes, or None for a head that has none."""
        return self.head.kernel() if hasattr(self.head, "kernel") else None

    def _stage(self, name: str | None) -> str:
        stages = self.backbone.stages
        if name is None:
            return stages[-1]
        if name not in stages:
            raise ValueError(f"stage: got {name!r}; this network has {', '.join(stages)}")
        return name


@dataclass(frozen=True)
class Functions:
    """A user's own model as the same three functions, each given the variables first."""

    features_function: Callable[[Any, Array], Array]
    logits_function: Callable[[Any, Array], Array]
    kernel_function: Callable[[Any], Array] | None = None

    def apply(self, variables: Any, *arguments: Any, method: str, **options: Any) -> Any:
        """Call one of the functions as `flax.linen.Module.apply` would."""
        return getattr(self, method)(variables, *arguments, **options)

    def features(self, variables: Any, images: Array, upto: str | None = None) -> Array:
        self._no_stage(upto)
        return self.features_function(variables, images)

    def logits(self, variables: Any, features: Array, since: str | None = None) -> Array:
        self._no_stage(since)
        return self.logits_function(variables, features)

    def kernel(self, variables: Any) -> Array | None:
        return None if self.kernel_function is None else self.kernel_function(variables)

    def _no_stage(self, name: str | None) -> None:
        if name is not None:
            raise ValueError(
                f"stage: got {name!r}; a network made from functions has its last features only, stage=None"
            )
