"""Recipes: how to train, as values. Every field is an option of `jaxcam train`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import optax


@dataclass(frozen=True)
class Recipe:
    """One way to train a network.

    Attributes:
        network: a name of `jaxcam.networks.NETWORKS`; with `--init`, the checkpoint's network is used instead.
        options: of that network, as (name, value) pairs.
        image_size: side of the squashed images, in pixels: what the card says, and the network is evaluated at.
        crop_size: side of the training crops, in pixels. Smaller ones train faster, and since a random crop shows
            objects enlarged, the larger image at test time fits (Touvron et al., 2019, arXiv 1906.06423).
        crop_area: smallest share of the image that a crop covers.
        flip: mirror half of the images.
        epochs: passes over the training images.
        batch_size: images a step.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adamw".
        learning_rate: its peak; linear warm-up, then cosine to 0.
        warmup_epochs: length of the warm-up.
        weight_decay: on kernels alone, not on biases and BatchNorm.
        label_smoothing: share of the target spread over all classes.
        ema: decay a step of the averaged weights, which are those that are saved; 0 for none.
        bfloat16: compute in bfloat16; weights and losses stay float32.
        holdout: share of the training images left out to measure on.
        seed: of weights, order and augmentation.
    """

    network: str = "resnet18"
    options: tuple[tuple[str, Any], ...] = ()
    image_size: int = 224
    crop_size: int = 224
    crop_area: float = 0.25
    flip: bool = True
    epochs: float = 30.0
    batch_size: int = 128
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    ema: float = 0.998
    bfloat16: bool = False
    holdout: float = 0.02
    seed: int = 0

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"optimizer: got {self.optimizer!r}; use sgd or adamw")
        for name in ("image_size", "crop_size", "epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}; give a number above 0")
        for name in ("crop_area", "label_smoothing", "ema", "holdout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}; give a share from 0 to 1")


# Measured: see checkpoints/README.md.
TINY_IMAGENET = Recipe(
    network="resnet10",
    options=(("width", 32), ("stem", "small"), ("strides", (2, 1, 2, 1))),
    image_size=64,
    crop_size=48,
    epochs=12.0,
    label_smoothing=0.1,
)

# One's own photos, from a bundled or imported checkpoint; not measured yet.
FOLDER = Recipe(learning_rate=0.01, batch_size=32, epochs=10.0, ema=0.99)


def schedule(recipe: Recipe, steps: int, steps_an_epoch: float) -> Callable[[Any], Any]:
    """Learning rate at a step: linear warm-up, then a cosine to 0 at the last step."""
    warmup = min(math.ceil(recipe.warmup_epochs * steps_an_epoch), steps // 2)
    return optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warmup, steps)


def make_optimizer(recipe: Recipe, learning_rate: Any) -> optax.GradientTransformation:
    """The recipe's optimizer, with decay on kernels alone."""

    def kernels(params):
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    if recipe.optimizer == "adamw":
        return optax.adamw(learning_rate, weight_decay=recipe.weight_decay, mask=kernels)
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, mask=kernels),
        optax.sgd(learning_rate, momentum=0.9, nesterov=True),
    )
