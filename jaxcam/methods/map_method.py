"""What map methods have in common: one signature, one way from images to maps, and the words about both."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network, on_auto_axes
from jaxcam.forward import ImageSize, check_images, forward_pixels, preprocess
from jaxcam.geometry import resize
from jaxcam.methods.arguments import (
    Size,
    check_rank,
    check_size,
    check_targets,
    check_upsample,
    class_weights,
    label_axes,
)
from jaxcam.methods.cut import check_cells, cut_at
from jaxcam.params import Params

# A method proper: (cut, targets (b, n, c), **options) -> raw maps (b, n, *cells).
Core = Callable[..., Array]
Check = Callable[[Params, dict[str, Any]], dict[str, Any]]


@runtime_checkable
class MapMethod(Protocol):
    """A map method as users call it.

    Attributes:
        core: the method proper, for code that has made the forward pass already.
        on_pixels: whether maps lie on the pixels that the network is given, not on the cells of a stage.
        takes_stage: whether it has the option `stage`.
    """

    core: Core
    on_pixels: bool
    takes_stage: bool
    __name__: str

    def __call__(
        self, params: Params, images: Images, labels: LabelsLike | None = None, **options: Any
    ) -> Float[Array, "..."]: ...


def map_method(
    *, on_pixels: bool = False, takes_stage: bool = True, check: Check | None = None
) -> Callable[[Core], MapMethod]:
    """Make a map method of its core, `core(cut, targets (b, n, c), **options) -> raw maps (b, n, *cells)`.

    The method takes `params, images, labels` and, by name, `size`, `upsample`, `image_size`, `stage` and the options of
    the core. Arrays among the options are traced; all else is static, and NumPy's single numbers too. Its docstring is
    the core's, with words on what all have in common where it says "Args:".

    Args:
        on_pixels: the maps lie on the network's pixels. They are antialiased where they shrink.
        takes_stage: the method looks at the output of a stage.
        check: `(params, options) -> options`, called with the options of the core while their values can still be seen.

    >>> @map_method()
    ... def brightest(cut, targets):
    ...     '''The largest channel.
    ...
    ...     Args:
    ...     '''
    ...     return cut.cells.max(axis=-1)[:, None].repeat(targets.shape[1], axis=1)
    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> brightest(params, jnp.zeros((2, 32, 24, 3)), jnp.array([1, 4]), stage="layer3", size="cells").shape
    (2, 28, 28)
    """
    return partial(_public, on_pixels=on_pixels, takes_stage=takes_stage, check=check)


def _public(core: Core, *, on_pixels: bool, takes_stage: bool, check: Check | None) -> MapMethod:
    hidden = ("options",) if takes_stage else ("options", "stage")

    def method(
        params: Params,
        images: Images,
        labels: LabelsLike | None = None,
        *,
        stage: str | None = None,
        size: Size = None,
        upsample: str = "bilinear",
        image_size: ImageSize = None,
        **options: Any,
    ) -> Float[Array, "..."]:
        given = {*options} if stage is None else {*options, "stage"}
        if unknown := given.difference(known):
            raise TypeError(f"{core.__name__}: got {', '.join(sorted(unknown))}; its options are {', '.join(known)}")
        images, single = check_images(params, images)
        size, upsample = check_size(size, images.shape[1:-1]), check_upsample(upsample)
        pixels = preprocess(params, images, image_size=image_size)
        if labels is not None:
            num_classes = jax.eval_shape(forward_pixels, params, pixels)[1].shape[1]
            labels = check_targets(labels, batch=images.shape[0], single=single, num_classes=num_classes)
        settings, arrays = _static_and_traced(options if check is None else check(params, options))
        maps = _run(core, on_pixels, settings, stage, params, pixels, labels, arrays)
        if size is not None:
            check_rank(size, maps.ndim - (1 if labels is None else len(label_axes(labels))))
            maps = _resized(maps, size, upsample, on_pixels)
        return maps[0] if single else maps

    own = [p for p in inspect.signature(core).parameters.values() if p.kind is p.KEYWORD_ONLY]
    shared = [p for p in inspect.signature(method).parameters.values() if p.name not in hidden]
    known = [p.name for p in (*shared, *own) if p.kind is p.KEYWORD_ONLY]
    wrapped: Any = wraps(core)(method)
    wrapped.__signature__ = inspect.Signature([*shared, *own], return_annotation=Float[Array, "..."])
    wrapped.__annotations__ = {**method.__annotations__}
    wrapped.__doc__ = _documented(core, on_pixels=on_pixels, takes_stage=takes_stage)
    return with_core(wrapped, core, on_pixels=on_pixels, takes_stage=takes_stage)


def _static_and_traced(options: dict[str, Any]) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
    """Options as what a program is compiled for, and the arrays that it is given."""
    single = {name: value.item() for name, value in options.items() if isinstance(value, np.ndarray) and not value.ndim}
    options = {**options, **single}
    arrays = {name: value for name, value in options.items() if isinstance(value, jax.Array | np.ndarray)}
    static = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return tuple(sorted((name, value) for name, value in static.items() if name not in arrays)), arrays


def with_core(method: Any, core: Core, *, on_pixels: bool, takes_stage: bool) -> MapMethod:
    """The function as a `MapMethod` of that core."""
    method.core, method.on_pixels, method.takes_stage = core, on_pixels, takes_stage
    return method


def _documented(core: Core, *, on_pixels: bool, takes_stage: bool) -> str:
    """The docstring of a core with the arguments, results and errors that all methods have in common."""
    before, args, after = inspect.cleandoc(core.__doc__ or "").partition("Args:\n")
    options, _, rest = f"\n{after}".partition("\n\n")  # "Args:" may have nothing below it
    options = options.strip("\n").rstrip()
    space = "that of the network's input" if on_pixels else "no upsampling"
    shrinks = "\n        Antialiased where they shrink." if on_pixels else ""
    stage = "    stage: a name of the network's `stages`; None for the last one with cells that classify.\n"
    return f"""{before}{args}\
    params: any network's.
    images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels). They are resized on the device to
        the card's size.
    labels: (b,) or (b, n) classes; for one image a scalar or (n,); None for the predicted class. Or floats, weights of
        all classes (b, c) or (b, n, c), whose scores are then summed.
{stage if takes_stage else ""}\
    size: of the maps: None for the given images' (h, w), "cells" for {space}, or (height, width).{shrinks}
    upsample: "bilinear", "bicubic" (a = -0.75; both equal OpenCV's and torch's) or "catmull_rom" (a = -0.5).
    image_size: feed the network at another (height, width), or "native" for the images' own.
{options}{chr(10) if options else ""}
Returns:
    float32 maps (b, h, w), or (b, n, h, w) for (b, n) labels; without b for one image. Not normalised. NaN for a label
    that is out of range and could not be checked, where the method looks at labels.

Raises:
    ValueError: for wrong shapes, images or labels out of range, or an option that does not fit.

{rest}"""


@partial(jit_network, static_argnums=(0, 1, 2, 3))
def _run(core, on_pixels, settings, stage, params, pixels, labels, arrays):
    """Maps of the method's own size."""

    def run(pixels, params, labels, arrays):
        cut = cut_at(params, pixels, stage, to_pixels=on_pixels)
        if not on_pixels:
            check_cells(cut)
        labels = cut.logits.argmax(axis=-1) if labels is None else labels
        maps = core(cut, class_weights(labels, cut.logits.shape[1]), **dict(settings), **arrays)
        return maps.reshape(*label_axes(labels), *maps.shape[2:])

    return on_auto_axes(run, pixels, params, labels, arrays)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _resized(maps, size, upsample, antialias):
    return resize(maps, size, axis=maps.ndim - len(size), method=upsample, antialias=antialias)
