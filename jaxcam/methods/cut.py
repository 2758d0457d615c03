"""One forward pass cut at a stage: the features in front of the cut, the class scores behind it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Pixels
from jaxcam.params import Params

Cells = Float[Array, "b *cells k"]
Targets = Float[Array, "b n c"]
RawMaps = Float[Array, "b n *cells"]


class Cut(NamedTuple):
    """A batch's forward pass, cut at a stage: all that a map method needs.

    Everything is float32, also of a network that computes in another dtype behind the functions here.

    Attributes:
        params: the network's.
        pixels: (b, *space, channels), preprocessed.
        stage: the name of the stage; None for the last one of a network made from functions.
        cells: (b, *cells, k), the stage's output as it lies over the image.
        logits: (b, c).
        behind: cells (b, *cells, k) -> logits (b, c), everything after the stage.
        gradient: the gradient (b, *cells, k) of a score, given its weights of classes (b, c).
        pixel_gradient: likewise at the pixels; only where it was asked for.
    """

    params: Params
    pixels: Array
    stage: str | None
    cells: Array
    logits: Array
    behind: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    pixel_gradient: Callable[[Array], Array]

    @property
    def axes(self) -> tuple[int, ...]:
        """Those of the cells' space; one more, from the second, in what has labels."""
        return tuple(range(1, self.cells.ndim - 1))

    def gradients(self, targets: Targets) -> Float[Array, "b n *cells k"]:
        """Of all scores at the cells: one backward pass, mapped over the labels."""
        return jax.vmap(self.gradient, in_axes=1, out_axes=1)(targets)


def cut_at(params: Params, pixels: Pixels, stage: str | None = None, *, to_pixels: bool = False) -> Cut:
    """The forward pass of a preprocessed batch, cut at a stage.

    Args:
        params: any network's.
        pixels: (b, h, w, channels) by `jaxcam.forward.preprocess`.
        stage: a name of the network's `stages`; None for its `map_stage`: mostly the last with cells.
        to_pixels: `pixel_gradient` is wanted too.

    Returns:
        A `Cut`.

    Raises:
        ValueError: for an unknown stage.

    >>> import jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> cut = cut_at(params, jnp.zeros((2, 32, 24, 3)), "layer3")
    >>> cut.cells.shape, cut.gradients(jnp.ones((2, 4, 5))).shape
    ((2, 4, 3, 32), (2, 4, 4, 3, 32))
    """
    network: Any = params.network
    stage = network.map_stage if stage is None else stage
    grid = network.token_grid

    def in_front(pixels: Array) -> Array:
        return network.apply(params.variables, pixels, stage, method="features")

    def after(features: Array) -> Array:
        return network.apply(params.variables, features, stage, method="logits").astype(jnp.float32)

    def as_cells(features: Array) -> Array:
        return cells_of(features, grid).astype(jnp.float32)

    pixels = jnp.asarray(pixels)
    features, to_image = jax.vjp(in_front, pixels) if to_pixels else (in_front(pixels), _not_asked_for)
    logits, to_features = jax.vjp(after, features)
    return Cut(
        params,
        pixels,
        stage,
        cells=as_cells(features),
        logits=logits,
        behind=lambda cells: after(_with_cells(features, cells, grid)),
        gradient=lambda target: as_cells(to_features(target)[0]),
        pixel_gradient=lambda target: to_image(*to_features(target))[0],
    )


def cells_of(features: Array, grid: tuple[int, ...] | None) -> Array:
    """Features as cells: those of a transformer with a class token are tokens, of which the last are cells."""
    if grid is None or features.ndim != 3:
        return features
    batch, tokens, channels = features.shape
    first = tokens - math.prod(grid)
    if first < 0:
        raise ValueError(f"token_grid: got {grid} for {tokens} tokens; give as many cells, or fewer")
    return features[:, first:].reshape(batch, *grid, channels)


def check_cells(cut: Cut) -> None:
    """Refuse a stage whose output does not lie over the image.

    Raises:
        ValueError: for one without axes of space.
    """
    if not cut.axes:
        given = "features: got" if cut.stage is None else f"stage: {cut.stage} gives"
        raise ValueError(f"{given} {cut.cells.shape[1:]}, which has no cells; take what comes before it")


def _not_asked_for(gradient: Array) -> tuple[Array]:
    raise ValueError("pixel_gradient: the forward pass was cut without to_pixels=True, which it needs")


def scores_of(logits: Float[Array, "b c"], targets: Targets) -> Float[Array, "b n"]:
    """The score of each label: the logits weighed by its weights of classes."""
    return jnp.einsum("bc,bnc->bn", logits, targets, precision=jax.lax.Precision.HIGHEST)


def weighed(cells: Cells, weights: Float[Array, "b n k"]) -> RawMaps:
    """sum_k w_k A_k of every label."""
    return jnp.einsum("b...k,bnk->bn...", cells, weights, precision=jax.lax.Precision.HIGHEST)


def _with_cells(features: Array, cells: Array, grid: tuple[int, ...] | None) -> Array:
    """Features with other cells, of their own dtype; tokens that belong to no cell stay as they are."""
    cells = cells.astype(features.dtype)
    if grid is None or features.ndim != 3:
        return cells
    batch, tokens, channels = features.shape
    first = features[:, : tokens - math.prod(grid)]
    return jnp.concatenate([first, cells.reshape(batch, -1, channels)], axis=1)
