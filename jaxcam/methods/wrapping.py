"""What wrappers of map methods have in common: their face, and labels as weights of classes."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.forward import ImageSize, check_images, forward
from jaxcam.methods.arguments import check_targets, class_weights, label_axes
from jaxcam.params import Params

# Any map method, this package's or one's own: (params, images, labels=None, **options) -> maps.
Method = Callable[..., Array]


def wrapped(run: Method, name: str, method: Method, described: str, *, without: tuple[str, ...] = ()) -> Method:
    """`run` with the name, the signature and the documentation of a method that is made of another.

    Args:
        run: (params, images, labels=None, *, own options, **options of the method).
        name: of the wrapper.
        method: what it wraps.
        described: first line and more.
        without: options of the method that it has no more.
    """
    of = name_of(method)
    face, own = inspect.signature(method), inspect.signature(run).parameters.values()
    kept = [p for p in face.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) and p.name not in without]
    added = [p for p in own if p.kind is not p.VAR_KEYWORD]
    new = {p.name for p in added}
    parameters = sorted([*added, *(p for p in kept if p.name not in new)], key=lambda p: p.kind)
    made: Any = run
    made.__signature__ = inspect.Signature(parameters, return_annotation=Float[Array, "..."])
    made.__name__ = made.__qualname__ = f"{name}({of})"
    made.__doc__ = f"{described}\n\nAll else is as for `{of}`:\n\n{inspect.getdoc(method) or ''}"
    return made


def name_of(method: Method) -> str:
    """Its name, where it has one."""
    return getattr(method, "__name__", type(method).__name__)


def has_option(method: Method, name: str) -> bool:
    """Whether a method takes an option of that name."""
    parameters = inspect.signature(method).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def checked(params: Params, images: Images) -> Array:
    """One image or a batch, as given but checked."""
    batch, single = check_images(params, images)
    return batch[0] if single else batch


def scores(params: Params, images: Images, image_size: ImageSize = None) -> Float[Array, "*b c"]:
    """Class scores of one image or a batch, as a method sees them that is given that image size."""
    batch, single = check_images(params, images)
    found = forward(params, batch, image_size=image_size)[1]
    return found[0] if single else found


def weights_of(
    params: Params, images: Images, labels: LabelsLike, image_size: ImageSize = None
) -> Float[Array, "*b_n c"]:
    """Labels as weights of classes, (b, c) for one an image or (b, n, c) for many; without b for one image."""
    batch, single = check_images(params, images)
    num_classes = jax.eval_shape(partial(forward, image_size=image_size), params, batch)[1].shape[1]
    targets = check_targets(labels, batch=batch.shape[0], single=single, num_classes=num_classes)
    weights = class_weights(targets, num_classes).reshape(*label_axes(targets), num_classes)
    return weights[0] if single else weights
