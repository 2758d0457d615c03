"""Why a network says what it says: its classes for a photo, and where it sees each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.arrays import Images, Labels, type_of_array
from jaxcam.box_rules import boxes, check_threshold
from jaxcam.compilation import jit_network
from jaxcam.forward import check_images, class_probabilities, forward, kernel_of
from jaxcam.methods.activation import cam_from_features
from jaxcam.methods.arguments import check_labels
from jaxcam.methods.cut import cells_of
from jaxcam.params import Params

AT_ONCE = 16  # classes whose maps are made together where only their boxes are wanted


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `explain` found for n classes of each image; for one image given alone, everything is without b.

    Attributes:
        labels: int32 (b, n) classes, the most probable first where they were not given.
        names: their readable names, b tuples of n.
        probabilities: float32 (b, n), the softmax over all classes; the scores of `with_probabilities` as they are.
        maps: float32 (b, n, h, w), raw maps of the images' size; None where only boxes were asked for.
        boxes: float32 (b, n, 4), half-open (x0, y0, x1, y1) in pixels of the images, read off the maps.

    >>> import jax.numpy as jnp, jaxcam
    >>> colours = jaxcam.from_functions(  # a network whose features are the colours, each speaking for one class
    ...     lambda weights, images: images[:, ::8, ::8],
    ...     lambda weights, features: features.mean((1, 2)) @ weights,
    ...     lambda weights: weights,
    ...     variables=jnp.eye(3),
    ...     card=jaxcam.Card(classes=("red", "green", "blue")),
    ... )
    >>> why = jaxcam.explain(colours, jnp.zeros((64, 48, 3)).at[:32, :, 2].set(1), top=1)
    >>> why.names, why.boxes
    (('blue',), Array([[ 0.,  0., 48., 33.]], dtype=float32))
    """

    labels: Int[Array, "*b n"]
    names: tuple[str, ...] | tuple[tuple[str, ...], ...]
    probabilities: Float[Array, "*b n"]
    maps: Float[Array, "*b n h w"] | None
    boxes: Float[Array, "*b n 4"]


def explain(
    params: Params,
    images: Images,
    labels: Labels | int | list[Any] | tuple[Any, ...] | None = None,
    *,
    top: int | None = None,
    threshold: float | None = None,
    method: Callable[..., Array] | None = None,
    maps: bool = True,
) -> Explanation:
    """The most probable classes of an image with their maps and boxes, for class activation maps from one forward pass.

    Args:
        params: a network's; for class activation maps, one that ends in global pooling and one linear layer.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels).
        labels: explain these instead of the top classes: (b,) or (b, n); for one image a scalar or (n,).
        top: number n of classes to explain where no labels are given; None for 5, or all where there are fewer.
        threshold: share of a map's maximum above which a pixel belongs to its box, in (0, 1]; None for the card's.
        method: of the maps, such as `jaxcam.grad_cam`: any `(params, images, labels) -> maps`; None for `jaxcam.cam`.
        maps: False for boxes alone, of as many classes as there are: the maps of a few at a time are then in memory.

    Returns:
        An `Explanation`: labels, names and probabilities (b, n), maps (b, n, h, w), boxes (b, n, 4), without b for one
        image.

    Raises:
        ValueError: for wrong shapes, images, labels, `top` or threshold, or class activation maps of a network without
            a kernel.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(
    ...     lambda weights, images: images[:, ::8, ::8],
    ...     lambda weights, features: features.mean((1, 2)) @ weights,
    ...     lambda weights: weights,
    ...     variables=jnp.eye(3),
    ... )
    >>> why = jaxcam.explain(params, jnp.zeros((2, 64, 48, 3)), top=2)
    >>> why.probabilities.shape, why.maps.shape, why.boxes.shape
    ((2, 2), (2, 2, 64, 48), (2, 2, 4))
    """
    images, single = check_images(params, images)
    if labels is not None:
        # The names are looked up on the host anyway, so the labels' values can be checked wherever they lie.
        labels = np.asarray(labels)
        num_classes = jax.eval_shape(forward, params, images)[1].shape[1]
        labels = check_labels(labels, batch=images.shape[0], single=single, num_classes=num_classes)
    # A program could not check the threshold's value.
    share = None if threshold is None else check_threshold(threshold, np.shape(threshold), zero=False)
    # Class activation maps and their boxes are one program with the forward pass; another method has its own.
    run = _cam_answers if method is None else partial(answers, method=method)
    found = run(params, images, labels, top=top, threshold=share, maps=maps)
    explanation: dict[str, Any] = {"maps": None, **found, "names": _names(params, found["labels"])}
    if single:
        explanation = {name: None if part is None else part[0] for name, part in explanation.items()}
    return Explanation(**explanation)


def answers(
    params: Params,
    images: Images,
    labels: Int[Array, "b *n"] | None = None,
    *,
    top: int | None = None,
    threshold: float | type_of_array | None = None,
    method: Callable[..., Array] | None = None,
    maps: bool = True,
) -> dict[str, Array]:
    """What `explain` finds, as arrays by name: a function to compile or to export.

    Args:
        params: as for `explain`.
        images: a batch (b, h, w, channels).
        labels: classes whose values were checked; None for the top ones.
        top: as for `explain`.
        threshold: as for `explain`.
        method: as for `explain`.
        maps: as for `explain`.

    Returns:
        "labels" and "probabilities" (b, n), "maps" (b, n, h, w) where they are wanted, "boxes" (b, n, 4).

    Raises:
        ValueError: as for `explain`.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> found = jax.eval_shape(answers, params, jnp.zeros((2, 32, 24, 3)))
    >>> {name: array.shape for name, array in found.items()}
    {'boxes': (2, 5, 4), 'labels': (2, 5), 'maps': (2, 5, 32, 24), 'probabilities': (2, 5)}
    """
    if len(params.card.image_size) != 2:
        raise ValueError(
            f"params: its images have {len(params.card.image_size)} axes of space, and boxes are of pictures; "
            "call a map method itself, such as jaxcam.cam"
        )
    if method is None:
        kernel_of(params)  # raises, where there is none
    images, _ = check_images(params, images)
    features, logits = forward(params, images)
    num_classes = logits.shape[1]
    top = min(5, num_classes) if top is None else top
    if labels is None and not 1 <= top <= num_classes:
        raise ValueError(f"top: got {top}; this network has {num_classes} classes, give 1 to {num_classes}")
    chosen = jax.lax.top_k(logits, top)[1] if labels is None else labels.reshape(images.shape[0], -1)
    threshold = params.card.threshold if threshold is None else threshold
    probabilities = class_probabilities(params, logits)
    found = {"labels": chosen, "probabilities": jnp.take_along_axis(probabilities, chosen, axis=1)}
    if not maps:
        share = check_threshold(threshold, chosen.shape, zero=False)
        return {**found, "boxes": _boxes_alone(params, images, features, chosen, share, method)}
    drawn = _maps(params, images, features, chosen, method)
    return {**found, "maps": drawn, "boxes": boxes(drawn, threshold=threshold)}


_cam_answers = jit_network(answers, static_argnames=("top", "maps"))


def _maps(params: Params, images: Array, features: Array, labels: Array, method: Callable[..., Array] | None) -> Array:
    if method is not None:
        return method(params, images, labels)
    cells = cells_of(features, params.network.token_grid)
    return cam_from_features(cells, kernel_of(params), labels, size=images.shape[1:-1])


def _boxes_alone(
    params: Params,
    images: Array,
    features: Array,
    labels: Array,
    threshold: type_of_array,
    method: Callable[..., Array] | None,
) -> Array:
    """The boxes (b, n, 4) of labels (b, n), the maps of `AT_ONCE` of them after those of others."""
    batch, count = labels.shape
    width = min(AT_ONCE, count)
    padded = jnp.pad(labels, ((0, 0), (0, -count % width)), mode="edge")
    parts = jnp.moveaxis(padded.reshape(batch, -1, width), 1, 0)
    # A method's parts are called one by one: in a loop of XLA's, gradients of convolutions take up to 80 times as long
    # on CPUs.
    found = (
        _cam_boxes(params, images, features, parts, threshold)
        if method is None
        else jnp.stack([_boxes_of(params, images, features, part, threshold, method) for part in parts])
    )
    return jnp.moveaxis(found, 0, 1).reshape(batch, -1, 4)[:, :count]


@jit_network
def _cam_boxes(params: Params, images: Array, features: Array, parts: Array, threshold: type_of_array) -> Array:
    return jax.lax.map(lambda part: _boxes_of(params, images, features, part, threshold, None), parts)


@partial(jit_network, static_argnames="method")
def _boxes_of(
    params: Params,
    images: Array,
    features: Array,
    labels: Array,
    threshold: type_of_array,
    method: Callable[..., Array] | None,
) -> Array:
    return boxes(_maps(params, images, features, labels, method), threshold=threshold)


def _names(params: Params, labels: Array) -> tuple[tuple[str, ...], ...]:
    """Names by the card; "class 3" where it names none."""
    classes = params.card.classes
    return tuple(
        tuple(classes[label] if classes else f"class {label}" for label in row) for row in np.asarray(labels).tolist()
    )
