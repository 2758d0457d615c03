"""Objectives beyond the score of a class: scores, chain rules and kernels in NumPy, every way to run them, mistakes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.faithfulness.shown import scores_of_images, shown_images
from jaxcam.methods.crops import ten_crop_forward
from tests.staged_network import CARD, CLASSES, cells_of, images_of, linear_of, staged_params

pytestmark = pytest.mark.slow

PHOTOS = images_of()
LABELS = np.array([3, 1, 0])
RNG = np.random.default_rng(3)
REFERENCES = RNG.normal(size=(2, 6)).astype(np.float32)
CELLS = {"size": "cells", "relu": False}


@pytest.fixture(scope="module")
def params():
    return staged_params()


def close(found, expected, tolerance=1e-5):
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def plain_scores(params):
    kernel, bias = linear_of(params)
    return cells_of(params, PHOTOS).mean((1, 2)) @ kernel + bias


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sigmoid"])
def test_probabilities_and_their_grad_cam(params, activation):
    """By the chain rule: Grad-CAM is linear in the gradient before its relu, so it is that of weights of classes."""
    scores, one = plain_scores(params), np.eye(4)[LABELS]
    p, s = softmax(scores), 1 / (1 + np.exp(-scores))
    label = np.take_along_axis(p, LABELS[:, None], axis=1)
    values, weights = {
        "softmax": (p, label * (one - p)),
        "log_softmax": (np.log(p), one - p),
        "sigmoid": (s, one * s * (1 - s)),
    }[activation]
    of = jaxcam.with_probabilities(params, activation=activation)
    close(jaxcam.logits(of, PHOTOS), values)
    cells, (kernel, _) = cells_of(params, PHOTOS), linear_of(params)
    expected = np.einsum("byxk,kc,bc->byx", cells, kernel, weights) / 6
    close(jaxcam.grad_cam(of, PHOTOS, LABELS, **CELLS), expected)
    assert of.card == params.card


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sigmoid"])
def test_probabilities_are_probabilities_as_they_are(params, activation):
    """Of explanations, ten crops, masked images and measures."""
    scores = plain_scores(params)
    p = 1 / (1 + np.exp(-scores)) if activation == "sigmoid" else softmax(scores)
    of = jaxcam.with_probabilities(params, activation=activation)
    why = jaxcam.explain(of, PHOTOS, top=2, method=jaxcam.grad_cam)
    close(why.probabilities, -np.sort(-p, axis=1)[:, :2])
    shown = shown_images(params, PHOTOS)
    close(
        scores_of_images(of, shown, jnp.asarray(LABELS), "probability"), np.take_along_axis(p, LABELS[:, None], 1)[:, 0]
    )
    everything = jaxcam.rise(of, PHOTOS, LABELS, num_masks=2, visible=1.0, size="cells")  # nothing is masked
    close(everything, np.broadcast_to(np.take_along_axis(p, LABELS[:, None], 1)[..., None], everything.shape))
    crops = ten_crop_forward(of, PHOTOS, canvas=params.card.image_size)[1]
    mirrored = jaxcam.logits(params, PHOTOS[:, :, ::-1])
    q = 1 / (1 + np.exp(-mirrored)) if activation == "sigmoid" else softmax(mirrored)
    close(crops, (p + q) / 2)


def test_gradient_of_a_probability_at_the_pixels(params):
    """Against finite differences of the probabilities of the plain network, in NumPy."""
    of, step = jaxcam.with_probabilities(params), 1e-3
    image = (PHOTOS[0] / 255).astype(np.float32)
    maps = jaxcam.saliency(of, image, 1)
    weights, bias = linear_of(params)
    for y, x in ((3, 3), (7, 11)):
        changed = np.repeat(image[None].astype(np.float64), 6, 0)
        for channel in range(3):
            changed[2 * channel, y, x, channel] += step
            changed[2 * channel + 1, y, x, channel] -= step
        probabilities = softmax(cells_of(params, 255 * changed).mean((1, 2)) @ weights + bias)[:, 1]
        slopes = (probabilities[::2] - probabilities[1::2]) / (2 * step)
        np.testing.assert_allclose(maps[y, x], np.abs(slopes).max(), rtol=1e-3)
        assert np.abs(slopes).max() > 1e-4


def test_two_classes_of_one_score():
    params = staged_params(num_classes=1, card=replace(CARD, classes=("cat",)))
    of = jaxcam.with_two_classes(params)
    z = plain_scores(params)
    close(jaxcam.logits(of, PHOTOS), np.concatenate([-z / 2, z / 2], axis=1))
    close(jaxcam.logits(jaxcam.with_probabilities(of), PHOTOS)[:, 1:], 1 / (1 + np.exp(-z)))
    maps = np.asarray(jaxcam.cam(params, PHOTOS, np.zeros(3, int)))
    close(jaxcam.cam(of, PHOTOS, np.tile([0, 1], (3, 1))), np.stack([-maps / 2, maps / 2], axis=1))
    close(jaxcam.grad_cam(of, PHOTOS, [1, 1, 1], size=None, relu=False), maps / 2 / 6)
    assert of.card.classes == ("not cat", "cat")
    assert jaxcam.with_two_classes(params, names=["sick", "well"]).card.classes == ("sick", "well")


@pytest.mark.parametrize("stage", [None, "first"])
def test_similarity_and_its_grad_cam(params, stage):
    cells = cells_of(params, PHOTOS, stage or "second")
    references = REFERENCES[:, : cells.shape[-1]]
    of = jaxcam.with_similarities(params, references, stage=stage)
    embedded, count = cells.mean((1, 2)), cells.shape[1] * cells.shape[2]
    lengths = np.linalg.norm(embedded, axis=1)
    units = references / np.linalg.norm(references, axis=1, keepdims=True)
    cosines = embedded / lengths[:, None] @ units.T
    close(jaxcam.logits(of, PHOTOS), cosines)
    # d cos / d e = (r / |r| - cos e / |e|) / |e|, and e is the mean of the cells.
    directions = units[None] - cosines[..., None] * (embedded / lengths[:, None])[:, None]
    expected = np.einsum("byxk,bnk,b->bnyx", cells, directions, 1 / lengths) / count
    labels = np.tile([0, 1], (3, 1))
    close(jaxcam.grad_cam(of, PHOTOS, labels, **CELLS), expected)
    assert of.card.classes == ("reference 0", "reference 1")
    if stage is None:  # cells in front of those that are embedded have maps too
        assert jaxcam.grad_cam(of, PHOTOS, labels, stage="first", size="cells").shape == (3, 2, 4, 6)


def embed(variables, features):
    return jnp.tanh(features.mean((1, 2)) @ variables["params"]["head"]["classifier"]["kernel"])


def test_similarity_by_an_embedding_of_ones_own(params):
    """One reference; and one that is zero, which nothing is similar to."""
    embedded = np.tanh(cells_of(params, PHOTOS).mean((1, 2)) @ linear_of(params)[0])
    itself = jaxcam.with_similarities(params, embedded[0].astype(np.float32), embed=embed, names=["first photo"])
    lengths = np.linalg.norm(embedded, axis=1)
    close(jaxcam.logits(itself, PHOTOS), (embedded @ embedded[0] / lengths / lengths[0])[:, None])
    nothing = jaxcam.with_similarities(params, np.zeros(4, np.float32), embed=embed, names=["first photo"])
    np.testing.assert_array_equal(jaxcam.logits(nothing, PHOTOS), np.zeros((3, 1)))
    np.testing.assert_array_equal(jaxcam.grad_cam(nothing, PHOTOS, [0, 0, 0]), np.zeros((3, 8, 12)))


@pytest.mark.slow
def test_similarity_at_a_stage_of_the_head():
    params = staged_params(connected=True)
    reference = jaxcam.features(params, PHOTOS[0], stage="fc7")
    of = jaxcam.with_similarities(params, reference, stage="fc7")
    embedded = np.asarray(jaxcam.features(params, PHOTOS, stage="fc7"))
    lengths = np.linalg.norm(embedded, axis=1)
    close(jaxcam.logits(of, PHOTOS), (embedded @ embedded[0] / lengths / lengths[0])[:, None])
    for stage in ("second", "first", "fc6"):  # whatever stage the pass is cut at
        features = params.network.apply(params.variables, jnp.asarray(_pixels(PHOTOS)), stage, method="features")
        scores = of.network.apply(of.variables, features, stage, method="logits")
        close(scores, (embedded @ embedded[0] / lengths / lengths[0])[:, None])
    assert of.network.map_stage == "second"
    assert jaxcam.with_similarities(params, reference, stage="first").network.stages == ("first",)


def _pixels(images):
    return ((images / 255 - 0.5) / 0.25).astype(np.float32)


@pytest.mark.parametrize("stage", [None, "first"])
def test_concepts_have_class_activation_maps(params, stage):
    cells = cells_of(params, PHOTOS, stage or "second")
    directions, labels = REFERENCES[:, : cells.shape[-1]], np.tile([1, 0], (3, 1))
    of = jaxcam.with_concepts(params, directions, stage=stage, names=["wings", "legs"])
    maps = np.einsum("byxk,nk->bnyx", cells, directions)
    close(jaxcam.logits(of, PHOTOS), maps.mean((2, 3)))
    close(jaxcam.cam(of, PHOTOS, labels, size="cells"), maps[:, ::-1])
    close(jaxcam.grad_cam(of, PHOTOS, labels, **CELLS) * cells[0, ..., 0].size, maps[:, ::-1])
    assert of.card.classes == ("wings", "legs")
    assert jaxcam.with_concepts(params, directions[0], stage=stage).card.classes == ("concept 0",)


def test_concepts_of_tokens():
    """A class token, which is no cell, is left out."""
    tokens = np.random.default_rng(5).normal(size=(3, 1 + 6, 5)).astype(np.float32)
    params = jaxcam.from_functions(
        lambda tokens, images: tokens[: images.shape[0]],
        lambda tokens, features: features[:, 0],
        variables=jnp.asarray(tokens),
        token_grid=(2, 3),
        card=CARD,
    )
    of, labels = jaxcam.with_concepts(params, REFERENCES[:, :5]), np.array([1, 0, 1])
    maps = np.einsum("bpk,nk->bnp", tokens[:, 1:], REFERENCES[:, :5]).reshape(3, 2, 2, 3)
    close(jaxcam.logits(of, PHOTOS), maps.mean((2, 3)))
    chosen = maps[np.arange(3), labels]
    close(jaxcam.cam(of, PHOTOS, labels, size="cells"), chosen)
    close(jaxcam.grad_cam(of, PHOTOS, labels, **CELLS) * 6, chosen)


def test_other_arrays_are_not_traced_again():
    """Objectives are equal where what is static of them is; their arrays go through jit, vmap and grad."""
    shapes = []

    def features(weights, images):
        shapes.append(images.shape)
        return images @ weights

    def logits(_, cells):
        return cells.mean((1, 2))

    weights = jnp.asarray(RNG.normal(size=(3, 6)), jnp.float32)
    params = jaxcam.from_functions(features, logits, variables=weights, card=CARD)
    for make in (jaxcam.with_similarities, jaxcam.with_concepts):
        found = []
        for references in (REFERENCES, 2 - REFERENCES):
            of = make(params, references)
            found.append((np.asarray(jaxcam.logits(of, PHOTOS)), jaxcam.grad_cam(of, PHOTOS, LABELS % 2)))
            traced = shapes.copy() if references is REFERENCES else traced
        assert shapes == traced
        assert np.abs(found[0][0] - found[1][0]).max() > 0.1
        both = jnp.asarray(np.stack([REFERENCES, 2 - REFERENCES]))
        run = jax.jit(jax.vmap(lambda rows, make=make: jaxcam.logits(make(params, rows), PHOTOS)))
        close(run(both), np.stack([scores for scores, _ in found]))
    score = jax.grad(lambda rows: jaxcam.logits(jaxcam.with_concepts(params, rows), PHOTOS)[0, 0])(both[0])
    close(score[0], np.asarray(jaxcam.features(params, PHOTOS)).mean((1, 2))[0])


def test_they_go_into_each_other(params):
    """Probabilities among concepts; and wrappers of methods take them like any network."""
    of = jaxcam.with_probabilities(jaxcam.with_concepts(params, REFERENCES[:, :5], stage="first"))
    scores = cells_of(params, PHOTOS, "first").mean((1, 2)) @ REFERENCES[:, :5].T
    close(jaxcam.logits(of, PHOTOS), softmax(scores))
    difference = jaxcam.contrastive(jaxcam.grad_cam)(of, PHOTOS, [0, 0, 1], against=[1, 1, 0])
    assert difference.shape == (3, 8, 12)
    assert of.network.stages == ("first",)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: jaxcam.with_probabilities(p, activation="max"), "activation: got 'max'; use one of softmax, log_"),
        (lambda p: jaxcam.with_two_classes(p, names=["a"]), "names: got 1 for 2 classes"),
        (jaxcam.with_two_classes, "names: got 4 for 2 classes"),
        (lambda p: jaxcam.with_similarities(p, REFERENCES[None]), r"references: got shape \(1, 2, 6\); give \(n, k\)"),
        (lambda p: jaxcam.with_similarities(p, REFERENCES, names=CLASSES), "names: got 4 for 2 classes"),
        (lambda p: jaxcam.with_concepts(p, REFERENCES, stage="third"), "stage: got 'third'; this network has first, s"),
        (lambda p: jaxcam.with_concepts(p, REFERENCES[:, :0]), r"directions: got shape \(2, 0\)"),
    ],
)
def test_mistakes_when_made(params, make, message):
    with pytest.raises(ValueError, match=message):
        make(params)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p: jaxcam.cam(jaxcam.with_probabilities(p), PHOTOS), "no kernel"),
        (lambda p: jaxcam.logits(jaxcam.with_two_classes(p, names=["a", "b"]), PHOTOS), "a network with 4 scores"),
        (lambda p: jaxcam.logits(jaxcam.with_similarities(p, REFERENCES[:, :3]), PHOTOS), r"embeddings: got \(3, 6\)"),
        (
            lambda p: jaxcam.grad_cam(
                jaxcam.with_concepts(p, REFERENCES[:, :5], stage="first"), PHOTOS, stage="second"
            ),
            "stage: got 'second'; this network, as far as its scores go, has first",
        ),
        (
            lambda _: jaxcam.cam(
                jaxcam.with_concepts(staged_params(connected=True), np.ones(7, np.float32), stage="fc6"), PHOTOS
            ),
            r"stage: fc6 gives \(7,\), which has no cells",
        ),
    ],
)
def test_mistakes_when_run(params, call, message):
    with pytest.raises(ValueError, match=message):
        call(params)
