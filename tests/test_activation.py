"""jaxcam.cam and jaxcam.cam_from_features: values, options and mistakes; jit, vmap and grad stand elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.forward import forward
from tests.reference.class_maps import class_maps
from tests.reference.resizing import resize as plain_resize

PHOTOS = np.random.default_rng(1).integers(0, 256, (3, 40, 56, 3), np.uint8)
LABELS = np.array([[4, 0], [1, 2], [3, 3]])


@pytest.fixture(scope="module")
def computed(tiny_params):
    """Features, logits, kernel and bias, as NumPy arrays."""
    features, logits = forward(tiny_params, PHOTOS)
    head = tiny_params.variables["params"]["head"]["classifier"]
    return tuple(map(np.asarray, (features, logits, head["kernel"], head["bias"])))


def check(maps, expected, tolerance=1e-5):
    assert isinstance(maps, jax.Array)
    assert maps.dtype == jnp.float32
    assert maps.shape == expected.shape
    np.testing.assert_allclose(maps, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.core
@pytest.mark.parametrize("upsample", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [None, (40, 56), (33, 7), (1, 1)])
def test_cam_equals_numpy_and_opencv(tiny_params, computed, size, upsample):
    features, _, kernel, _ = computed
    expected = class_maps(features, kernel, LABELS, size or (40, 56), upsample)
    check(jaxcam.cam(tiny_params, PHOTOS, LABELS, size=size, upsample=upsample), expected)


def test_catmull_rom(tiny_params, computed):
    features, _, kernel, _ = computed
    cells = class_maps(features, kernel, LABELS)
    expected = plain_resize(cells.transpose(2, 3, 0, 1), 20, "catmull_rom")
    expected = plain_resize(expected.transpose(1, 0, 2, 3), 24, "catmull_rom").transpose(2, 3, 1, 0)
    check(jaxcam.cam(tiny_params, PHOTOS, LABELS, size=(20, 24), upsample="catmull_rom"), expected)


@pytest.mark.core
def test_mean_of_the_cells_and_bias_is_the_logit(tiny_params, computed):
    _, logits, _, bias = computed
    every = np.tile(np.arange(5), (3, 1))
    maps = jaxcam.cam(tiny_params, PHOTOS, every, size="cells")
    np.testing.assert_allclose(maps.mean((2, 3)) + bias[None], logits, rtol=1e-4, atol=1e-5)


def test_labels_of_every_form(tiny_params, computed):
    """(b, n) equals n calls of (b,); one image equals its row of the batch; lists and NumPy integers are labels too."""
    features, logits, kernel, _ = computed
    expected = class_maps(features, kernel, LABELS, (40, 56))
    for column in range(2):
        check(jaxcam.cam(tiny_params, PHOTOS, LABELS[:, column]), expected[:, column])
    for labels in (LABELS.tolist(), tuple(map(tuple, LABELS)), jnp.asarray(LABELS), LABELS.astype(np.uint8)):
        check(jaxcam.cam(tiny_params, PHOTOS, labels), expected)
    for dtype in (jnp.int8, jnp.uint8, jnp.uint32):
        check(jaxcam.cam(tiny_params, PHOTOS, jnp.asarray(LABELS, dtype)), expected)
    one, row = PHOTOS[1], expected[1]
    for label in (1, np.int64(1), np.array(1), jnp.int32(1)):
        check(jaxcam.cam(tiny_params, one, label), row[0])
    for labels in ([1, 2], np.array([1, 2]), jnp.array([1, 2])):
        check(jaxcam.cam(tiny_params, one, labels), row)
    best = class_maps(features, kernel, logits.argmax(1)[:, None], (40, 56))[:, 0]
    check(jaxcam.cam(tiny_params, PHOTOS), best)
    check(jaxcam.cam(tiny_params, one), best[1])


def test_kinds_of_images_give_the_same_map(tiny_params):
    maps = np.asarray(jaxcam.cam(tiny_params, PHOTOS, LABELS))
    for images in (jnp.asarray(PHOTOS), PHOTOS / 255, jnp.asarray(PHOTOS / 255, jnp.float32)):
        check(jaxcam.cam(tiny_params, images, LABELS), maps)


def test_size_of_the_network_input(tiny_params):
    """`image_size` changes what the network sees; the maps keep the geometry of the images given."""
    _, _, kernel, _ = (None, None, tiny_params.variables["params"]["head"]["classifier"]["kernel"], None)
    for image_size, cells in (("native", (3, 4)), ((64, 48), (4, 3))):
        features = np.asarray(forward(tiny_params, PHOTOS, image_size=image_size)[0])
        assert features.shape[1:3] == cells
        expected = class_maps(features, np.asarray(kernel), LABELS, (40, 56))
        check(jaxcam.cam(tiny_params, PHOTOS, LABELS, image_size=image_size), expected)
        assert jaxcam.cam(tiny_params, PHOTOS, LABELS, image_size=image_size, size="cells").shape == (3, 2, *cells)


def test_a_label_out_of_range_that_cannot_be_seen_gives_nan(tiny_params):
    """Under jit, and on the device: never another class's map, and only for that label."""
    labels = np.array([[0, -1], [5, 2], [1, 6]])
    maps = np.asarray(jaxcam.cam(tiny_params, PHOTOS, jnp.asarray(labels)))
    jitted = jax.jit(lambda labels: jaxcam.cam(tiny_params, PHOTOS, labels))(labels)
    wrong = (labels < 0) | (labels > 4)
    np.testing.assert_array_equal(np.isnan(maps), np.broadcast_to(wrong[..., None, None], maps.shape))
    np.testing.assert_allclose(maps, jitted, rtol=1e-5, atol=1e-5)
    right = np.asarray(jaxcam.cam(tiny_params, PHOTOS, np.where(wrong, 0, labels)))
    np.testing.assert_allclose(maps[~wrong], right[~wrong], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 1, 5], "labels: got classes from 0 to 5; this network has 0 to 4"),
        ([0, 1, -1], "labels: got classes from -1 to 1; this network has 0 to 4"),
        (np.array([[0, 2**33]] * 3), "labels: got classes from 0 to 8589934592; this network has 0 to 4"),
        ([0, 1], r"labels: got shape \(2,\) for a batch of 3 images; give one class \(b,\), or one row"),
        (jnp.arange(4), r"labels: got shape \(4,\) for a batch of 3 images"),
        (1, r"labels: got shape \(\) for a batch of 3 images"),
        (np.zeros((3, 1, 1), int), r"labels: got shape \(3, 1, 1\) for a batch of 3 images"),
        (np.zeros((3, 0), int), r"labels: got shape \(3, 0\) for a batch of 3 images"),
        ([0.0, 1.0, 2.0], r"labels: got float64 of shape \(3,\); give integer classes from 0 to 4"),
        (jnp.arange(3.0), r"labels: got float32 of shape \(3,\); give integer classes from 0 to 4"),
        (np.array([True, False, True]), "labels: got bool; give integer classes from 0 to 4"),
        (["cat", "dog", "elk"], "labels: got <U3; give integer classes from 0 to 4"),
    ],
)
def test_wrong_labels(tiny_params, computed, labels, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.cam(tiny_params, PHOTOS, labels)
    with pytest.raises(ValueError, match=message):
        jaxcam.cam_from_features(computed[0], computed[2], labels)


@pytest.mark.parametrize(
    "labels, message",
    [
        (5, "labels: got classes from 5 to 5; this network has 0 to 4"),
        (-1, "labels: got classes from -1 to -1"),
        (1.0, r"labels: got float64 of shape \(\); give integer classes"),
        (True, "labels: got bool; give integer classes"),
        ([[1]], r"labels: got shape \(1, 1\) for one image; give one class, or one row \(n,\) of classes"),
        (np.zeros(0, int), r"labels: got shape \(0,\) for one image"),
    ],
)
def test_wrong_labels_of_one_image(tiny_params, labels, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.cam(tiny_params, PHOTOS[0], labels)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": "image"}, r'size: got \'image\'; give 2 lengths of at least 1, "cells", or None'),
        ({"size": (32,)}, r"size: got \(32,\); give 2 lengths"),
        ({"size": (32, 0)}, r"size: got \(32, 0\); give 2 lengths of at least 1"),
        ({"upsample": "nearest"}, "upsample: got 'nearest'; use one of bilinear, bicubic, catmull_rom"),
    ],
)
def test_wrong_options(tiny_params, computed, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.cam(tiny_params, PHOTOS, LABELS, **options)
    with pytest.raises(ValueError, match=message):
        jaxcam.cam_from_features(computed[0], computed[2], LABELS, **options)


@pytest.mark.core
@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray, lambda array: np.asarray(array, np.float64)])
def test_cam_from_features(computed, convert):
    features, _, kernel, _ = computed
    for size in (None, (40, 56)):
        expected = class_maps(features, kernel, LABELS, size)
        check(jaxcam.cam_from_features(convert(features), convert(kernel), LABELS, size=size), expected)
    check(
        jaxcam.cam_from_features(convert(features), convert(kernel), LABELS, size="cells"),
        class_maps(features, kernel, LABELS),
    )
    expected = class_maps(features, kernel, LABELS, (7, 9), "bicubic")[0]
    one = jaxcam.cam_from_features(convert(features[0]), convert(kernel), LABELS[0], size=(7, 9), upsample="bicubic")
    check(one, expected)
    check(
        jaxcam.cam_from_features(convert(features[0]), convert(kernel), 4, size=(7, 9), upsample="bicubic"), expected[0]
    )


def test_cam_from_integer_features():
    features = np.arange(12).reshape(2, 2, 3)
    check(jaxcam.cam_from_features(features, np.array([[1], [0], [-1]]), 0), np.full((2, 2), -2.0))


@pytest.mark.parametrize("shapes", [((3, 4), (4, 2)), ((3, 3, 4), (2, 4)), ((3, 3, 4), (4,)), ((0, 3, 3, 4), (4, 2))])
def test_wrong_features_and_kernels(shapes):
    features, kernel = map(np.zeros, shapes)
    with pytest.raises(
        ValueError, match=r"features, kernel: got shapes .*; give \(b, y, x, k\) or \(y, x, k\), and \(k, c\)"
    ):
        jaxcam.cam_from_features(features, kernel, 0)
