"""Insertion and deletion: how the score goes as pixels come or go in the order of a map."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network
from jaxcam.faithfulness.baselines import baseline_images
from jaxcam.faithfulness.record import Record, sums
from jaxcam.faithfulness.shown import ImageMaps, MapsLike, MaskLike, Shown, scores_of_variants, show
from jaxcam.methods.chunks import check_counts
from jaxcam.params import Params


class Curves(NamedTuple):
    """The score of each image along the way.

    Attributes:
        insertion: (b, steps + 1), from the image without any pixel of its own to the whole.
        deletion: (b, steps + 1), from the whole image to the one without any.
    """

    insertion: Float[Array, "b points"]
    deletion: Float[Array, "b points"]


def insertion_deletion(
    params: Params,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    mask: MaskLike = None,
    steps: int = 28,
    removed: str = "mean",
    canvas: str = "blurred",
    score: str = "probability",
    chunk: int = 1,
) -> Record:
    """Insertion and deletion: the areas under the score's curves as pixels come or go, those the map has highest first.

    AUC = sum over i < steps of (s_i + s_(i+1)) / 2 / steps, with s_i the score where floor(i n / steps) of n pixels are
    changed.

    The order of the pixels alone counts, so maps are not normalised; of equal pixels the first in raster order is
    first. Deleted pixels become the mean of the network's card, inserted ones come into a blurred image, as in the
    authors' code, which sets pixels to 0 behind the normalisation; torch-cam 0.5 inserts into black instead.

    Args:
        params: any network's.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        maps: (b, y, x) raw maps of any size.
        mask: (b,) False where the row counts for nothing.
        steps: in how many the pixels are changed. The authors change 8 rows of pixels a step for many images,
            one row for a single image.
        removed: what a deleted pixel becomes: "mean", "black" or "blurred".
        canvas: where pixels are inserted: likewise.
        score: "probability", "logit" or "correct".
        chunk: how many changed batches pass through the network together.

    Returns:
        `Sums` of "insertion" and "deletion".

    Raises:
        ValueError: for shapes that do not fit together, or an unknown option.

    Source: Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    arXiv 1806.07421, and its code.

    >>> import jaxcam
    >>> red = jaxcam.from_functions(  # class 0 is as probable as the image is red
    ...     lambda weights, images: images,
    ...     lambda weights, cells: jnp.log(jnp.array([[0.0, 1.0]]) + cells.mean((1, 2)) @ jnp.array([[1.0, -1.0]])),
    ...     card=jaxcam.Card((), (), (1, 2), 1, jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))),
    ... )
    >>> image = jnp.array([0.2, 0.8])[None, None, :, None]
    >>> record = insertion_deletion(red, image, jnp.array([0]), image[..., 0], steps=2, canvas="black")
    >>> round(float(record["insertion"].total), 3)  # the mean of (0 + .4) / 2 and (.4 + .5) / 2
    0.325
    """
    curves = insertion_deletion_curves(
        params, images, labels, maps, steps=steps, removed=removed, canvas=canvas, score=score, chunk=chunk
    )
    return {
        "insertion": sums(_area(curves.insertion), mask),
        "deletion": sums(_area(curves.deletion), mask),
    }


def insertion_deletion_curves(
    params: Params,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    steps: int = 28,
    removed: str = "mean",
    canvas: str = "blurred",
    score: str = "probability",
    chunk: int = 1,
) -> Curves:
    """The curves whose areas `insertion_deletion` gives, image by image; its arguments are the same."""
    check_counts(steps=steps)
    shown = show(params, images, labels, maps)
    return _curves(params, shown, steps=steps, removed=removed, canvas=canvas, score=score, chunk=chunk)


def ranks(maps: ImageMaps) -> Int[Array, "b *space"]:
    """The place of each pixel in the order of its map: 0 for the highest, of equals for the first in raster order."""
    order = jnp.argsort(-maps.reshape(len(maps), -1), axis=1, stable=True)
    return jnp.argsort(order, axis=1).reshape(maps.shape)


def visible_nan(values: Float[Array, "t b"], maps: ImageMaps) -> Float[Array, "t b"]:
    """Figures that are NaN for a map with a NaN, whichever pixels they looked at."""
    broken = jnp.isnan(maps).any(axis=tuple(range(1, maps.ndim)))
    return jnp.where(broken[None], jnp.nan, values)


@partial(jit_network, static_argnames=("steps", "removed", "canvas", "score", "chunk"))
def _curves(params: Params, shown: Shown, *, steps, removed, canvas, score, chunk) -> Curves:
    order = ranks(shown.maps)[..., None]
    gone = baseline_images(params, shown.images, removed)
    empty = baseline_images(params, shown.images, canvas)

    def change(variant):
        inserting, changed = variant
        high = jnp.where(inserting, shown.images, gone)
        low = jnp.where(inserting, empty, shown.images)
        return jnp.where(order < changed, high, low)

    changed = np.arange(steps + 1) * np.prod(shown.maps.shape[1:]) // steps
    inserting = jnp.arange(2 * (steps + 1)) <= steps
    variants = (inserting, jnp.tile(jnp.asarray(changed, jnp.int32), 2))
    scores = scores_of_variants(params, shown.labels, change, variants, score=score, chunk=chunk)
    scores = visible_nan(scores, shown.maps).T
    return Curves(scores[:, : steps + 1], scores[:, steps + 1 :])


def _area(curve: Float[Array, "b points"]) -> Float[Array, " b"]:
    return ((curve[:, 1:] + curve[:, :-1]) / 2).mean(axis=1)
