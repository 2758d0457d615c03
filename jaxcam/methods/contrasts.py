"""Wrappers that ask about classes in another way: what speaks against a class, and for it rather than for another.

Both give the method that they wrap weights of classes as labels, so that one score is still all that it explains.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.methods.wrapping import Method, name_of, scores, weights_of, wrapped
from jaxcam.params import Params


def counterfactual(method: Method) -> Method:
    """A method of the negated score: where is what speaks against the class, and would raise it if it went.

    M = M(-S), with S the score of the label.

    For Grad-CAM this negates the gradients, as its paper does. A method that is linear in the score and has no relu,
    such as `cam`, gives -M(S). Those that see no sign give M(S) itself: of absolute values, such as `saliency` and
    `full_grad`, relative to the score, as `ablation_cam`, and those that look at no class.

    Args:
        method: any map method that takes weights of classes as labels.

    Returns:
        The method, with the same options.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV
    2017, arXiv 1610.02391.

    >>> import jax.numpy as jnp, jaxcam
    >>> as_is = jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))
    >>> colours = jaxcam.from_functions(  # a network whose classes are the colours
    ...     lambda _, images: images,
    ...     lambda _, cells: cells.mean((1, 2)),
    ...     lambda _: jnp.eye(3),
    ...     card=jaxcam.Card(("red", "green", "blue"), image_size=(4, 4), preprocessing=as_is),
    ... )
    >>> image = jnp.ones((4, 4, 3)).at[:, 1].set(0)
    >>> bool((jaxcam.counterfactual(jaxcam.cam)(colours, image, 2) == -jaxcam.cam(colours, image, 2)).all())
    True
    """

    def run(params: Params, images: Images, labels: LabelsLike | None = None, **options: Any) -> Float[Array, "..."]:
        given = options.get("image_size")
        labels = scores(params, images, given).argmax(axis=-1) if labels is None else labels
        return method(params, images, -weights_of(params, images, labels, given), **options)

    return wrapped(run, "counterfactual", method, f"`{name_of(method)}` of the negated score.")


def contrastive(method: Method) -> Method:
    """A method of the difference of two scores: where is what speaks for a class rather than for another.

    M = M(S_label - S_against).

    The paper takes the gradient of a loss between the two classes in place of the score's; that of the cross-entropy of
    `against` is p - e_against, which is this difference of classes where the network is sure of the label.

    Args:
        method: any map method that takes weights of classes as labels.

    Returns:
        The method. It has the option `against`: classes, or weights of classes, as labels are given. One an image
        stands against each of its labels, and one label against each of many; None for the class with the highest score
        among those that the label gives no weight, so NaN where it gives all some.

    Source: Prabhushankar et al., "Contrastive Explanations in Neural Networks", ICIP 2020, arXiv 2008.00178.

    >>> import jax.numpy as jnp, jaxcam
    >>> as_is = jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))
    >>> colours = jaxcam.from_functions(  # a network whose classes are the colours
    ...     lambda _, images: images,
    ...     lambda _, cells: cells.mean((1, 2)),
    ...     lambda _: jnp.eye(3),
    ...     card=jaxcam.Card(("red", "green", "blue"), image_size=(4, 4), preprocessing=as_is),
    ... )
    >>> yellow_and_white = jnp.ones((4, 4, 3)).at[:2, :, 2].set(0)
    >>> jaxcam.contrastive(jaxcam.cam)(colours, yellow_and_white, 0, against=2)[:, 0]  # why red, rather than blue?
    Array([1., 1., 0., 0.], dtype=float32)
    """

    def run(
        params: Params,
        images: Images,
        labels: LabelsLike | None = None,
        *,
        against: LabelsLike | None = None,
        **options: Any,
    ) -> Float[Array, "..."]:
        given = options.get("image_size")
        found: Any = scores(params, images, given) if labels is None or against is None else None
        labels = found.argmax(axis=-1) if labels is None else labels
        wanted = weights_of(params, images, labels, given)
        others = _highest_other(found, wanted) if against is None else weights_of(params, images, against, given)
        if wanted.ndim < others.ndim:
            wanted = wanted[..., None, :]
        elif others.ndim < wanted.ndim:
            others = others[..., None, :]
        if wanted.shape != others.shape and 1 not in (wanted.shape[-2], others.shape[-2]):
            raise ValueError(
                f"against: got {others.shape[-2]} classes an image for {wanted.shape[-2]} labels; give as many, or one"
            )
        return method(params, images, wanted - others, **options)

    return wrapped(run, "contrastive", method, f"`{name_of(method)}` of the score less that of the classes `against`.")


def _highest_other(found: Array, wanted: Array) -> Array:
    """The class with the highest score among those of no weight."""
    found = found if found.ndim == wanted.ndim else found[..., None, :]
    taken = wanted != 0
    best = jnp.where(taken, -jnp.inf, found).argmax(axis=-1)
    return jnp.where(
        taken.all(axis=-1, keepdims=True), jnp.nan, jax.nn.one_hot(best, wanted.shape[-1], dtype=jnp.float32)
    )
