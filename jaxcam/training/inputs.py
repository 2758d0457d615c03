"""What a training step makes of a batch before the network sees it: crops, colours, blends and hidden patches."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jaxcam.batches import Batch
from jaxcam.card import Card
from jaxcam.forward import normalize_channels
from jaxcam.training.augmentation import place_crop, random_crop
from jaxcam.training.colour import jitter_colour
from jaxcam.training.hiding import hide_and_seek
from jaxcam.training.mixing import mix
from jaxcam.training.recipes import Recipe
from jaxcam.training.trivial import trivial_augment

HIDDEN_GRIDS = (0, 16, 32, 44, 56)  # sides of Hide-and-Seek's patches, of images of 224 pixels a side


def prepare(
    keys: Key[Array, "b"], batch: Batch, *, recipe: Recipe, card: Card
) -> tuple[Float[Array, "b h w 3"], Float[Array, "b c"]]:
    """The pixels that a network is trained on, and the shares of the classes in each image.

    In order, each as far as the recipe asks for it: crop and mirror, colours, TrivialAugment, MixUp or CutMix,
    normalization, Hide-and-Seek.

    Args:
        keys: one an image.
        batch: uint8 images with labels.
        recipe: how to train.
        card: of the network: classes, size and normalization.

    Returns:
        Normalized pixels (b, h, w, 3) of `recipe.crop_size`, and targets (b, c), smoothed, of sum 1.
    """
    crop_keys, colour_keys, trivial_keys, mix_keys, hide_keys = jax.vmap(partial(jax.random.split, num=5))(keys).T
    images = jax.vmap(_crop(recipe, card))(crop_keys, jnp.asarray(batch.images, jnp.float32) / 255)
    if recipe.colour:
        images = jax.vmap(partial(jitter_colour, strength=recipe.colour))(colour_keys, images)
    if recipe.trivial_augment:
        images = jax.vmap(trivial_augment)(trivial_keys, images)
    targets = optax.smooth_labels(
        jax.nn.one_hot(batch.labels, len(card.classes), dtype=jnp.float32), recipe.label_smoothing
    )
    images, targets = mix(mix_keys, images, targets, mixup_alpha=recipe.mixup, cutmix_alpha=recipe.cutmix)
    pixels = normalize_channels(images, card.preprocessing)
    if recipe.hide:
        grids = tuple(round(side * images.shape[1] / 224) for side in HIDDEN_GRIDS)
        pixels = jax.vmap(partial(hide_and_seek, probability=recipe.hide, grids=grids))(hide_keys, pixels)
    return pixels, targets


def _crop(recipe, card):
    size = recipe.crop_size or card.image_size[0]
    if recipe.crop == "placed":
        return partial(place_crop, size=size, flip=recipe.flip)
    return partial(random_crop, size=size, area=recipe.crop_area, flip=recipe.flip)
