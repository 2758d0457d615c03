"""What timm's config.json says of a model: which one it is, and how its images are fed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxcam.card import Card
from jaxcam.weights.rules import Source

# timm's filters, Pillow's, as ours; its bicubic one has a = -.5.
INTERPOLATIONS = {"bilinear": "bilinear", "bicubic": "catmull_rom"}

# Arguments of a model that leave its numerics as they are, or show in the shapes of its arrays.
HARMLESS = {"in_chans", "num_classes", "img_size", "global_pool", "drop_rate", "drop_path_rate", "drop_block_rate"}
LEAST_STD, LARGEST_SIDE = 1e-3, 4096  # less, or more, is a mistake and no way to feed images
POOLS = ("avg", "token")  # a mean over cells, a vision transformer's class token


def check_architecture(source: Source, architecture: str) -> None:
    """A ValueError for another model than timm's of this name, or one that was made with other options.

    Some have arrays of the same names and shapes, and compute something else: other padding (`tf_efficientnet_b0`), a
    blur before a stride (`resnetblur50`). A file without config.json is taken for what it is asked as.
    """
    name, config = source.description.get("source", "source"), source.config
    found = config.get("architecture", architecture)
    if found != architecture:
        raise ValueError(f"{name}: its config.json says {found!r}; this network is timm's {architecture!r}")
    options = {"global_pool": config.get("global_pool") or "avg", **_object(config, "model_args", {})}
    wrong = [f"{key}={value!r}" for key, value in options.items() if key not in HARMLESS]
    if options["global_pool"] not in POOLS:
        wrong.append(f"global_pool={options['global_pool']!r}")
    if wrong:
        raise ValueError(
            f"{name}: its config.json says {', '.join(wrong)}; this network is timm's {architecture} as usual"
        )


def card_of(card: Card, source: Source) -> Card:
    """The card with the size, resizing, mean and std that the publisher says; what it does not say stays.

    The share of the image that timm crops (`crop_pct`) is no part of a card: jaxcam squashes the whole image.
    """
    config = _object(source.config, "pretrained_cfg", source.config)  # older files have all on one level
    usual = card.preprocessing
    mean, std = _numbers(config, "mean", usual.mean), _numbers(config, "std", usual.std)
    if min(std) < LEAST_STD:
        raise ValueError(f"config.json: std: got {list(std)}; numbers from {LEAST_STD} are expected")
    interpolation = config.get("interpolation") or ""
    if interpolation not in ("", *INTERPOLATIONS):
        known = ", ".join(INTERPOLATIONS)
        raise ValueError(f"config.json: interpolation: got {interpolation!r}; known are {known}")
    _, *size = _numbers(config, "input_size", (card.channels, *card.image_size))
    if any(length % 1 or not 1 <= length <= LARGEST_SIDE for length in size):
        expected = f"whole numbers from 1 to {LARGEST_SIDE} are expected"
        raise ValueError(f"config.json: input_size: got {config['input_size']!r}; {expected}")
    method = INTERPOLATIONS.get(interpolation, usual.interpolation)
    preprocessing = replace(usual, mean=mean, std=std, interpolation=method)
    return replace(card, image_size=tuple(map(int, size)), preprocessing=preprocessing)


def _object(config: Mapping[str, Any], name: str, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON object of the config, or the usual one where it has none."""
    value = config.get(name, usual)
    if not isinstance(value, Mapping):
        raise ValueError(f"config.json: {name}: got {value!r}; a JSON object is expected")
    return value


def _numbers(config: Mapping[str, Any], name: str, usual: Sequence[float | int]) -> tuple[float, ...]:
    """Three numbers of the config, or the usual ones where it has none."""
    values = config.get(name, usual)
    three = isinstance(values, Sequence) and len(values) == 3 and all(type(value) in (int, float) for value in values)
    if not three or not all(abs(value) < 1e6 for value in values):
        raise ValueError(f"config.json: {name}: got {values!r}; 3 numbers are expected")
    return tuple(map(float, values))
