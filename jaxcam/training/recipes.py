"""Recipes: how to train, as values. Every field is an option of `jaxcam train`."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """One way to train a network.

    Attributes:
        network: a name of `jaxcam.networks.NETWORKS`; with `--init`, the checkpoint's network is used instead.
        options: of that network, as "name=value"; a value is JSON or a plain word.
        image_size: side of the squashed images, in pixels: what the card says, and the network is evaluated at. By
            default that of the checkpoint given by `--init`, else the network's own.
        crop_size: side of the training crops, in pixels; by default the image size. Smaller ones train faster, and
            since a random crop shows objects enlarged, the larger image at test time fits (Touvron et al., "Fixing the
            train-test resolution discrepancy", NeurIPS 2019, arXiv 1906.06423).
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
    options: tuple[str, ...] = ()
    image_size: int | None = None
    crop_size: int | None = None
    crop_area: float = 0.25
    flip: bool = True
    epochs: float = 30.0
    batch_size: int = 128
    optimizer: str = "sgd"
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
        parse_options(self.options)
        for name in ("image_size", "crop_size", "epochs", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: got {value}; give a number above 0")
        for name in ("crop_area", "label_smoothing", "ema", "holdout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}; give a share from 0 to 1")

    def network_options(self) -> dict[str, Any]:
        """The options as keyword arguments of the network."""
        return parse_options(self.options)


def parse_options(options: tuple[str, ...]) -> dict[str, Any]:
    """Options typed as "name=value", where a value is JSON or a plain word, as keyword arguments.

    >>> parse_options(("width=32", "stem=small", "strides=[2,1,2,1]"))
    {'width': 32, 'stem': 'small', 'strides': [2, 1, 2, 1]}
    """
    pairs = [option.partition("=") for option in options]
    wrong = [option for option, (name, sign, _) in zip(options, pairs, strict=True) if not (name and sign)]
    if wrong:
        raise ValueError(f'options: got {", ".join(wrong)}; write "name=value", such as width=32')
    twice = {name for name, _, _ in pairs if [first for first, _, _ in pairs].count(name) > 1}
    if twice:
        raise ValueError(f"options: got {', '.join(sorted(twice))} more than once")
    return {name: _value(text) for name, _, text in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# Measured: see checkpoints/README.md.
TINY_IMAGENET = Recipe(
    network="resnet10",
    options=("width=32", "stem=small", "strides=[2,1,2,1]"),
    image_size=64,
    crop_size=48,
    epochs=12.0,
    label_smoothing=0.1,
)

# One's own photos, from a bundled or imported checkpoint; not measured yet.
FOLDER = Recipe(learning_rate=0.01, batch_size=32, epochs=10.0, ema=0.99)

RECIPES = {"tiny_imagenet": TINY_IMAGENET, "folder": FOLDER}
