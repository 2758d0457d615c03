"""What a recipe's options make of a step: each against NumPy, or against the same step done in another way."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.card import Card
from jaxcam.params import Params, make_network
from jaxcam.training import start, train_step
from jaxcam.training.inputs import prepare
from jaxcam.training.recipes import Recipe
from tests.reference.weights import random_variables
from tests.small_classifier import CARD, CLASSES, SIDE, cross_entropy, features_of, head_of, small_batch, small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

PLAIN = Recipe(
    crop="placed", flip=False, batch_size=8, learning_rate=0.1, warmup_epochs=0.0, label_smoothing=0.0, ema=0.5
)


def prepared(keys, batch, **options):
    return jax.jit(partial(prepare, **options))(keys, batch)


def begin(recipe, *, params=None, **options):
    return start(params or small_params(**options), recipe, steps=10, steps_an_epoch=10.0)


def take(recipe, batch, *, steps=1, **options):
    """The state before and behind some steps on the same batch, and what the last one measured."""
    before = state = begin(recipe, **options)
    step = jax.jit(train_step)
    for _ in range(steps):
        state, measured = step(state, batch)
    return before, state, measured


def altered(**fields):
    return dataclasses.replace(PLAIN, **fields)


def close(found, expected, **tolerances):
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, wanted, **tolerances)


def one_hot(batch):
    return np.eye(len(CLASSES))[batch.labels]


def test_a_step_by_numpy():
    batch, params = small_batch(), small_params()
    _, state, measured = take(altered(weight_decay=0.1, optimizer="caffe"), batch)
    features, (kernel, bias) = features_of(params, batch.images / 255), head_of(params)
    logits = features.mean((1, 2)) @ kernel + bias
    assert measured["loss"] == pytest.approx(cross_entropy(logits, one_hot(batch)), rel=1e-5)
    assert measured["accuracy"] == pytest.approx((logits.argmax(1) == batch.labels).mean())
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gradient = features.mean((1, 2)).T @ (shares - one_hot(batch)) / 8
    moved = state.variables["params"]["head"]["classifier"]["kernel"]
    np.testing.assert_allclose(moved, kernel - 0.1 * (gradient + 0.1 * kernel), atol=1e-6)
    # The average is young: (1 + 0) / (10 + 0) is less than the recipe's 0.5.
    average = state.average["params"]["head"]["classifier"]["kernel"]
    np.testing.assert_allclose(average, 0.1 * kernel + 0.9 * np.asarray(moved, np.float64), atol=1e-6)
    assert (int(state.step), int(measured["failed_at"])) == (1, -1)
    assert measured["learning_rate"] == pytest.approx(0.1)


def test_parts_of_a_batch_make_the_same_step_as_all_of_it():
    batch = small_batch()
    _, whole, measured = take(PLAIN, batch, steps=2)
    _, parts, measured_in_parts = take(altered(accumulate=4), batch, steps=2)
    close(parts.variables, whole.variables, atol=1e-6)
    close(measured_in_parts, measured, rtol=1e-5)


def test_statistics_go_from_part_to_part():
    batch = small_batch()
    before, state, _ = take(altered(accumulate=2), batch, normalized=True)
    conv = {"conv": before.variables["params"]["backbone"]["conv"]}
    plain = small_params()
    plain.variables["params"]["backbone"] = conv
    kernel = np.asarray(conv["conv"]["kernel"], np.float64).reshape(12, 5)
    patches = (batch.images / 255).reshape(8, 4, 2, 4, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(8, 16, 12)
    mean = 0.0
    for part in range(2):  # every second image, so that each device has as many of each part
        mean = 0.9 * mean + 0.1 * (patches[part::2] @ kernel).mean((0, 1))
    np.testing.assert_allclose(state.variables["batch_stats"]["backbone"]["bn"]["mean"], mean, atol=1e-6)


def test_a_head_that_finds_the_class_a_second_time():
    batch, params = small_batch(), small_params()
    _, _, measured = take(altered(erase=0.7), batch)
    features, (kernel, bias) = features_of(params, batch.images / 255), head_of(params)
    maps = np.einsum("byxk,kb->byx", features, kernel[:, batch.labels])
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    left = features * ((maps - low) / (high - low) < 0.7)[..., None]
    losses = [cross_entropy(seen.mean((1, 2)) @ kernel + bias, one_hot(batch)) for seen in (features, left)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    assert measured["loss"] == pytest.approx(sum(losses), rel=1e-5)


def test_features_without_their_strongest_cells():
    batch, params = small_batch(), small_params()
    _, _, measured = take(altered(attention_dropout=1.0), batch)
    features, (kernel, bias) = features_of(params, batch.images / 255), head_of(params)
    attention = features.mean(-1, keepdims=True)
    left = features * (attention <= 0.9 * attention.max((1, 2), keepdims=True))
    assert measured["loss"] == pytest.approx(cross_entropy(left.mean((1, 2)) @ kernel + bias, one_hot(batch)), rel=1e-5)


NARROW_VIT = {"depth": 1, "width": 16, "heads": 2, "hidden": 16}


@pytest.mark.parametrize(
    "name, options",
    [
        ("convnext_tiny", {"blocks": (1, 1), "width": 8}),
        ("convnext_tiny_gap", {"blocks": (1, 1), "width": 8}),
        ("vit_b_32_gap", {**NARROW_VIT, "grid": (2, 2)}),
        ("vit_b_32", {**NARROW_VIT, "grid": (2, 2)}),
    ],
)
def test_features_without_attention_have_none_dropped(name, options):
    card = Card(CLASSES, image_size=(64, 64))
    network = make_network(name, 3, **options)
    params = Params(random_variables(network, card), network, card)
    assert begin(PLAIN, params=params).step == 0
    with pytest.raises(ValueError, match=r"attention_dropout: got 0.5 for a .*, the mean of whose features"):
        begin(altered(attention_dropout=0.5), params=params)


def test_without_class_maps_nothing_is_erased():
    card = Card(CLASSES, image_size=(32, 32))
    network = make_network("mobilenet_v3_small", 3)
    with pytest.raises(ValueError, match=r"erase: got 0.6 for a network without class maps; give 0, or its _gap"):
        begin(altered(erase=0.6), params=Params({"params": {}}, network, card))


def test_a_body_that_is_not_trained_keeps_weights_statistics_and_average():
    before, state, measured = take(altered(body_rate=0.0, weight_decay=0.1), small_batch(), steps=3, normalized=True)
    _, _, whole = take(altered(weight_decay=0.1), small_batch(), steps=1, normalized=True)
    assert 0 < measured["gradient_norm"] < 0.9 * whole["gradient_norm"]  # the head's alone
    for found in (state.variables, state.average):
        close(found["params"]["backbone"], before.variables["params"]["backbone"], rtol=0)
        close(found["batch_stats"], before.variables["batch_stats"], rtol=0)
        kernels = (tree["params"]["head"]["classifier"]["kernel"] for tree in (found, before.variables))
        assert np.abs(np.subtract(*kernels)).max() > 1e-3


@pytest.mark.parametrize("spoilt", [0, 1])
def test_the_state_knows_the_first_step_that_failed(spoilt):
    batch, state = small_batch(), begin(PLAIN)
    bad = batch._replace(images=batch.images * np.float32(np.nan))
    step = jax.jit(train_step)
    for number in range(3):
        state, measured = step(state, bad if number == spoilt else batch._replace(images=batch.images * np.float32(1)))
        failed = spoilt + 1 if number >= spoilt else -1
        assert (int(state.failed_at), int(measured["failed_at"])) == (failed, failed)


def test_without_an_average_the_params_are_the_weights():
    before, state, _ = take(altered(ema=0.0), small_batch(), steps=2)
    assert before.average is None
    assert state.average is None
    assert state.params.variables is state.variables


def test_targets_and_pixels_in_their_order():
    batch, keys = small_batch(), jax.random.split(jax.random.key(1), 8)
    card = dataclasses.replace(CARD, preprocessing=Card().preprocessing)
    mean, std = (np.array(values) for values in (card.preprocessing.mean, card.preprocessing.std))
    pixels, targets = prepared(keys, batch, recipe=altered(label_smoothing=0.3), card=card)
    np.testing.assert_allclose(targets, 0.7 * one_hot(batch) + 0.1, atol=1e-6)
    np.testing.assert_allclose(pixels, (batch.images / 255 - mean) / std, atol=1e-5)
    # Blended with its neighbour an image is still in [0, 1], and a target still sums to 1; a hidden patch is the mean.
    changed = altered(label_smoothing=0.3, mixup=1.0, hide=1.0, colour=0.5, trivial_augment=True)
    pixels, targets = prepared(keys, batch, recipe=changed, card=card)
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    assert np.ptp(np.asarray(targets), axis=0).max() > 0
    images = np.asarray(pixels) * std + mean
    assert images.min() > -1e-5
    assert images.max() < 1 + 1e-5
    hidden = (np.asarray(pixels) == 0).all((1, 2, 3))
    assert 0 < hidden.sum() < 8  # where the grid that was drawn hides anything, it hides all


def test_crops_are_as_large_as_asked_for():
    batch, keys = small_batch(), jax.random.split(jax.random.key(1), 8)
    for crop in ("placed", "resized"):
        pixels, _ = prepared(keys, batch, recipe=altered(crop=crop, crop_size=6), card=CARD)
        assert pixels.shape == (8, 6, 6, 3)
    with pytest.raises(ValueError, match=f"size: got 9 for an image of {SIDE} x {SIDE}"):
        prepared(keys, batch, recipe=altered(crop_size=9), card=CARD)


def test_bfloat16_keeps_weights_and_statistics_in_float32():
    _, state, measured = take(altered(bfloat16=True), small_batch(), normalized=True)
    assert {leaf.dtype for leaf in jax.tree.leaves((state.variables, state.average))} == {jnp.dtype("float32")}
    _, _, reference = take(PLAIN, small_batch(), normalized=True)
    assert measured["loss"].dtype == jnp.float32
    assert 0 < abs(measured["loss"] - reference["loss"]) < 0.02 * reference["loss"]
