"""A network is a backbone of named stages and a head, seen through three pure functions: features, logits, kernel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxcam.arrays import Features, Kernel, Logits, Pixels, type_of_array
from jaxcam.networks.portions import run_stages


class Backbone(nn.Module):
    """A chain of named stages: a family fills in `stages` and `run`.

    Called as `backbone(x, since, upto, train)`, it runs the stages after `since` (None: from the image) through `upto`
    (inclusive; None: the last one). As the module is compact, parts keep their names, and so their weights, whichever
    of them run.
    """

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order; a class attribute where a family has always the same."""
        raise NotImplementedError

    @nn.compact
    def __call__(self, x, since: str | None = None, upto: str | None = None, train: bool = False):
        first = 0 if since is None else self.stages.index(since) + 1
        last = len(self.stages) if upto is None else self.stages.index(upto) + 1
        for name in self.stages[first:last]:
            x = self.run(name, x, train)
        return x

    @property
    def map_stage(self) -> str:
        """The stage that map methods look at by default: the last one whose cells the classes are read from."""
        return self.stages[-1]

    @property
    def token_grid(self) -> tuple[int, ...] | None:
        """Where features are tokens (b, tokens, k), of which the last are cells: their grid."""
        return None

    # Whether the last features are a non-linearity's, whose mean tells how much there is in a cell. That of a LayerNorm
    # is the same everywhere, and tokens are no cells.
    rectified = True

    def run(self, name: str, x, train: bool):
        """The output of one stage."""
        raise NotImplementedError


class Classifier(nn.Module):
    """A backbone and a head.

    Attributes:
        backbone: images -> features; see `Backbone`.
        head: features -> logits; its `kernel()`, where it has one, is what class maps are made of. It may have `stages`
            too, and then takes `since` and `upto` as a backbone does.
    """

    backbone: nn.Module
    head: nn.Module
    gives_probabilities = False

    def __call__(self, images: Pixels, train: bool = False) -> tuple[Features, Logits]:
        features = self.features(images, train=train)
        return features, self.logits(features, train=train)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, first those of the backbone."""
        return (*self.backbone.stages, *getattr(self.head, "stages", ()))

    @property
    def map_stage(self) -> str:
        """The stage that map methods look at by default."""
        return getattr(self.backbone, "map_stage", self.backbone.stages[-1])

    @property
    def feature_stage(self) -> str:
        """The stage whose output `features` gives by default."""
        return self.backbone.stages[-1]

    @property
    def token_grid(self) -> tuple[int, ...] | None:
        """Where features are tokens (b, tokens, k), of which the last are cells: their grid."""
        return getattr(self.backbone, "token_grid", None)

    @property
    def averages_cells(self) -> bool:
        """Whether logits are `kernel` applied to the mean over the backbone's last cells, and a bias."""
        return getattr(self.head, "averages_cells", False)

    def features(self, images: Pixels, upto: str | None = None, train: bool = False) -> Float[Array, "..."]:
        """The output of stage `upto` (inclusive; default: the backbone's last)."""
        stage, images = self._stage(upto), self._cast(images)
        if stage in self.backbone.stages:
            return self._run_backbone(images, stage, train)
        return self.head(self._run_backbone(images, self.backbone.stages[-1], train), train, upto=stage)

    def logits(self, features: Float[type_of_array, "..."], since: str | None = None, train: bool = False) -> Logits:
        """Everything after stage `since` (default: the backbone's last, so the head alone)."""
        stage = self._stage(since)
        if stage not in self.backbone.stages:
            return self.head(features, train, since=stage)
        if stage != self.backbone.stages[-1]:
            features = self.backbone(features, stage, train=train)
        return self.head(features, train)

    def between(self, features: Float[type_of_array, "..."], since: str | None, upto: str) -> Float[Array, "..."]:
        """The output of stage `upto`, given that of stage `since` (None: images)."""
        features = self._cast(features) if since is None else features
        if upto in self.backbone.stages:
            return self.backbone(features, since, upto)
        if since is None or since in self.backbone.stages:
            features, since = self.backbone(features, since), None
        return self.head(features, False, since=since, upto=upto)

    def for_classes(self, num_classes: int) -> "Classifier":
        """The same network for another number of classes, which the head knows, and a backbone of class maps."""
        head, backbone = self.head.clone(num_classes=num_classes), self.backbone
        if hasattr(backbone, "num_classes"):
            backbone = backbone.clone(num_classes=num_classes)
        return self.clone(backbone=backbone, head=head)

    def kernel(self) -> Kernel | None:
        """The (k, c) weights from pooled features to classes, or None for a head that has none."""
        return self.head.kernel() if hasattr(self.head, "kernel") else None

    def _run_backbone(self, images, upto, train):
        return self.backbone(images, None, upto, train) if train else run_stages(self.backbone, images, upto)

    def _cast(self, images):
        """Images in the dtype of the weights, of several the widest; as they are where there are none yet."""
        weights = jax.tree.leaves(self.variables.get("params", {}))
        return jnp.asarray(images, jnp.result_type(*weights)) if weights else images

    def _stage(self, name: str | None) -> str:
        if name is None:
            return self.feature_stage
        if name not in self.stages:
            raise ValueError(f"stage: got {name!r}; this network has {', '.join(self.stages)}")
        return name


@dataclass(frozen=True)
class Functions:
    """A user's own model as the same three functions, each given the variables first."""

    features_function: Callable[[Any, Array], Array]
    logits_function: Callable[[Any, Array], Array]
    kernel_function: Callable[[Any], Array] | None = None
    token_grid: tuple[int, ...] | None = None
    map_stage: None = None
    feature_stage: None = None
    stages: tuple[()] = ()
    averages_cells = False  # a function does not tell
    gives_probabilities = False

    def apply(self, variables: Any, *arguments: Any, method: str, **options: Any) -> Any:
        """Call one of the functions as `flax.linen.Module.apply` would."""
        return getattr(self, method)(variables, *arguments, **options)

    def features(self, variables: Any, images: Array, upto: str | None = None) -> Array:
        self._no_stage(upto)
        return self.features_function(variables, images)

    def logits(self, variables: Any, features: Array, since: str | None = None) -> Array:
        self._no_stage(since)
        return self.logits_function(variables, features)

    def kernel(self, variables: Any) -> Kernel | None:
        return None if self.kernel_function is None else self.kernel_function(variables)

    def _no_stage(self, name: str | None) -> None:
        if name is not None:
            raise ValueError(
                f"stage: got {name!r}; a network made from functions has its last features only, stage=None"
            )
