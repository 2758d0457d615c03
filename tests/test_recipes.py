"""Recipes refuse what cannot be, and are found by name and by data set."""

import dataclasses
import math

import jax
import pytest

from jaxcam import cli
from jaxcam.batches import batch_indices
from jaxcam.datasets import DATASETS
from jaxcam.params import make_network
from jaxcam.training.optimization import schedule
from jaxcam.training.recipes import CUB, FOLDER, ILSVRC_RELEASE, MODERN, PRESETS, RECIPES, Recipe, find_recipe


@pytest.mark.parametrize(
    "field, value",
    [
        ("optimizer", "adam"),
        ("schedule", "step"),
        ("cooldown", 1.5),
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
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_a_recipe_refuses_what_cannot_be(field, value):
    with pytest.raises(ValueError, match=f"{field}: got"):
        dataclasses.replace(Recipe(), **{field: value})


def test_the_largest_seed_orders_images_and_makes_keys():
    seed = Recipe(seed=2**32 - 1).seed
    assert jax.random.key_data(jax.random.key(seed)).tolist() == [0, seed]
    assert sorted(batch_indices(8, batch_size=8, shuffle_seed=seed, number=0)) == list(range(8))


def test_a_batch_has_whole_parts():
    assert Recipe(batch_size=12, accumulate=3).accumulate == 3
    with pytest.raises(ValueError, match="accumulate: got 5 parts of 12 images; give a divisor"):
        Recipe(batch_size=12, accumulate=5)


def test_a_placed_crop_fits_into_what_is_loaded():
    assert Recipe(crop="placed", image_size=224, load_size=256).crop_size is None
    assert Recipe(crop="placed", crop_size=300).load_size is None  # the network's size may be as large
    with pytest.raises(ValueError, match="crop_size: got 224 out of 200 pixels"):
        Recipe(crop="placed", image_size=224, load_size=200)


def test_every_data_set_has_a_preset_for_its_recipe():
    assert RECIPES.keys() == DATASETS.keys()
    assert set(RECIPES.values()) <= {preset.recipe for preset in PRESETS.values()}
    assert find_recipe("tfds:caltech_birds2011") == FOLDER


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_its_network(name):
    recipe = find_recipe("folder", name)
    assert make_network(recipe.network, 7, **recipe.network_options()).head.num_classes == 7


@pytest.mark.usefixtures("mixed_dtypes")
def test_the_release_drops_its_rate_thrice_in_at_most_160_000_steps():
    images = 1_281_167 - round(1_281_167 * ILSVRC_RELEASE.holdout)
    steps = math.ceil(ILSVRC_RELEASE.epochs * images / ILSVRC_RELEASE.batch_size)
    assert 159_900 < steps <= 160_000
    rate = schedule(ILSVRC_RELEASE, steps, images / ILSVRC_RELEASE.batch_size)
    rates = [float(rate(step)) for step in (0, 39_999, 40_000, 80_000, 120_000, steps - 1)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-6])


@pytest.mark.usefixtures("mixed_dtypes")
@pytest.mark.parametrize("cooldown, expected", [(0.25, [0, 0.2, 0.4, 0.4, 0.4, 0.2, 0]), (0.0, [0, 0.2] + [0.4] * 5)])
def test_a_flat_rate_goes_to_zero_in_the_cooldown(cooldown, expected):
    recipe = Recipe(schedule="flat", learning_rate=0.4, warmup_epochs=2.0, cooldown=cooldown)
    rate = schedule(recipe, 80, 5.0)
    assert [float(rate(step)) for step in (0, 5, 10, 59, 60, 70, 80)] == pytest.approx(expected)


@pytest.mark.usefixtures("mixed_dtypes")
def test_a_cooldown_of_the_whole_run_begins_behind_the_warmup():
    rate = schedule(Recipe(schedule="flat", learning_rate=0.4, warmup_epochs=2.0, cooldown=1.0), 20, 5.0)
    assert [float(rate(step)) for step in (5, 10, 15, 20)] == pytest.approx([0.2, 0.4, 0.2, 0])


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["cub"], CUB),
        (["cub", "--recipe", "modern", "--epochs", "3"], MODERN),
        (["tfds:mnist", "--out", "x", "--recipe=release"], ILSVRC_RELEASE),
        (["--help"], Recipe()),
    ],
)
def test_a_recipe_is_chosen_by_data_set_or_by_name(arguments, expected, monkeypatch):
    chosen = []
    monkeypatch.setattr(cli, "train_with", lambda recipe, _: chosen.append(recipe) or (lambda: 0))
    cli.main(["train", *arguments])
    assert chosen == [expected]


def test_an_unknown_recipe_is_answered_with_the_known_ones(capsys):
    assert cli.main(["train", "cub", "--recipe", "best"]) == 2
    assert "error: recipe: got 'best'; known are release, head, cub" in capsys.readouterr().err
