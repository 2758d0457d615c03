"""Full gradients: a class score as a sum over the pixels and over what every stage of the network adds by itself."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.geometry import resize
from jaxcam.methods.cut import Cut, RawMaps, Targets, cells_of, scores_of
from jaxcam.methods.map_method import map_method
from jaxcam.params import Params


@map_method(on_pixels=True, takes_stage=False)
def full_grad(cut: Cut, targets: Targets) -> RawMaps:
    """FullGrad: input times gradient, and what the biases of each stage add, all without signs.

    M(p) = psi(x dS / dx)(p) + sum over stages l of psi(b_l dS / da_l)(p), where x are the network's pixels after mean
    and std, a_l = s_l(a_{l-1}) a stage's output, b_l = a_l - (ds_l / da_{l-1}) a_{l-1} its bias, and psi takes
    absolute values, scales them to [0, 1] by their least and greatest, resizes them bilinearly and adds the channels.

    Before psi everything adds up to S, with the head's own bias, which has no place in a map. The paper takes the bias
    of each layer, here those of a stage stand together at its output; that of an activation other than ReLU, the
    paper's implicit bias, is among them. Networks made from functions are one stage.

    As in the authors' code, all channels of a stage are scaled together; pytorch-grad-cam scales each by itself, by
    which those that add least count as much as all others. The authors' code resizes with corners aligned.

    Args:

    Source: Srinivas and Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019, arXiv
    1905.00780.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.full_grad(params, jnp.ones((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    parts = full_gradients(cut, targets)
    space = cut.pixels.shape[1:-1]
    located = [part for part in parts.stages if part.ndim == parts.pixels.ndim]
    return sum((_shown(part, space) for part in located), start=_shown(parts.pixels, space))


class FullGradients(NamedTuple):
    """What makes up the scores, which they are the sum of.

    Attributes:
        pixels: (b, n, *space, channels), pixels times their gradients.
        stages: for each stage (b, n, *cells, k), its bias times the gradients at its output. Where that has a token
            of the class, it stands in `rest`.
        rest: (b, n), what has no place: the bias of the head, and of tokens that are no cells.
    """

    pixels: Array
    stages: list[Array]
    rest: Array


def full_gradients(cut: Cut, targets: Targets) -> FullGradients:
    """Scores as sums over pixels and stages; exact for every network that has derivatives.

    >>> import jaxcam
    >>> from jaxcam.methods.cut import cut_at
    >>> params = jaxcam.from_functions(lambda _, images: images.clip(1, 2) - 5, lambda _, cells: cells.sum((1, 2)) + 3)
    >>> parts = full_gradients(cut_at(params, jnp.full((1, 2, 2, 1), 1.5)), jnp.ones((1, 1, 1)))
    >>> [float(part.sum()) for part in (parts.pixels, *parts.stages, parts.rest)]  # 4 pixels
    [6.0, -20.0, 3.0]
    """
    x, biases, backwards = cut.pixels, [], []
    for run in _stages_of(cut.params):
        x, bias, backward = _affine(run, x)
        biases.append(bias)
        backwards.append(backward)
    rest, grid = scores_of(biases.pop(), targets), cut.params.network.token_grid
    gradients, parts = _mapped(backwards.pop(), targets), []
    for bias, backward in zip(reversed(biases), reversed(backwards), strict=True):
        products = bias[:, None] * gradients.astype(jnp.float32)
        cells = jax.vmap(lambda part: cells_of(part, grid), in_axes=1, out_axes=1)(products)
        rest += _total(products) - _total(cells)
        parts.append(cells)
        gradients = _mapped(backward, gradients)
    return FullGradients(cut.pixels[:, None] * gradients, parts[::-1], rest)


def _stages_of(params: Params) -> list[Callable[[Array], Array]]:
    """The network as functions that follow one another: its stages, and the head last."""
    network: Any = params.network
    names = getattr(network, "backbone", network).stages
    if not names:
        return [partial(network.apply, params.variables, method=part) for part in ("features", "logits")]

    def stage(since: str | None, upto: str) -> Callable[[Array], Array]:
        return lambda x: network.apply(params.variables, x, since, upto, method="between")

    stages = [stage(since, upto) for since, upto in zip((None, *names[:-1]), names, strict=True)]
    return [*stages, lambda x: network.apply(params.variables, x, names[-1], method="logits")]


def _affine(function: Callable[[Array], Array], x: Array) -> tuple[Array, Array, Callable[[Array], Array]]:
    """y = function(x), y - J x in float32, and the transpose of the Jacobian J, from one forward pass."""
    y, jacobian = jax.linearize(function, x)
    transposed = jax.linear_transpose(jacobian, x)
    bias = y.astype(jnp.float32) - jacobian(x).astype(jnp.float32)
    return y, bias, lambda gradient: transposed(gradient.astype(y.dtype))[0]


def _mapped(backward: Callable[[Array], Array], gradients: Array) -> Array:
    """Of every label, written out for the reason in `for_each_label`."""
    return jnp.stack([backward(one) for one in gradients.swapaxes(0, 1)], axis=1)


def _total(part: Array) -> Float[Array, "b n"]:
    return part.sum(axis=tuple(range(2, part.ndim)))


def _shown(part: Float[Array, "b n *cells k"], space: tuple[int, ...]) -> Float[Array, "b n *space"]:
    """The paper's psi, and the sum over channels."""
    axes = tuple(range(2, part.ndim))
    part = jnp.abs(part)
    lowest, highest = (extreme(part, axis=axes, keepdims=True) for extreme in (jnp.min, jnp.max))
    scaled = (part - lowest) / jnp.where(highest == lowest, 1, highest - lowest)
    # Adding and resizing are both linear, so adding first is exact and k times cheaper.
    return resize(scaled.sum(axis=-1), space, axis=2)
