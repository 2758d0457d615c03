"""jaxcam.saliency: derivatives known by hand and from finite differences, labels, sizes, transforms and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from PIL import Image

import jaxcam
from jaxcam import Card, Params, Preprocessing
from jaxcam.forward import preprocess
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.cut import cut_at
from jaxcam.networks import Classifier
from jaxcam.networks.heads import FullyConnectedHead
from tests.reference.weights import random_variables

RANDOM = np.random.default_rng(4)
PHOTOS = RANDOM.integers(0, 256, (4, 40, 56, 3), np.uint8)
LABELS = np.array([[4, 0, 4], [1, 2, 0], [3, 3, 1], [0, 1, 2]])
BLUE_FIRST = Preprocessing(scale=255.0, mean=(104.0, 117.0, 123.0), std=(2.0, 5.0, 10.0), channel_order="BGR")


@pytest.fixture(scope="module")
def hidden():
    """S = mean over pixels of relu(x A) B, of BGR images."""
    weights = {"in": RANDOM.normal(size=(3, 6)), "out": RANDOM.normal(size=(6, 5))}
    return jaxcam.from_functions(
        lambda weights, pixels: jax.nn.relu(pixels @ weights["in"]),
        lambda weights, features: features.mean((1, 2)) @ weights["out"],
        variables={name: weight.astype(np.float32) for name, weight in weights.items()},
        card=Card(tuple("abcde"), image_size=(8, 12), preprocessing=BLUE_FIRST),
    )


def test_linear_and_relu_by_hand(hidden):
    weights = hidden.variables
    images = RANDOM.random((4, 8, 12, 3), np.float32)
    expected = np.zeros((4, 3, 8, 12))
    for image, row, maps in zip(images, LABELS, expected, strict=True):
        active = (255 * image[..., ::-1] - BLUE_FIRST.mean) / BLUE_FIRST.std @ weights["in"] > 0
        for label, one in zip(row, maps, strict=True):
            slopes = (active * weights["out"][:, label]) @ weights["in"].T / (8 * 12)
            one[:] = np.abs(slopes * 255 / BLUE_FIRST.std).max(axis=-1)
    maps = jaxcam.saliency(hidden, images, LABELS)
    assert maps.dtype == jnp.float32
    np.testing.assert_allclose(maps, expected, rtol=1e-4)
    smaller = Image.fromarray(expected[1, 2].astype(np.float32)).resize((7, 5), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(jaxcam.saliency(hidden, images[1], LABELS[1, 2], size=(5, 7)), smaller, rtol=1e-4)


class Smooth(nn.Module):
    """A backbone without kinks."""

    stages = ("only",)

    @nn.compact
    def __call__(self, x, since=None, upto="only", train=False):
        return nn.softplus(nn.Conv(4, (3, 3), 2)(x))


@pytest.fixture(scope="module")
def smooth():
    """A network without a kernel, with the head of AlexNet and VGG."""
    card = Card(("a", "b", "c"), image_size=(8, 8))
    network = Classifier(Smooth(), FullyConnectedHead(3, grid=(2, 2), width=8, activation=nn.softplus))
    return Params(random_variables(network, card), network, card)


def test_fully_connected_head_equals_finite_differences(smooth):
    """Every pixel and channel moved up and down."""
    image = RANDOM.uniform(0.2, 0.8, (8, 8, 3)).astype(np.float32)
    moves = 0.02 * np.eye(image.size, dtype=np.float32).reshape(-1, *image.shape)
    slopes = (jaxcam.logits(smooth, image + moves) - jaxcam.logits(smooth, image - moves)) / 0.04
    expected = np.abs(slopes.T.reshape(3, 8, 8, 3)).max(axis=-1)
    maps = jaxcam.saliency(smooth, image, [0, 1, 2])
    np.testing.assert_allclose(maps, expected, rtol=0, atol=0.005 * expected.max())


def test_many_labels_are_so_many_calls(hidden):
    maps = jaxcam.saliency(hidden, PHOTOS, LABELS, size="cells")
    assert maps.shape == (4, 3, 8, 12)
    for column in range(3):
        np.testing.assert_array_equal(maps[:, column], jaxcam.saliency(hidden, PHOTOS, LABELS[:, column], size="cells"))
    predicted = jaxcam.logits(hidden, PHOTOS).argmax(-1)
    found = jaxcam.saliency(hidden, PHOTOS)
    np.testing.assert_array_equal(found, jaxcam.saliency(hidden, PHOTOS, predicted))
    single = jaxcam.saliency(hidden, PHOTOS[1], LABELS[1], size="cells")
    np.testing.assert_allclose(single, maps[1], rtol=0, atol=1e-5 * maps.max())


WAYS = {"jit": jax.jit, "vmap": jax.vmap, "jit of vmap": lambda function: jax.jit(jax.vmap(function))}


@pytest.mark.parametrize(
    "network, way",
    [("hidden", "jit"), ("hidden", "vmap"), pytest.param("tiny_params", "jit of vmap", marks=pytest.mark.slow)],
)
def test_every_way_gives_the_same_maps(request, network, way):
    params = request.getfixturevalue(network)
    expected = jaxcam.saliency(params, PHOTOS, LABELS)
    run = WAYS[way](lambda images, labels: jaxcam.saliency(params, images, labels))
    np.testing.assert_allclose(run(PHOTOS, LABELS), expected, rtol=0, atol=1e-5 * expected.max())


def test_one_forward_pass_gives_logits_and_maps(smooth):
    """Labels chosen by the logits, within one compiled function."""

    @jax.jit
    def best(params, images):
        cut = cut_at(params, preprocess(params, images), to_pixels=True)
        labels = jax.lax.top_k(cut.logits, 2)[1]
        return cut.logits, labels, jaxcam.saliency.core(cut, class_weights(labels, 3))

    logits, labels, maps = best(smooth, PHOTOS)
    np.testing.assert_allclose(logits, jaxcam.logits(smooth, PHOTOS), rtol=1e-5, atol=1e-5)
    expected = jaxcam.saliency(smooth, PHOTOS, labels, size="cells")
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5 * expected.max())
    convolutions = str(best.trace(smooth, PHOTOS).jaxpr).count("conv_general_dilated[")
    forward = str(jax.make_jaxpr(lambda images: jaxcam.logits(smooth, images))(PHOTOS)).count("conv_general_dilated[")
    assert convolutions == 3 * forward  # once forward, and once for the gradient of each label


def test_unseen_labels_out_of_range_are_nan(hidden):
    maps = jaxcam.saliency(hidden, PHOTOS[:2], jnp.array([[0, 5], [-1, 4]]), size="cells")
    np.testing.assert_array_equal(np.isnan(maps).any((2, 3)), [[False, True], [True, False]])
    assert np.isnan(maps[0, 1]).all()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"labels": [5, 0, 0, 0]}, "labels: got classes from 0 to 5"),
        ({"labels": [1, 2]}, r"labels: got shape \(2,\)"),
        ({"size": (3,)}, "size"),
        ({"upsample": "nearest"}, "upsample"),
        ({"image_size": (3,)}, "image_size"),
        ({"images": PHOTOS[..., :2]}, "images: got shape"),
    ],
)
def test_mistakes(hidden, given, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.saliency(hidden, **{"images": PHOTOS, **given})
