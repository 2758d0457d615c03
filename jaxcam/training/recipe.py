"""A recipe: one way to train, whose every field is an option of `jaxcam train`."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What fields may be; the others are free.
CHOICES = {
    "crop": ("resized", "placed"),
    "optimizer": ("sgd", "caffe", "adamw"),
    "schedule": ("cosine", "flat", "steps"),
}
LIMITS: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    (
        "a number above 0",
        lambda value: 0 < value < math.inf,
        ("image_size", "crop_size", "load_size", "epochs", "batch_size", "accumulate", "learning_rate", "decay_every"),
    ),
    (
        "a number from 0",
        lambda value: 0 <= value < math.inf,
        ("mixup", "cutmix", "warmup_epochs", "weight_decay", "bias_rate", "body_rate", "clip"),
    ),
    ("a number from 0 to 4294967295", lambda value: 0 <= value < 2**32, ("seed",)),
    (
        "a share from 0 to 1",
        lambda value: 0 <= value <= 1,
        ("crop_area", "colour", "hide", "attention_dropout", "erase", "cooldown", "label_smoothing", "ema", "holdout"),
    ),
)


@dataclass(frozen=True)
class Recipe:
    """One way to train a network.

    Attributes:
        network: a name of `jaxcam.networks.NETWORKS`; with `--init`, the checkpoint's network is used instead, unless
            this one is made of it, as vgg16_gap is of vgg16; `jaxcam train` then refuses another that is typed.
        options: of that network, as "name=value"; a value is JSON or a plain word. As for `network`, refused where the
            checkpoint brings its own; the network made of a plain one takes over that one's but for these.
        image_size: side of the squashed images, in pixels: what the card says, and the network is evaluated at. By
            default that of the checkpoint given by `--init`, else the network's own.
        crop_size: side of the training crops, in pixels; by default the image size. Smaller ones train faster, and
            since a random crop shows objects enlarged, the larger image at test time fits (Touvron et al., "Fixing the
            train-test resolution discrepancy", NeurIPS 2019, arXiv 1906.06423).
        load_size: side that training images are squashed to before they are cropped, in pixels; by default the image
            size. For "placed" crops at most 1.5 times their size, unless `crop_size` is set.
        crop: "resized": a random rectangle, resized to the crop size. "placed": a square of the crop size at a random
            place, its pixels as they are.
        crop_area: smallest share of the image that a "resized" crop is drawn with; above 3/4, clipping a long one to
            the image may leave less.
        flip: mirror half of the images.
        colour: strength of the random change of brightness, contrast and saturation, up to 1; 0 for none.
        trivial_augment: one random change of random strength an image (TrivialAugment, arXiv 2103.10158).
        mixup: alpha of MixUp, which blends pairs of images (arXiv 1710.09412); 0 for none.
        cutmix: alpha of CutMix, which pastes a rectangle of one image into another (arXiv 1905.04899); 0 for none. Of
            both, each image draws one.
        hide: probability that a patch of an image is hidden (Hide-and-Seek, arXiv 1704.04232); 0 for none.
        attention_dropout: how often the strongest cells of the features are dropped, in place of weighing all by their
            strength (ADL, arXiv 1908.10028); 0 for neither. Not for ConvNeXt and ViT, whose features have means that
            tell nothing.
        erase: threshold, as a share of the maximum, above which a second classifier is not shown what the first one
            saw (adversarial erasing as in ACoL, arXiv 1804.06962); 0 for none. For networks that have class maps.
        epochs: passes over the training images.
        batch_size: images a step.
        accumulate: parts that a batch is computed in, one after another, where it needs too much memory as a whole.
        optimizer: "sgd" (Nesterov momentum 0.9), "caffe" (Caffe's SGD: momentum 0.9, the rate inside the momentum) or
            "adamw".
        learning_rate: its peak.
        schedule: after the warm-up: "cosine" to 0 at the end; "flat" up to the `cooldown`, and then linear to 0 (Hägele
            et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, arXiv
            2405.18392); or "steps", a tenth after every `decay_every` steps.
        warmup_epochs: length of the linear warm-up from 0, at most half of the run.
        cooldown: share of the run, at its end, in which "flat" goes to 0.
        decay_every: steps between two drops of "steps", counted from the first step.
        weight_decay: on kernels alone, not on biases, norms and the positions of tokens.
        bias_rate: what the learning rate of biases is multiplied by.
        body_rate: what the learning rate of all but the head is multiplied by; 0 keeps the body's weights as they are.
            The head is what makes class scores of a plain network's features, a GAP network's last convolution too.
        clip: largest norm of all gradients together, to which greater ones are scaled down; 0 for none.
        label_smoothing: share of the target spread over all classes.
        ema: decay a step of the averaged weights, which are those that are saved, less in the first steps; 0 for none.
        bfloat16: compute in bfloat16; weights and losses stay float32.
        holdout: share of the training images left out to measure on, evenly spread: those that `jaxcam evaluate --split
            train --limit` takes of as many.
        seed: of weights, order and augmentation, from 0 to 4294967295.
    """

    network: str = "resnet18"
    options: tuple[str, ...] = ()
    image_size: int | None = None
    crop_size: int | None = None
    load_size: int | None = None
    crop: str = "resized"
    crop_area: float = 0.25
    flip: bool = True
    colour: float = 0.0
    trivial_augment: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0
    hide: float = 0.0
    attention_dropout: float = 0.0
    erase: float = 0.0
    epochs: float = 30.0
    batch_size: int = 128
    accumulate: int = 1
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    cooldown: float = 0.25
    decay_every: int = 40_000
    weight_decay: float = 5e-4
    bias_rate: float = 1.0
    body_rate: float = 1.0
    clip: float = 0.0
    label_smoothing: float = 0.1
    ema: float = 0.998
    bfloat16: bool = False
    holdout: float = 0.02
    seed: int = 0

    def __post_init__(self):
        parse_options(self.options)
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; use one of {', '.join(known)}")
        for expected, right, names in LIMITS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not right(value):
                    raise ValueError(f"{name}: got {value}; give {expected}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate: got {self.accumulate} parts of {self.batch_size} images; give a divisor")
        size, loaded = self.crop_size or self.image_size, self.load_size or self.image_size
        if self.crop == "placed" and size and loaded and size > loaded:
            raise ValueError(f"crop_size: got {size} out of {loaded} pixels; give a larger load_size, or crop resized")

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
