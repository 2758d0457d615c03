"""Networks around a network: its stages with other class scores, seen through the same functions.

What they are made of is static and equal when equal, and arrays are among the variables, so that nothing is traced
again for other ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


@dataclass(frozen=True)
class Rescored:
    """A network whose class scores are made into others. Its variables are {"network": ..., "objective": ...}.

    Attributes:
        network: the one inside, with its own variables under "network".
    """

    network: Any
    averages_cells = False  # what has a shorter way for such networks takes the way for all
    gives_probabilities = False

    def apply(self, variables: Any, *arguments: Any, method: str, **options: Any) -> Any:
        """Call one of the functions as `flax.linen.Module.apply` would."""
        return getattr(self, method)(variables, *arguments, **options)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return self.network.stages

    @property
    def map_stage(self) -> str | None:
        """The stage that map methods look at by default."""
        return self.network.map_stage

    @property
    def feature_stage(self) -> str | None:
        """The stage whose output `features` gives by default."""
        return self.network.feature_stage

    @property
    def token_grid(self) -> tuple[int, ...] | None:
        """Where features are tokens (b, tokens, k), of which the last are cells: their grid."""
        return self.network.token_grid

    def features(self, variables: Any, images: Array, upto: str | None = None) -> Array:
        """The output of stage `upto`."""
        return self.network.apply(variables["network"], images, self._stage(upto), method="features")

    def between(self, variables: Any, features: Array, since: str | None, upto: str) -> Array:
        """The output of stage `upto`, given that of stage `since`."""
        return self.network.apply(variables["network"], features, since, self._stage(upto), method="between")

    def _stage(self, name: str | None) -> str | None:
        if name is not None and name not in self.stages:
            known = ", ".join(self.stages) or "no names, stage=None only"
            raise ValueError(f"stage: got {name!r}; this network, as far as its scores go, has {known}")
        return self.feature_stage if name is None else name


@dataclass(frozen=True)
class LogitScores(Rescored):
    """Scores made of the network's class scores.

    Attributes:
        scores: (..., c) -> (..., others).
        linear: it is, so that it makes a kernel of the network's kernel.
        gives_probabilities: they are probabilities, of which no softmax is taken.
    """

    scores: Callable[[Array], Array]
    linear: bool = False
    gives_probabilities: bool = False

    def logits(self, variables: Any, features: Array, since: str | None = None) -> Array:
        """Everything after stage `since`."""
        logits = self.network.apply(variables["network"], features, self._stage(since), method="logits")
        return self.scores(logits.astype(jnp.float32))

    def kernel(self, variables: Any) -> Array | None:
        """The (k, c) weights from pooled features to scores, or None."""
        kernel = self.network.apply(variables["network"], method="kernel") if self.linear else None
        return None if kernel is None else self.scores(jnp.asarray(kernel, jnp.float32))


@dataclass(frozen=True)
class FeatureScores(Rescored):
    """Scores made of what a stage gives; what comes after it is left out.

    Attributes:
        stage: its name; None for a network made from functions.
        scores: (the variables under "objective" (c, k), embeddings (b, k)) -> (b, c).
        embed: (the network's variables, the stage's output) -> embeddings (b, k); None for the mean over cells.
        linear: the scores are the products of both, so that the objective, turned, is a kernel.
    """

    stage: str | None
    scores: Callable[[Array, Array], Array]
    embed: Callable[[Any, Array], Array] | None = None
    linear: bool = False

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages through the one that scores are made of."""
        every = self.network.stages
        return every[: every.index(self.stage) + 1] if self.stage in every else ()

    @property
    def map_stage(self) -> str | None:
        """The stage that map methods look at by default."""
        usual = self.network.map_stage
        return usual if usual in self.stages and not self.linear else self.stage

    @property
    def feature_stage(self) -> str | None:
        """The stage whose output `features` gives by default."""
        return self.stage

    def logits(self, variables: Any, features: Array, since: str | None = None) -> Array:
        """Everything after stage `since`."""
        since, inside, objective = self._stage(since), variables["network"], variables["objective"]
        if since != self.stage:
            features = self.network.apply(inside, features, since, self.stage, method="between")
        embedded = self._pooled(features) if self.embed is None else self.embed(inside, features)
        if embedded.ndim != 2 or embedded.shape[-1] != objective.shape[-1]:
            raise ValueError(
                f"embeddings: got {embedded.shape} from this network, {objective.shape} to compare them with; "
                "make the last axes equal, and embeddings (b, k)"
            )
        return self.scores(objective, embedded.astype(jnp.float32))

    def kernel(self, variables: Any) -> Array | None:
        """The (k, c) weights from pooled features to scores, or None."""
        return variables["objective"].T if self.linear else None

    def _pooled(self, features: Array) -> Array:
        """The mean over cells; of tokens, over those that are cells."""
        if self.linear and features.ndim < 3:
            raise ValueError(f"stage: {self.stage} gives {features.shape[1:]}, which has no cells; take one before it")
        if self.token_grid is not None and features.ndim == 3:
            features = features[:, -math.prod(self.token_grid) :]
        return jnp.mean(features, axis=tuple(range(1, features.ndim - 1)))
