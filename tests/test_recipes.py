"""Recipes refuse what cannot be, one option at a time and together."""

import dataclasses

import pytest

from jaxcam.training.recipes import Recipe


@pytest.mark.parametrize(
    "field, value",
    [
        ("optimizer", "adam"),
        ("schedule", "step"),
        ("crop", "random"),
        ("epochs", 0.0),
        ("load_size", 0),
        ("decay_every", 0),
        ("mixup", -1.0),
        ("body_rate", float("nan")),
        ("ema", 1.5),
        ("crop_area", -0.1),
        ("hide", 1.1),
        ("batch_size", 0),
        ("options", ("width",)),
    ],
)
def test_a_recipe_refuses_what_cannot_be(field, value):
    with pytest.raises(ValueError, match=f"{field}: got"):
        dataclasses.replace(Recipe(), **{field: value})


def test_a_batch_has_whole_parts():
    assert Recipe(batch_size=12, accumulate=3).accumulate == 3
    with pytest.raises(ValueError, match="accumulate: got 5 parts of 12 images; give a divisor"):
        Recipe(batch_size=12, accumulate=5)


def test_a_placed_crop_fits_into_what_is_loaded():
    assert Recipe(crop="placed", image_size=224, load_size=256).crop_size is None
    assert Recipe(crop="placed", crop_size=300).load_size is None  # the network's size may be as large
    with pytest.raises(ValueError, match="crop_size: got 224 out of 200 pixels"):
        Recipe(crop="placed", image_size=224, load_size=200)
