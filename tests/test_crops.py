"""Maps of ten crops against a plain restatement, image by image and crop by crop; ways to run it; mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.card import Card, Preprocessing
from jaxcam.forward import forward, kernel_of
from jaxcam.methods import crops
from jaxcam.methods.crops import ten_crop_cam, ten_crop_forward, ten_crop_maps
from tests.reference import ten_crop as reference

pytestmark = pytest.mark.slow

CROP, CANVAS, CLASSES = (16, 20), (21, 29), 6
PHOTOS = np.random.default_rng(0).uniform(0, 1, (4, 30, 25, 3)).astype(np.float32)
LABELS = np.array([[4, 0], [1, 2], [3, 3], [5, 1]])


def sampled(mix, images):
    """Features of every fifth pixel, from the third on and so of no symmetry, never below zero."""
    return jax.nn.relu(images[:, 2::5, 3::5] @ mix["features"])


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(1)
    mix = {"features": rng.normal(size=(3, 7)), "kernel": rng.normal(size=(7, CLASSES))}
    card = Card(image_size=CROP, preprocessing=Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3)))
    return jaxcam.from_functions(
        sampled,
        lambda mix, features: features.mean((1, 2)) @ mix["kernel"],
        lambda mix: mix["kernel"],
        variables=jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), mix),
        card=card,
    )


def expected_of(params, photos, labels, *, size=(30, 25), canvas=CANVAS):
    mix = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params.variables)

    def features_and_scores(crop):
        pixels = (crop - np.array([0.5, 0.4, 0.3])) / np.array([0.1, 0.2, 0.3])
        features = np.maximum(pixels[2::5, 3::5] @ mix["features"], 0)
        return features, features.mean((0, 1)) @ mix["kernel"]

    options = {"crop": CROP, "size": size, "canvas": canvas}
    found = [
        reference.ten_crop_cam(photo, features_and_scores, mix["kernel"], row, **options)
        for photo, row in zip(photos, labels, strict=True)
    ]
    return tuple(np.array(part) for part in zip(*found, strict=True))


def check(found, labels, probabilities, maps):
    assert all(isinstance(part, jax.Array) for part in found)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.probabilities, probabilities, rtol=0, atol=1e-5)
    assert found.maps.dtype == jnp.float32
    assert found.maps.shape == maps.shape
    np.testing.assert_allclose(found.maps, maps, rtol=0, atol=2e-5)


@pytest.mark.core
@pytest.mark.parametrize(
    "canvas, size",
    [(CANVAS, None), (CANVAS, CANVAS), (CANVAS, (9, 11)), (CANVAS, (33, 7)), ((16, 21), (40, 60)), ((50, 48), None)],
)
def test_equals_the_plain_restatement(params, canvas, size):
    every, maps = expected_of(params, PHOTOS, LABELS, size=size or (30, 25), canvas=canvas)
    found = ten_crop_cam(params, PHOTOS, LABELS, size=size, canvas=canvas)
    check(found, LABELS, np.take_along_axis(every, LABELS, axis=1), maps)


@pytest.mark.parametrize(
    "shape", [(16, 20), *(pytest.param(each, marks=pytest.mark.slow) for each in [(10, 12), (60, 50)])]
)
def test_photos_of_other_sizes(params, shape):
    photos = np.random.default_rng(2).integers(0, 256, (2, *shape, 3), np.uint8)
    every, maps = expected_of(params, photos / 255, LABELS[:2], size=shape)
    found = ten_crop_cam(params, photos, LABELS[:2], canvas=CANVAS)
    check(found, LABELS[:2], np.take_along_axis(every, LABELS[:2], axis=1), maps)


@pytest.mark.parametrize("top", [None, pytest.param(1, marks=pytest.mark.slow), 3])
def test_most_probable_classes(params, top):
    every, _ = expected_of(params, PHOTOS, LABELS)
    ranked = np.argsort(-every, axis=1)[:, : top or 5]
    _, maps = expected_of(params, PHOTOS, ranked)
    found = ten_crop_cam(params, PHOTOS, top=top, canvas=CANVAS)
    check(found, ranked, np.take_along_axis(every, ranked, axis=1), maps)


@pytest.mark.slow
def test_labels_and_images_of_every_form(params):
    every, maps = expected_of(params, PHOTOS, LABELS)
    chosen = np.take_along_axis(every, LABELS, axis=1)
    options = {"canvas": CANVAS}
    for labels in (LABELS[:, 1], LABELS[:, 1].tolist(), jnp.asarray(LABELS[:, 1])):
        check(ten_crop_cam(params, PHOTOS, labels, **options), LABELS[:, 1], chosen[:, 1], maps[:, 1])
    check(ten_crop_cam(params, PHOTOS[2], 3, **options), 3, chosen[2, 0], maps[2, 0])
    check(ten_crop_cam(params, PHOTOS[1], [1, 2], **options), LABELS[1], chosen[1], maps[1])
    check(ten_crop_cam(params, jnp.asarray(PHOTOS), LABELS, **options), LABELS, chosen, maps)


def test_canvas_is_that_of_the_release():
    """256 x 256; the middle crop of 227 pixels begins at 15, half a pixel after the middle."""
    assert crops.CANVAS == (256, 256)
    assert crops.crop_corners((256, 256), (224, 227)) == [(0, 0), (32, 0), (0, 29), (32, 29), (16, 15)]


def test_a_network_crop_by_crop(tiny_params):
    """Of convolutions, whose crops go through `forward` one by one."""

    def features_and_scores(crop):
        features, scores = forward(tiny_params, crop[None].astype(np.float32))
        return np.asarray(features[0], np.float64), np.asarray(scores[0], np.float64)

    kernel = np.asarray(kernel_of(tiny_params), np.float64)
    photo, options = PHOTOS[0], {"size": (30, 25), "canvas": (37, 40)}
    every, maps = reference.ten_crop_cam(photo, features_and_scores, kernel, [2, 4], crop=(32, 32), **options)
    found = ten_crop_cam(tiny_params, photo, [2, 4], **options)
    check(found, [2, 4], every[[2, 4]], maps)


@pytest.mark.parametrize(
    "way",
    [jax.jit, jax.vmap, lambda run: jax.jit(jax.vmap(run)), jax.pmap],
    ids=["jit", "vmap", "jit of vmap", "pmap"],
)
@pytest.mark.parametrize("labels", [pytest.param(None, marks=pytest.mark.slow), LABELS])
def test_every_way_to_run_it(params, way, labels):
    expected = ten_crop_cam(params, PHOTOS, labels, canvas=CANVAS)
    run = way(lambda images, labels: ten_crop_cam(params, images, labels, canvas=CANVAS))
    check(run(jnp.asarray(PHOTOS), jax.tree.map(jnp.asarray, labels)), *map(np.asarray, expected))


def test_the_network_runs_once_over_all_crops(params):
    shapes = []

    def features(mix, images):
        shapes.append(images.shape)
        return sampled(mix, images)

    network = params.network
    counted = jaxcam.from_functions(
        features, network.logits_function, network.kernel_function, variables=params.variables, card=params.card
    )
    ten_crop_cam(counted, PHOTOS, canvas=CANVAS)
    ten_crop_cam(counted, PHOTOS[::-1], LABELS, size=(8, 9), canvas=CANVAS)
    assert shapes == [(40, *CROP, 3)]


def test_in_two_steps(params):
    """What an evaluation does: labels that depend on the probabilities, without a second forward pass."""
    features, probabilities = ten_crop_forward(params, jnp.asarray(PHOTOS), canvas=CANVAS)
    every, _ = expected_of(params, PHOTOS, LABELS)
    np.testing.assert_allclose(probabilities, every, rtol=0, atol=1e-5)
    found = ten_crop_maps(features, kernel_of(params), LABELS, crop=CROP, size=(9, 11), canvas=CANVAS)
    np.testing.assert_array_equal(found, ten_crop_cam(params, PHOTOS, LABELS, size=(9, 11), canvas=CANVAS).maps)


def test_features_that_are_tokens(params):
    """Of a network whose last tokens are its cells: the same as of the cells, which lie over the image."""

    def tokens(mix, images):
        cells = sampled(mix, images).reshape(len(images), -1, 7)
        return jnp.concatenate([9 * cells[:, :2], cells], axis=1)

    def scores(mix, features):
        return features[:, 2:].mean(1) @ mix["kernel"]

    options = {"variables": params.variables, "card": params.card, "token_grid": (3, 4)}
    of_tokens = jaxcam.from_functions(tokens, scores, lambda mix: mix["kernel"], **options)
    expected = ten_crop_cam(params, PHOTOS, LABELS, canvas=CANVAS)
    check(ten_crop_cam(of_tokens, PHOTOS, LABELS, canvas=CANVAS), *expected)
    for found, wanted in zip(
        *(ten_crop_forward(one, PHOTOS, canvas=CANVAS) for one in (of_tokens, params)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_nothing_to_show_and_a_label_out_of_range(params):
    """Of maps large enough that XLA's maximum over them would miss a NaN on some CPUs."""
    dark = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_array_equal(ten_crop_cam(dark, PHOTOS, LABELS, canvas=CANVAS).maps, np.zeros((4, 2, 30, 25)))
    labels = jnp.array([[0, -1], [6, 2], [3, 1], [1, 0]])
    found = ten_crop_cam(params, PHOTOS, labels, canvas=CANVAS)
    wrong = (labels < 0) | (labels > 5)
    np.testing.assert_array_equal(np.isnan(found.probabilities), wrong)
    np.testing.assert_array_equal(np.isnan(found.maps), np.broadcast_to(wrong[..., None, None], found.maps.shape))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"canvas": (21, 19)}, r"canvas: got \(21, 19\) for crops of \(16, 20\); give \(height, width\) of at least"),
        ({"canvas": (30,)}, r"canvas: got \(30,\)"),
        ({"size": (3,)}, r"size: got \(3,\); give \(height, width\) of at least 1, or None"),
        ({"size": (0, 3)}, r"size: got \(0, 3\)"),
        ({"top": 7}, "top: got 7; this network has 6 classes, give 1 to 6"),
        ({"labels": [0, 1, 2]}, r"labels: got shape \(3,\) for a batch of 4 images"),
        ({"labels": [0, 1, 2, 6]}, "labels: got classes from 0 to 6; this network has 0 to 5"),
    ],
)
def test_mistakes(params, options, message):
    with pytest.raises(ValueError, match=message):
        ten_crop_cam(params, PHOTOS, **({"canvas": CANVAS} | options))
