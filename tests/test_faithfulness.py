"""jaxcam.faithfulness: each measure against its paper's definition on a tiny network, image by image."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.faithfulness import (
    adcc,
    confidence_change,
    imputed,
    infidelity,
    insertion_deletion,
    insertion_deletion_curves,
    max_sensitivity,
    remove_and_debias,
    sparseness,
)
from jaxcam.faithfulness.stability import _squares
from tests.reference import faithfulness as plain
from tests.unruly_network import logits_of, map_method, map_of, probability_of, unruly_params

SPACE, COUNT = (12, 14), 4
PARAMS = unruly_params(SPACE)
RNG = np.random.default_rng(3)
IMAGES = RNG.random((COUNT, *SPACE, 2), np.float32)
LABELS = np.array([0, 2, 1, 0])
# Of few values, so that many pixels are equal, and some negative.
MAPS = RNG.integers(-2, 5, (COUNT, *SPACE)).astype(np.float32)
EVERY = range(COUNT)


compiled = jax.jit(imputed)


def probability(index):
    return lambda image: probability_of(PARAMS, image, LABELS[index])


def check(record, name, values, tolerance=1e-5):
    """A record's sum and count are those of the values."""
    np.testing.assert_allclose(record[name].total, np.sum(values), rtol=tolerance, atol=tolerance, err_msg=name)
    assert float(record[name].count) == len(values)


@pytest.mark.core
@pytest.mark.parametrize("chunk", [1, 4])
def test_insertion_and_deletion(chunk):
    steps = 5
    curves = insertion_deletion_curves(PARAMS, IMAGES, LABELS, MAPS, steps=steps, chunk=chunk)
    for index, (image, values) in enumerate(zip(IMAGES.astype(np.float64), MAPS, strict=True)):
        empty, mean = plain.blurred(image, 0.4), np.full_like(image, 0.4)
        np.testing.assert_allclose(
            curves.insertion[index], plain.walk(probability(index), values, empty, image, steps), rtol=1e-4
        )
        np.testing.assert_allclose(
            curves.deletion[index], plain.walk(probability(index), values, image, mean, steps), rtol=1e-4
        )
    record = insertion_deletion(PARAMS, IMAGES, LABELS, MAPS, steps=steps, chunk=chunk)
    check(record, "insertion", [plain.area(np.asarray(curve)) for curve in curves.insertion])
    check(record, "deletion", [plain.area(np.asarray(curve)) for curve in curves.deletion])


def test_the_mean_is_what_the_network_takes_for_nothing():
    """Of a network in BGR and 0..255: a deleted pixel is 0 behind the normalisation."""
    params = unruly_params((3, 4), mean=(104.0, 150.0), std=(50.0, 60.0), scale=255.0, order="BGR")
    images = RNG.random((1, 3, 4, 2), np.float32)
    curves = insertion_deletion_curves(params, images, np.array([1]), MAPS[:1, :3, :4], steps=1)
    nothing = np.array([150.0, 104.0]) / 255 * np.ones((3, 4, 1))
    np.testing.assert_allclose(logits_of(params, nothing), 0, atol=1e-6)
    np.testing.assert_allclose(curves.deletion[0], [probability_of(params, images[0], 1), 1 / 3], rtol=1e-5)


@pytest.mark.parametrize("scaling, baseline, empty", [("max", "black", 0.0), ("minmax", "mean", 0.4)])
def test_drop_increase_and_gain(scaling, baseline, empty):
    record = confidence_change(PARAMS, IMAGES, LABELS, MAPS, scaling=scaling, baseline=baseline)
    values = [plain.confidence(probability(i), IMAGES[i].astype(float), MAPS[i], scaling, empty) for i in EVERY]
    for name, column in zip(("average_drop", "average_increase", "average_gain"), np.transpose(values), strict=True):
        check(record, name, column)


def test_both_drops_and_gains_are_met():
    """Or the test above would show nothing."""
    values = [plain.confidence(probability(i), IMAGES[i].astype(float), MAPS[i]) for i in EVERY]
    assert 0 < np.sum(values, axis=0)[1] < COUNT


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_imputation_solves_the_sparse_system(share):
    removed = np.random.default_rng(5).random((2, 20, 24)) < share
    removed[:, :9, :12] = share > 0.1  # a whole corner too
    images = np.random.default_rng(6).random((2, 20, 24, 3), np.float32)
    expected = [plain.imputed(image.astype(np.float64), gone) for image, gone in zip(images, removed, strict=True)]
    filled = compiled(images, removed, np.zeros((20, 24, 3), np.float32))
    np.testing.assert_allclose(filled, expected, atol=3e-4)
    kept = ~removed[..., None] & np.ones(3, bool)
    np.testing.assert_array_equal(np.asarray(filled)[kept], images[kept])


def test_noise_comes_to_imputed_pixels_alone():
    removed = np.arange(24) < np.full((2, 20, 1), 5)
    images, noise = np.full((2, 20, 24, 3), 0.5, np.float32), RNG.normal(size=(20, 24, 3)).astype(np.float32)
    filled = compiled(images, removed, noise)
    np.testing.assert_allclose(filled - images, np.where(removed[..., None], noise, 0), atol=1e-5)


@pytest.mark.core
def test_road():
    fractions = (0.1, 0.5, 0.9)
    record = remove_and_debias(PARAMS, IMAGES, LABELS, MAPS, fractions=fractions, std=0.0)
    values = [plain.road(probability(i), IMAGES[i].astype(np.float64), MAPS[i], fractions) for i in EVERY]
    most, least = np.transpose(values)
    check(record, "road_most_relevant", most, 1e-3)
    check(record, "road_least_relevant", least, 1e-3)
    check(record, "road", (least - most) / 2, 1e-3)


def test_adcc_and_its_parts():
    maps = map_method(PARAMS, IMAGES, LABELS)
    record = adcc(PARAMS, map_method, IMAGES, LABELS, maps)
    values = [
        plain.adcc(
            probability(i),
            IMAGES[i].astype(np.float64),
            map_of(PARAMS, IMAGES[i], LABELS[i]),
            partial(lambda label, image: map_of(PARAMS, image, label), LABELS[i]),
        )
        for i in EVERY
        if np.asarray(maps[i]).max() > 0
    ]
    assert len(values) >= 2
    # A map that is nowhere positive has neither coherency nor complexity.
    for name, column in zip(("coherency", "complexity", "adcc"), np.transpose(values), strict=True):
        check(record, name, [*column, *[0] * (COUNT - len(values))])


def test_infidelity():
    key = jax.random.key(4)
    sides, corners = map(np.asarray, _squares(key, SPACE, 20))
    squares = list(zip(sides, corners, strict=True))
    record = infidelity(PARAMS, IMAGES, LABELS, MAPS, key=key, num_samples=20)
    values = [
        plain.infidelity(
            partial(lambda label, image: logits_of(PARAMS, image)[label], LABELS[i]), IMAGES[i], MAPS[i], squares
        )
        for i in EVERY
    ]
    check(record, "infidelity", values, 1e-4)


def test_squares_lie_inside_and_are_all_as_likely():
    sides, corners = map(np.asarray, _squares(jax.random.key(0), (6, 8), 20_000))
    assert ((corners >= 0) & (corners + sides[:, None] <= (6, 8))).all()
    found, counts = np.unique(np.column_stack([sides, corners]), axis=0, return_counts=True)
    assert len(found) == 6 * 8 + 5 * 7  # sides 1 and 2: 10 / 28 of 6
    np.testing.assert_allclose(counts, 20_000 / len(found), rtol=0.35)


def test_max_sensitivity():
    key, radius = jax.random.key(1), 0.3
    record = max_sensitivity(PARAMS, map_method, IMAGES, LABELS, key=key, num_samples=3, radius=radius)
    largest = np.zeros(COUNT)
    for one in jax.random.split(key, 3):
        noise = np.asarray(jax.random.uniform(one, (*SPACE, 2), minval=-radius, maxval=radius))
        for i in EVERY:
            values, others = (map_of(PARAMS, image, LABELS[i]) for image in (IMAGES[i], IMAGES[i] + noise))
            largest[i] = max(largest[i], np.sqrt(((others - values) ** 2).sum() / (values**2).sum()))
    check(record, "max_sensitivity", largest)


def test_a_map_of_zeros_has_no_sensitivity_and_no_sparseness():
    def seldom(params, images, labels):
        return jnp.where((labels != 0)[:, None, None], images[..., 0], 0)

    record = max_sensitivity(PARAMS, seldom, IMAGES, LABELS, num_samples=1)
    assert float(record["max_sensitivity"].count) == float(sparseness(seldom(None, IMAGES, LABELS)).count) == 2


def test_sparseness():
    maps = np.random.default_rng(2).normal(size=(3, 5, 6)).astype(np.float32)
    check({"sparseness": sparseness(maps)}, "sparseness", [plain.gini(values) for values in maps])
