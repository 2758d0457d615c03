"""What measures have in common: the images as the network is shown them, changed, and the scores they then get."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.forward import check_images, class_probabilities, forward_pixels, normalize_channels, resized_images
from jaxcam.geometry import resize
from jaxcam.methods.arguments import check_labels
from jaxcam.methods.chunks import check_counts, map_in_chunks
from jaxcam.methods.scaling import normalize
from jaxcam.params import Params

MapsLike = Shaped[type_of_array, "..."]
MaskLike = Bool[type_of_array, " b"] | None
ShownImages = Float[Array, "b *space channels"]
ImageMaps = Float[Array, "b *space"]

# params, (b, c) logits -> (b, c) scores, of which each image's is that of its label.
SCORES: dict[str, Callable[[Params, Array], Array]] = {
    "probability": class_probabilities,
    "logit": lambda params, logits: logits,
    "correct": lambda params, logits: jax.nn.one_hot(logits.argmax(axis=-1), logits.shape[-1], dtype=jnp.float32),
}


class Shown(NamedTuple):
    """A batch as measures take it.

    Attributes:
        images: in [0, 1], at the size that the network is given.
        labels: (b,) classes.
        maps: of the images' size.
        mask: (b,) False where the row counts for nothing.
    """

    images: Float[Array, "b *space channels"]
    labels: Int[Array, " b"]
    maps: Float[Array, "b *space"]
    mask: Bool[Array, " b"]


def show(
    params: Params, images: Images, labels: LabelsLike, maps: MapsLike | None = None, mask: MaskLike = None
) -> Shown:
    """A batch, checked; images and maps resized to the size that the network is given.

    Maps are resized bilinearly, with antialiasing where they shrink. Without maps they are 0.

    Raises:
        ValueError: for one image without its batch axis, or for labels, maps or a mask of another shape.
    """
    images, single = check_images(params, images)
    if single:
        raise ValueError(f"images: got one of shape {images.shape[1:]}; give a batch")
    batch, rank = len(images), images.ndim - 2
    shown = shown_images(params, images)
    num_classes = jax.eval_shape(forward_pixels, params, shown)[1].shape[1]
    labels = check_labels(labels, batch=batch, single=False, num_classes=num_classes)
    if labels.ndim != 1:
        raise ValueError(f"labels: got shape {labels.shape}; give one class an image, as maps are one an image")
    if maps is not None and (maps.ndim != rank + 1 or len(maps) != batch or 0 in maps.shape):
        raise ValueError(f"maps: got shape {maps.shape} for {batch} images; give one an image, (b, h, w)")
    if mask is not None and mask.shape != (batch,):
        raise ValueError(f"mask: got shape {mask.shape} for {batch} images; give ({batch},)")
    space = shown.shape[1:-1]
    fitted = jnp.zeros(shown.shape[:-1], jnp.float32) if maps is None else fit(jnp.asarray(maps, jnp.float32), space)
    return Shown(shown, labels, fitted, jnp.ones(batch, bool) if mask is None else jnp.asarray(mask))


def shown_images(params: Params, images: Images) -> ShownImages:
    """Images in [0, 1] at the size that the network is given, before mean and std."""
    return resized_images(params, images, params.card.image_size)


def fit(maps: Float[Array, "b *_given"], space: tuple[int, ...]) -> Float[Array, "b *_fitted"]:
    """Maps at another size."""
    return resize(maps, space, axis=1, antialias=True)


def scale(maps: ImageMaps, scaling: str) -> ImageMaps:
    """Maps scaled to [0, 1] by `jaxcam.normalize`, in any number of dimensions."""
    return normalize(maps, method=scaling, rank=maps.ndim - 1)


def scores_of_images(params: Params, images: ShownImages, labels: Int[Array, " b"], score: str) -> Float[Array, " b"]:
    """The score of each image's label; NaN for a label out of range.

    Args:
        params: any network's.
        images: in [0, 1], at the network's size; beyond [0, 1] they are taken as they are.
        labels: (b,).
        score: "probability" after the softmax, "logit" before it, or "correct": 1 where the label is the first guess.
    """
    if score not in SCORES:
        raise ValueError(f"score: got {score!r}; use one of {', '.join(SCORES)}")
    logits = forward_pixels(params, normalize_channels(images, params.card.preprocessing))[1]
    values = SCORES[score](params, logits)
    take: Any = jax.vmap(lambda row, label: row.at[label].get(**_VISIBLE))
    return take(values, labels)


# A label out of range becomes NaN, never another class's score.
_VISIBLE = {"mode": "fill", "fill_value": jnp.nan, "wrap_negative_indices": False}


def scores_of_variants(
    params: Params,
    labels: Int[Array, " b"],
    change: Callable[[Any], ShownImages],
    variants: Any,
    *,
    score: str,
    chunk: int,
) -> Float[Array, "t b"]:
    """The scores of a batch that is changed in t ways, `chunk` of which are in memory at once.

    Args:
        params: any network's.
        labels: (b,).
        change: a variant -> the batch's images, changed.
        variants: a PyTree of arrays whose first axis is t.
        score: as for `scores_of_images`.
        chunk: how many changed batches pass through the network together.
    """
    check_counts(chunk=chunk)

    def one(index: Int[Array, ""]) -> Float[Array, " b"]:
        images = change(jax.tree.map(lambda leaf: leaf[index], variants))
        return scores_of_images(params, images, labels, score)

    return map_in_chunks(one, len(jax.tree.leaves(variants)[0]), chunk)
