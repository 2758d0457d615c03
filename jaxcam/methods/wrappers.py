"""Wrappers: map methods made of map methods, by other views of an image or several stages of a network.

Each takes any method `(params, images, labels=None, **options) -> maps` and gives one of the same form, so that they go
into each other, and it stays compiled and differentiable where the method is.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.forward import fed_size, resized_images
from jaxcam.geometry import resize
from jaxcam.methods.arguments import Size
from jaxcam.methods.crops import (
    CANVAS,
    UPSAMPLE,
    check_lengths,
    crop_corners,
    merge_crops,
    ten_crop_forward,
    ten_crops,
)
from jaxcam.methods.scaling import normalize
from jaxcam.methods.wrapping import Method, checked, has_option, name_of, scores, wrapped
from jaxcam.params import Params


def smoothed(
    method: Method,
    *,
    flip: bool = True,
    scales: Sequence[float | int] = (1.0,),
    intensities: Sequence[float | int] = (0.9, 1.0, 1.1),
) -> Method:
    """A method smoothed by test-time augmentation: the mean of its maps of changed images, each changed back.

    M = mean over flips, scales s and intensities a of unflipped(M(flipped(a I), fed at s times the size)).

    All copies are asked for the same classes: where no labels are given, for the one predicted from the image as it is.
    Called plainly they run one after another, so that memory does not grow with their number.

    pytorch-grad-cam's `aug_smooth` also flips and has these intensities. But it multiplies what the network is given,
    after the mean is subtracted, where here it is the image, in [0, 1] and beyond it for more than 1; it takes the mean
    of maps that are scaled to [0, 1] one by one; and without labels each copy is asked for its own predicted class.

    Args:
        method: any map method.
        flip: mirrored images too.
        scales: the network is also fed at so many times its image size, rounded. With size="cells", maps are resized
            to the largest grid.
        intensities: factors of the image.

    Returns:
        The method, with the same options.

    Raises:
        ValueError: for no scale or intensity, or one that is not positive.

    Source: flips and intensities as in Gildenblat and contributors, pytorch-grad-cam, 2021.

    >>> import jax.numpy as jnp, jaxcam
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> smooth = jaxcam.smoothed(jaxcam.grad_cam, scales=(1.0, 1.5))
    >>> smooth.__name__, smooth(colours, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1])).shape
    ('smoothed(grad_cam)', (2, 32, 24))
    """
    scales, intensities = tuple(map(float, scales)), tuple(map(float, intensities))
    for name, factors in (("scales", scales), ("intensities", intensities)):
        if not factors or not min(factors) > 0:
            raise ValueError(f"{name}: got {factors!r}; give factors above 0")

    def run(params: Params, images: Images, labels: LabelsLike | None = None, **options: Any) -> Float[Array, "..."]:
        images, given = checked(params, images), options.get("image_size")
        space = images.shape[-1 - len(params.card.image_size) : -1]
        own = fed_size(params, space, given)
        labels = scores(params, images, given).argmax(axis=-1) if labels is None else labels
        pixels = resized_images(params, images, space)
        maps = []
        for scale in scales:
            fed = {} if scale == 1 else {"image_size": tuple(max(1, round(scale * length)) for length in own)}
            for factor in intensities:
                maps.append(method(params, factor * pixels, labels, **options | fed))
                if flip:
                    mirrored = method(params, factor * pixels[..., ::-1, :], labels, **options | fed)
                    maps.append(mirrored[..., ::-1])
        return _mean(_on_one_grid(maps, len(space), options.get("upsample", "bilinear")))

    copies = f"{(1 + flip) * len(scales) * len(intensities)} copies of an image"
    kinds = f"flip={flip}, scales={scales}, intensities={intensities}"
    return wrapped(run, "smoothed", method, f"The mean of `{name_of(method)}` over {copies}: {kinds}.")


def ten_crop(method: Method) -> Method:
    """A method merged from ten crops of each image, as the CAM paper's released code merges class activation maps.

    M = sum over crops of |M(crop), resized to it|, each mirrored back and at its place; then resized and divided by its
    maximum.

    `ten_crop(cam)` gives the maps of `jaxcam.methods.crops.ten_crop_cam`. All crops are asked for the same classes:
    where no labels are given, for the most probable one, by the mean over them. They are one batch.

    Args:
        method: any map method. The network's images have two axes of space.

    Returns:
        The method. It has the option `canvas`: the (height, width) that images are squashed to, from whose corners and
        middle the crops of the card's size are taken, straight and mirrored; by default (256, 256). The methods' maps
        are resized by `upsample`, "catmull_rom" by default. A map is at most 1. `size` cannot be "cells".

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, and the
    MATLAB files that its authors released.

    >>> import jax.numpy as jnp, jaxcam
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> from_crops = jaxcam.ten_crop(jaxcam.grad_cam)
    >>> from_crops(colours, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1]), canvas=(250, 240)).shape
    (2, 32, 24)
    """

    def run(
        params: Params,
        images: Images,
        labels: LabelsLike | None = None,
        *,
        size: Size = None,
        canvas: tuple[int, ...] = CANVAS,
        **options: Any,
    ) -> Float[Array, "..."]:
        images, crop = checked(params, images), params.card.image_size
        corners = crop_corners(canvas, crop)
        lengths = check_lengths(images.shape[-3:-1] if size is None else size)
        if labels is None:
            batch = images if images.ndim == 4 else images[None]
            labels = ten_crop_forward(params, batch, canvas=canvas)[1].argmax(axis=-1)
            labels = labels if images.ndim == 4 else labels[0]
        crops = ten_crops(resized_images(params, images, tuple(canvas)), corners, crop)
        of_one = partial(method, **{"upsample": UPSAMPLE} | options, size=crop)
        # Mapped and not put into the batch, so that whatever belongs to an image among the options stays with it.
        maps = jax.vmap(lambda one: of_one(params, one, labels))(crops)
        return merge_crops(maps, lengths, tuple(canvas))

    return wrapped(run, "ten_crop", method, f"`{name_of(method)}` merged from ten crops, taken from a `canvas`.")


def multi_stage(method: Method, stages: Sequence[str | None], *, fuse: str = "mean", gamma: float = 2.0) -> Method:
    """A method at several stages of a network: its maps, each scaled to [0, 1], fused into one.

    "mean": M = mean over stages of m, with m = relu(M_stage) / max of M_stage.
    "max": M = maximum over stages of tanh(gamma m), LayerCAM's fusion.

    Without scaling, the stage whose gradients are largest would hide the others. Each stage is a forward pass of its
    own. pytorch-grad-cam takes the mean where it is given several layers, and scales it again.

    Args:
        method: a map method with the option `stage`.
        stages: names of the network's `stages`; None for the method's own.
        fuse: "mean" or "max".
        gamma: of "max": the larger, the more the low values of a map are raised.

    Returns:
        The method, without the option `stage`. With size="cells", maps have the largest grid among the stages.

    Raises:
        ValueError: for no stage, an unknown way to fuse, or a method that looks at no stage.

    Source: for "max", Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE
    Transactions on Image Processing 2021.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> card = jaxcam.Card(("cat", "dog"), image_size=(32, 32))
    >>> params = jaxcam.init("resnet10", jax.random.key(0), card=card, width=8, stem="small")
    >>> fused = jaxcam.multi_stage(jaxcam.layer_cam, ["layer3", "layer4"], fuse="max")
    >>> fused(params, jnp.zeros((2, 32, 24, 3)), jnp.array([0, 1])).shape
    (2, 32, 24)
    """
    if isinstance(stages, str) or not len(stages):
        raise ValueError(f"stages: got {stages!r}; give a list of at least one")
    if fuse not in ("mean", "max"):
        raise ValueError(f"fuse: got {fuse!r}; use mean or max")
    if not has_option(method, "stage"):
        raise ValueError(f"method: got {name_of(method)}, which looks at no stage of one's choice; give one that does")

    def run(params: Params, images: Images, labels: LabelsLike | None = None, **options: Any) -> Float[Array, "..."]:
        rank = len(params.card.image_size)
        found = [method(params, images, labels, stage=stage, **options) for stage in stages]
        maps = _on_one_grid(found, rank, options.get("upsample", "bilinear"))
        scaled = [normalize(one, rank=rank) for one in maps]
        return _mean(scaled) if fuse == "mean" else reduce(jnp.maximum, [jnp.tanh(gamma * one) for one in scaled])

    described = f"The {fuse} of `{name_of(method)}` over stages, each scaled to [0, 1]: {', '.join(map(str, stages))}."
    return wrapped(run, "multi_stage", method, described, without=("stage",))


def _mean(maps: list[Array]) -> Array:
    return sum(maps[1:], start=maps[0]) / len(maps)


def _on_one_grid(maps: list[Array], rank: int, upsample: str) -> list[Array]:
    """Maps of the same images resized to the largest of their grids, as those on cells may need."""
    size = tuple(map(max, zip(*(one.shape[-rank:] for one in maps), strict=True)))
    return [resize(one, size, axis=one.ndim - rank, method=upsample) for one in maps]
