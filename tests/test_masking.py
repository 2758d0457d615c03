"""Methods that mask the image, against NumPy: Score-CAM, SS-CAM, IS-CAM, RISE, occlusion; their chunks and memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.cut import cut_at
from tests.block_network import MEAN, STD, block_params, cells_of, images_of, logits_of, pixels_of
from tests.reference import perturbation as plain

pytestmark = pytest.mark.slow

LABELS = np.array([[3, 0, 1], [2, 2, 1]])
SPACES = ((9, 6), (12,), (6, 6, 3))
KEY = jax.random.key(5)


def check(maps, expected, tolerance=2e-5):
    assert maps.dtype == jnp.float32
    np.testing.assert_allclose(maps, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def by_hand(params, images, method, *, kind="logit"):
    """Maps of every label by `method(pixels, cells, score)` of one image and one label."""

    def score_of(label):
        def score(pixels):
            logits = logits_of(params, pixels[None])[0]
            return (logits if kind == "logit" else plain.softmax(logits))[label]

        return score

    pixels = pixels_of(images)
    triples = zip(pixels, cells_of(params, pixels), LABELS, strict=True)
    return np.array([[method(one, cells, score_of(label)) for label in row] for one, cells, row in triples])


@pytest.mark.parametrize("space", SPACES[:2], ids=str)
def test_score_cam_equals_numpy(space):
    params, images = block_params(space), images_of(space)
    expected = by_hand(params, images, lambda *one: plain.score_cam(*one, [lambda mask, k: mask]))
    check(jaxcam.score_cam(params, images, LABELS, size="cells", chunk=2), expected)


@pytest.mark.parametrize("baseline, relu", [(None, False), (0.75, True)])
def test_score_cam_as_its_authors_released_it(baseline, relu):
    """Probabilities, and no softmax over channels; against a baseline of any grey."""
    params, images = block_params(SPACES[0]), images_of(SPACES[0])
    background = 0 if baseline is None else (baseline - MEAN) / STD
    options = {"background": background, "use_softmax": False}
    changes = [lambda mask, k: mask]
    expected = by_hand(params, images, lambda *one: plain.score_cam(*one, changes, **options), kind="probability")
    assert expected.min() < 0
    expected = np.maximum(expected, 0) if relu else expected
    options = {"score": "probability", "softmax": False, "baseline": baseline, "relu": relu}
    check(jaxcam.score_cam(params, images, LABELS, size="cells", **options), expected, 1e-4)


def test_ss_cam_equals_numpy():
    params, images = block_params(SPACES[0]), images_of(SPACES[0])

    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(KEY, jnp.arange(15))
    noise = np.asarray(jax.vmap(lambda key: jax.random.normal(key, SPACES[0]))(keys))

    def noisy(sample):
        return lambda mask, k: mask + 0.5 * noise[5 * sample + k]

    expected = by_hand(params, images, lambda *one: plain.score_cam(*one, [noisy(i) for i in range(3)]))
    check(jaxcam.ss_cam(params, images, LABELS, key=KEY, num_samples=3, std=0.5, size="cells", chunk=4), expected)
    still = jaxcam.ss_cam(params, images, LABELS, num_samples=1, std=0.0, size="cells")
    check(still, jaxcam.score_cam(params, images, LABELS, size="cells"))


def test_is_cam_equals_numpy():
    params, images = block_params(SPACES[0]), images_of(SPACES[0])
    changes = [lambda mask, k, part=part: part * mask for part in (1 / 4, 3 / 4, 6 / 4, 10 / 4)]
    expected = by_hand(params, images, lambda *one: plain.score_cam(*one, changes))
    check(jaxcam.is_cam(params, images, LABELS, num_samples=4, size="cells"), expected)


@pytest.mark.parametrize("space, score, baseline", [(SPACES[0], "probability", None), (SPACES[2], "logit", 0.0)])
def test_rise_equals_numpy(space, score, baseline):
    params, images = block_params(space), images_of(space)
    background = 0 if baseline is None else (baseline - MEAN) / STD
    rank = len(space)
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(KEY, jnp.arange(7))
    draws = np.asarray(jax.vmap(lambda key: jax.random.uniform(key, (4**rank + rank,)))(keys))
    grids = (draws[:, :-rank] < 0.3).reshape(7, *(4,) * rank)
    shifts = np.floor(draws[:, -rank:] * np.ceil(np.array(space) / 4)).astype(int)
    assert len(np.unique(shifts, axis=0)) > 2
    expected = by_hand(
        params,
        images,
        lambda pixels, _, one: plain.rise(pixels, one, grids, shifts, 0.3, background=background),
        kind=score,
    )
    options = {"key": KEY, "num_masks": 7, "cells": 4, "visible": 0.3, "score": score, "baseline": baseline}
    check(jaxcam.rise(params, images, LABELS, chunk=3, **options), expected)


@pytest.mark.parametrize(
    "space, window, stride, starts, sides",
    [
        ((9, 6), (4, 3), (3, 2), ((0, 3, 5), (0, 2, 3)), (4, 3)),
        ((12,), 4, 4, ((0, 4, 8),), (4,)),
        ((3, 6, 3), (3, 2, 2), (1, 2, 1), ((0,), (0, 2, 4), (0, 1)), (3, 2, 2)),
    ],
)
def test_occlusion_equals_numpy(space, window, stride, starts, sides):
    params, images = block_params(space), images_of(space)
    expected = by_hand(
        params, images, lambda pixels, _, one: plain.occlusion(pixels, one, starts, sides), kind="probability"
    )
    check(jaxcam.occlusion(params, images, LABELS, window=window, stride=stride, chunk=2), expected, 1e-4)


def test_windows_of_occlusion_are_a_seventh_by_default():
    params, images = block_params(SPACES[0]), images_of(SPACES[0])
    sides = tuple(-(-length // 7) for length in params.card.image_size)
    halves = tuple(-(-side // 2) for side in sides)
    explicit = jaxcam.occlusion(params, images, LABELS, window=sides, stride=halves)
    np.testing.assert_allclose(jaxcam.occlusion(params, images, LABELS), explicit, rtol=1e-6)


def temporary_bytes(name, options, channels=5):
    params, images = block_params((48, 48), channels=channels), images_of((48, 48))

    def maps_of(images):
        cut = cut_at(params, images)
        return getattr(jaxcam, name).core(cut, class_weights(jnp.array([[0], [1]]), 4), **options)

    return jax.jit(maps_of).lower(images).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    "name, few, many",
    [
        ("ss_cam", {"num_samples": 3}, {"num_samples": 60}),
        ("rise", {"num_masks": 12}, {"num_masks": 300}),
        ("occlusion", {"window": 24, "stride": 16}, {"window": 24, "stride": 2}),
    ],
)
def test_memory_does_not_grow_with_the_number_of_masks(name, few, many):
    assert temporary_bytes(name, {**many, "chunk": 4}) < 1.5 * temporary_bytes(name, {**few, "chunk": 4})


@pytest.mark.parametrize("name", ["score_cam", "ablation_cam"])
def test_memory_is_that_of_a_chunk(name):
    """Where there are as many masks as channels."""
    in_chunks, at_once = (temporary_bytes(name, {"chunk": chunk}, channels=64) for chunk in (4, 64))
    assert in_chunks < at_once / 5


def test_features_that_are_the_same_everywhere_give_zeros():
    """No channel makes a mask, and none has a weight; a label out of range is still seen."""
    params = block_params(SPACES[0])
    params = params.replace(variables={**params.variables, "in": 0 * params.variables["in"]})
    maps = jaxcam.score_cam(params, images_of(SPACES[0]), jnp.array([[0, 4], [1, 2]]))
    np.testing.assert_array_equal(maps[1], 0)
    np.testing.assert_array_equal(np.isnan(maps[0]).all((1, 2)), [False, True])


@pytest.mark.parametrize("name, options", [
    ("score_cam", {}), ("ss_cam", {"num_samples": 2}), ("is_cam", {"num_samples": 2}),
    ("rise", {"num_masks": 3, "cells": 2}), ("occlusion", {"window": 4}),
])  # fmt: skip
def test_a_baseline_is_a_number_of_any_kind(name, options):
    def maps_on(baseline):
        images = images_of(SPACES[0])
        return getattr(jaxcam, name)(block_params(SPACES[0]), images, LABELS, baseline=baseline, **options)

    expected = maps_on(0.5)
    assert np.abs(expected - maps_on(None)).max() > 1e-3
    for number in (np.array(0.5), jnp.float32(0.5)):
        np.testing.assert_allclose(maps_on(number), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(maps_on)(0.5), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("score_cam", {"chunk": 0}, "chunk: got 0; give a whole number of at least 1"),
        ("score_cam", {"score": "loss"}, "score: got 'loss'; use one of logit, probability"),
        ("score_cam", {"baseline": 2.0}, r"baseline: got 2.0; give a grey from 0 to 1"),
        ("score_cam", {"baseline": np.array(2.0)}, r"baseline: got 2.0; give a grey from 0 to 1"),
        ("rise", {"baseline": np.zeros(3, np.float32)}, r"baseline: got shape \(3,\); give a grey from 0 to 1"),
        ("ss_cam", {"num_samples": 0}, "num_samples: got 0"),
        ("ablation_cam", {"chunk": -1}, "chunk: got -1"),
        ("rise", {"visible": 0.0}, "visible: got 0.0; give a probability"),
        ("rise", {"num_masks": 0}, "num_masks: got 0"),
        ("occlusion", {"window": 7}, r"window: got \(7, 7\) for images of \(9, 6\)"),
        ("occlusion", {"window": (3, 3, 3)}, "window: got"),
        ("occlusion", {"window": 3, "stride": 4}, r"stride: got \(4, 4\) with windows of \(3, 3\)"),
    ],
)
def test_mistakes(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(jaxcam, name)(block_params(SPACES[0]), images_of(SPACES[0]), LABELS, **options)
