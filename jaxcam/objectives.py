"""Objectives beyond the score of a class: functions from params to params that have other class scores.

Map methods work on them unchanged, and so do `jaxcam.logits` and the wrappers: their "classes" are probabilities, the
two classes of a network with one score, references or concepts. A sum of classes needs none of them: labels that are
floats are weights of all classes, [1.0, 1.0, 0.0] for the score of the first two together.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import type_of_array
from jaxcam.networks.rescored import FeatureScores, LogitScores
from jaxcam.params import Params

Rows = Float[type_of_array, "*n k"]

# Module-level functions all, so that equal objectives are equal and share a trace.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "sigmoid": jax.nn.sigmoid,
}


def with_probabilities(params: Params, *, activation: str = "softmax") -> Params:
    """The params with probabilities in place of class scores.

    S_c = softmax(logits)_c, log softmax(logits)_c, or sigmoid(logit_c) for classes that do not exclude each other.

    The gradient of a softmax is p_c (e_c - p), with e_c the class alone: a map shows what speaks for a class and
    against the others. It vanishes where the network is sure; that of the logarithm, e_c - p, does so only where p_c is
    near 1.

    Args:
        params: any network's.
        activation: "softmax", "log_softmax" or "sigmoid".

    Returns:
        Params with the same classes. They have no kernel, so no `cam`. Where probabilities are asked for, as by
        `jaxcam.explain` or score="probability", they are these scores; those of "sigmoid" need not add up to 1. Of
        "log_softmax" they are the softmax as ever, which undoes the logarithm.

    Raises:
        ValueError: for an unknown activation.

    >>> import jax.numpy as jnp, jaxcam
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> image = jnp.zeros((8, 8, 3)).at[..., 1].set(1)
    >>> scores, shares = (jaxcam.logits(one, image) for one in (colours, jaxcam.with_probabilities(colours)))
    >>> bool(jnp.allclose(shares, jnp.exp(scores) / jnp.exp(scores).sum()))
    True
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: got {activation!r}; use one of {', '.join(ACTIVATIONS)}")
    given = activation in ("softmax", "sigmoid")
    network: Any = LogitScores(params.network, ACTIVATIONS[activation], gives_probabilities=given)
    return params.replace(variables=_around(params), network=network)


def with_two_classes(params: Params, *, names: Sequence[str] = ()) -> Params:
    """The params of a network with one score, a binary head, with the two classes that it tells apart.

    S_0 = -z / 2, S_1 = z / 2, so that softmax(S)_1 = sigmoid(z), with z the network's score.

    Args:
        params: a network's with one score.
        names: of both classes, the negative one first; by default "not" and the name on the card.

    Returns:
        Params with two classes; they have a kernel where the network has one. Maps of the second class are half those
        of the network's own.

    Raises:
        ValueError: for another number of names; later, for a network with more scores than one.

    >>> import jax.numpy as jnp, jaxcam
    >>> bright = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2, 3))[:, None])
    >>> jaxcam.logits(jaxcam.with_two_classes(bright), jnp.ones((8, 8, 3))).round(2)
    Array([-1.22,  1.22], dtype=float32)
    """
    own = params.card.classes
    names = tuple(names) or ((f"not {own[0]}", own[0]) if len(own) == 1 else own)
    network: Any = LogitScores(params.network, _both_sides, linear=True)
    return params.replace(variables=_around(params), network=network, card=_renamed(params, names, 2))


def with_similarities(
    params: Params,
    references: Rows,
    *,
    stage: str | None = None,
    embed: Callable[[Any, Array], Array] | None = None,
    names: Sequence[str] = (),
) -> Params:
    """The params with one class a reference: how similar an image is to it.

    S_r = <e, r> / (|e| |r|), the cosine of the image's embedding e and the reference r; 0 where one of them is 0.

    Args:
        params: any network's.
        references: (n, k) embeddings, or one (k,), such as the mean over cells of `jaxcam.features`.
        stage: whose output is embedded, a name of the network's `stages`; None for that of `jaxcam.features`.
        embed: (variables of the network, output of the stage) -> embeddings (b, k); None for the mean over cells. It is
            compared by identity: make it once.
        names: one a reference; by default "reference 0", "reference 1"...

    Returns:
        Params with n classes, the references. They have no kernel, so no `cam`.

    Raises:
        ValueError: for an unknown stage, references of another rank, or another number of names; later, for embeddings
            of another length.

    Source: as an objective of Grad-CAM, Chen et al., "Adapting Grad-CAM for Embedding Networks", WACV 2020, arXiv
    2001.06538.

    >>> import jax.numpy as jnp, jaxcam
    >>> as_is = jaxcam.Card(preprocessing=jaxcam.Preprocessing(mean=(0.0,), std=(1.0,)))
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)), card=as_is)
    >>> images = jnp.eye(3)[:, None, None].repeat(8, 1).repeat(8, 2)  # a red, a green and a blue one
    >>> alike = jaxcam.with_similarities(colours, jaxcam.features(colours, images).mean((1, 2)))
    >>> jaxcam.logits(alike, images)
    Array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    >>> jaxcam.grad_cam(alike, images, jnp.array([1, 2, 0])).shape
    (3, 8, 8)
    """
    rows = _rows(references, "references")
    network: Any = FeatureScores(params.network, _stage(params, stage), _cosines, embed)
    card = _renamed(
        params, tuple(names) or tuple(f"reference {index}" for index in range(rows.shape[0])), rows.shape[0]
    )
    return params.replace(variables=_around(params, rows), network=network, card=card)


def with_concepts(params: Params, directions: Rows, *, stage: str | None = None, names: Sequence[str] = ()) -> Params:
    """The params with one class a concept: how much of a direction among the features an image has.

    S_j = mean over p of <A(p), d_j>, with A(p) the output of the stage at cell p.

    Args:
        params: any network's.
        directions: (n, k), or one (k,), such as those that `jaxcam.find_concepts` finds; or of anything that is linear
            in the features, such as a concept activation vector.
        stage: whose output they are directions of, a name of the network's `stages`; None for that of
            `jaxcam.features`.
        names: one a concept; by default "concept 0", "concept 1"...

    Returns:
        Params with n classes, the concepts. Their kernel is the directions, so that even `cam` shows them: <A(p), d_j>.

    Raises:
        ValueError: for an unknown stage, directions of another rank, or another number of names; later, for directions
            of another length, or a stage without cells.

    >>> import jax.numpy as jnp, jaxcam
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> image = jnp.ones((8, 8, 3)).at[:4, :, 2].set(0)
    >>> yellow = jaxcam.with_concepts(colours, jnp.array([0.5, 0.5, -1.0]), names=["yellow"])
    >>> jaxcam.cam(yellow, image, 0)[::4, 0].round(1)
    Array([ 4.1, -0.3], dtype=float32)
    """
    rows = _rows(directions, "directions")
    network: Any = FeatureScores(params.network, _stage(params, stage), _products, linear=True)
    card = _renamed(params, tuple(names) or tuple(f"concept {index}" for index in range(rows.shape[0])), rows.shape[0])
    return params.replace(variables=_around(params, rows), network=network, card=card)


def _around(params: Params, objective: Array | None = None) -> dict[str, Any]:
    return {"network": params.variables, "objective": objective}


def _renamed(params: Params, names: tuple[str, ...], total: int) -> Any:
    if names and len(names) != total:
        raise ValueError(f"names: got {len(names)} for {total} classes; give one a class")
    return replace(params.card, classes=names, class_ids=())


def _stage(params: Params, stage: str | None) -> str | None:
    network: Any = params.network
    if stage is not None and stage not in network.stages:
        raise ValueError(f"stage: got {stage!r}; this network has {', '.join(network.stages) or 'no names of stages'}")
    return network.feature_stage if stage is None else stage


def _rows(vectors: Rows, name: str) -> Array:
    if vectors.ndim not in (1, 2) or 0 in vectors.shape:
        raise ValueError(f"{name}: got shape {tuple(vectors.shape)}; give (n, k), or one (k,)")
    vectors = jnp.asarray(vectors, jnp.float32)
    return vectors if vectors.ndim == 2 else vectors[None]


def _both_sides(scores: Array) -> Array:
    """Scores (..., 1), or a kernel's, as those of two classes."""
    if scores.shape[-1] != 1:
        raise ValueError(f"params: got a network with {scores.shape[-1]} scores; two classes are made of one")
    return jnp.concatenate([-scores, scores], axis=-1) / 2


def _products(objective: Array, embeddings: Array) -> Array:
    return jnp.einsum("ck,bk->bc", objective, embeddings, precision=jax.lax.Precision.HIGHEST)


def _cosines(references: Array, embeddings: Array) -> Array:
    return _products(_directed(references), _directed(embeddings))


def _directed(vectors: Array) -> Array:
    """Vectors of length 1; 0 for 0, where the gradient is 0 too."""
    squares = jnp.sum(vectors**2, axis=-1, keepdims=True)
    return vectors * jnp.where(squares > 0, jax.lax.rsqrt(jnp.where(squares > 0, squares, 1)), 0)
