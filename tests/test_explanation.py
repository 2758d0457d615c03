"""`explain` against NumPy's softmax and sorting, OpenCV's resizing and scikit-image's regions."""

from dataclasses import FrozenInstanceError, fields
from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from skimage.measure import label, regionprops

import jaxcam
import jaxcam.explanation

CLASSES = ("cat", "dog", "goldfish, Carassius auratus", "tabby, tabby cat", "crane")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), np.uint8)
ARRAYS = ("labels", "probabilities", "maps", "boxes")


@pytest.fixture(scope="module")
def params():
    card = jaxcam.Card(classes=CLASSES, image_size=(32, 32), threshold=0.6)
    return jaxcam.init("resnet10", jax.random.key(3), card=card, width=8, stem="small")


@pytest.fixture(scope="module")
def why(params):
    return jaxcam.explain(params, IMAGES, top=3)


def softmax(scores):
    exponentials = np.exp(scores.astype(np.float64))
    return exponentials / exponentials.sum(-1, keepdims=True)


def box_by_skimage(heat, threshold):
    """The paper's rule: the largest region above a share of the maximum, the whole map where it shows nothing."""
    if heat.max() <= 0:
        return [0, 0, heat.shape[1], heat.shape[0]]
    regions = regionprops(label(heat >= np.float32(threshold) * heat.max(), connectivity=2))
    y0, x0, y1, x1 = max(regions, key=lambda region: region.area).bbox
    return [x0, y0, x1, y1]


def assert_same(one, other, tolerance=1e-5):
    assert one.names == other.names
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance)


@pytest.mark.core
def test_top_classes_maps_and_boxes(params, why):
    scores = np.asarray(jaxcam.logits(params, IMAGES))
    order = np.argsort(-scores, axis=-1)[:, :3]
    np.testing.assert_array_equal(why.labels, order)
    assert why.names == tuple(tuple(CLASSES[index] for index in row) for row in order)
    np.testing.assert_allclose(why.probabilities, np.take_along_axis(softmax(scores), order, -1), rtol=1e-5)
    features = np.asarray(jaxcam.features(params, IMAGES))
    kernel = np.asarray(params.variables["params"]["head"]["classifier"]["kernel"])
    for b, n in np.ndindex(3, 3):
        expected = cv2.resize(features[b] @ kernel[:, order[b, n]], (30, 40), interpolation=cv2.INTER_LINEAR)
        heat = np.asarray(why.maps[b, n])
        np.testing.assert_allclose(heat, expected, atol=1e-5)
        np.testing.assert_array_equal(why.boxes[b, n], box_by_skimage(heat, 0.6))


def test_kinds_of_arrays(why):
    kinds = {name: (getattr(why, name).dtype.name, getattr(why, name).shape) for name in ARRAYS}
    assert kinds == {
        "labels": ("int32", (3, 3)),
        "probabilities": ("float32", (3, 3)),
        "maps": ("float32", (3, 3, 40, 30)),
        "boxes": ("float32", (3, 3, 4)),
    }
    with pytest.raises(FrozenInstanceError):
        why.names = ()


@pytest.mark.slow
def test_one_image_is_a_row_of_the_batch(params, why):
    one = jaxcam.explain(params, IMAGES[1], top=3)
    row = {field.name: getattr(why, field.name)[1] for field in fields(why)}
    assert one.maps.shape == (3, 40, 30)
    assert_same(one, jaxcam.Explanation(**row))


def test_floats_and_device_arrays(params, why):
    assert_same(jaxcam.explain(params, IMAGES.astype(np.float32) / 255, top=3), why, 1e-4)
    assert_same(jaxcam.explain(params, jnp.asarray(IMAGES), top=3), why)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, np.ndarray.tolist])
def test_labels_of_ones_own(params, kind):
    rows = np.array([[4, 0, 2], [1, 1, 1], [0, 2, 3]])
    given = jaxcam.explain(params, IMAGES, kind(rows))
    np.testing.assert_array_equal(given.labels, rows)
    assert given.names[2] == ("cat", "goldfish, Carassius auratus", "tabby, tabby cat")
    np.testing.assert_allclose(given.maps, jaxcam.cam(params, IMAGES, rows), atol=1e-6)
    scores = softmax(np.asarray(jaxcam.logits(params, IMAGES)))
    np.testing.assert_allclose(given.probabilities, np.take_along_axis(scores, rows, -1), rtol=1e-5)
    column = jaxcam.explain(params, IMAGES, kind(rows[:, 0]))
    assert column.maps.shape == (3, 1, 40, 30)
    np.testing.assert_allclose(column.maps[:, 0], given.maps[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    "labels", [2, *(pytest.param(labels, marks=pytest.mark.slow) for labels in ([2], np.array(2))), (2, 0, 1)]
)
def test_labels_for_one_image(params, labels):
    one = jaxcam.explain(params, IMAGES[0], labels)
    assert one.names == tuple(CLASSES[index] for index in np.atleast_1d(labels))
    np.testing.assert_allclose(one.maps[0], jaxcam.cam(params, IMAGES[0], 2), atol=1e-6)


def test_threshold(params, why):
    for threshold in (0.05, 0.3, 1.0):
        other = jaxcam.explain(params, IMAGES, top=3, threshold=threshold)
        for b, n in np.ndindex(3, 3):
            heat = np.asarray(other.maps[b, n])
            np.testing.assert_array_equal(other.boxes[b, n], box_by_skimage(heat, threshold))
    assert_same(jaxcam.explain(params, IMAGES, top=3, threshold=0.6), why)


def test_one_forward_pass(params, monkeypatch):
    passes, forward = [], jaxcam.explanation.forward
    monkeypatch.setattr(jaxcam.explanation, "forward", lambda *args: passes.append(args) or forward(*args))
    jaxcam.explanation.answers(params, jnp.asarray(IMAGES), top=3)
    assert len(passes) == 1


def test_classes_without_names():
    mine = jaxcam.from_functions(
        lambda variables, images: images[:, ::8, ::8],
        lambda variables, features: features.mean((1, 2)) @ variables,
        lambda variables: variables,
        variables=jnp.eye(3),
    )
    assert sorted(jaxcam.explain(mine, IMAGES[0]).names) == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"top": 6}, "top: got 6; this network has 5 classes, give 1 to 5"),
        ({"top": 0}, "top: got 0"),
        ({"labels": np.array([[5]] * 3)}, "labels: got classes from 5 to 5; this network has 0 to 4"),
        ({"labels": jnp.array([0, -1, 0])}, "labels: got classes from -1"),
        ({"labels": [1, 2]}, r"labels: got shape \(2,\) for a batch of 3"),
        ({"threshold": 1.5}, "threshold: got 1.5"),
        ({"threshold": 0.0}, "threshold: got 0.0"),
        ({"threshold": float("nan")}, "threshold: got nan"),
        ({"images": IMAGES[..., :2]}, "images: got shape"),
    ],
)
def test_mistakes(params, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.explain(params, **{"images": IMAGES, **options})


def test_a_network_without_a_kernel():
    mine = jaxcam.from_functions(lambda variables, images: images, lambda variables, features: features[:, 0, 0])
    with pytest.raises(ValueError, match="this network has no linear layer"):
        jaxcam.explain(mine, IMAGES)


@pytest.mark.parametrize("method", [None, pytest.param(jaxcam.grad_cam, marks=pytest.mark.slow)])
def test_boxes_alone(params, why, monkeypatch, method):
    """In parts of 2 classes, of which the last is not full."""
    monkeypatch.setattr(jaxcam.explanation, "AT_ONCE", 2)
    whole = why if method is None else jaxcam.explain(params, IMAGES, top=3, method=method)
    alone = jaxcam.explain(params, IMAGES, top=3, method=method, maps=False)
    assert alone.maps is None
    np.testing.assert_array_equal(alone.boxes, whole.boxes)
    np.testing.assert_array_equal(alone.labels, whole.labels)
    np.testing.assert_array_equal(
        jaxcam.explain(params, IMAGES[1], top=3, method=method, maps=False).boxes, alone.boxes[1]
    )


def test_boxes_alone_of_a_method_are_in_no_loop(params):
    """There XLA's gradients of convolutions would take up to 80 times as long on CPUs."""

    def convolutions_in_loops(program, looped=False):
        return sum(
            looped * (equation.primitive.name == "conv_general_dilated")
            + sum(
                convolutions_in_loops(inner, looped or equation.primitive.name in ("scan", "while"))
                for inner in jaxprs_in_params(equation.params)
            )
            for equation in program.eqns
        )

    answers = partial(jaxcam.explanation.answers, top=3, method=jaxcam.grad_cam, maps=False)
    assert convolutions_in_loops(jax.make_jaxpr(answers)(params, jnp.asarray(IMAGES)).jaxpr) == 0


@pytest.mark.slow
def test_features_that_are_tokens(tmp_path):
    """Of a network whose last tokens are its cells: the same as of the cells, which lie over the image."""

    def cells(kernel, images):
        return images[:, 4::8, 4::8]

    def tokens(kernel, images):
        found = cells(kernel, images)
        found = found.reshape(found.shape[0], -1, 3)
        return jnp.concatenate([9 * found[:, :1], found], axis=1)

    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(3, 5)), jnp.float32)
    options = {"variables": kernel, "card": jaxcam.Card(CLASSES, image_size=(32, 24))}
    of_cells = jaxcam.from_functions(cells, lambda kernel, x: x.mean((1, 2)) @ kernel, lambda kernel: kernel, **options)
    of_tokens = jaxcam.from_functions(
        tokens, lambda kernel, x: x[:, 1:].mean(1) @ kernel, lambda kernel: kernel, **options, token_grid=(4, 3)
    )
    expected = jaxcam.explain(of_cells, IMAGES, top=3)
    assert_same(jaxcam.explain(of_tokens, IMAGES, top=3), expected)
    alone = jaxcam.explain(of_tokens, IMAGES, top=3, maps=False)
    np.testing.assert_allclose(alone.boxes, expected.boxes, atol=1e-5)
    jaxcam.export(of_tokens, out=tmp_path / "tokens.jaxcam", photo_size=(40, 30), platforms=("cpu",))
    found = jaxcam.load_exported(tmp_path / "tokens.jaxcam")(IMAGES)
    np.testing.assert_allclose(found["maps"][:, :3], expected.maps, rtol=1e-4, atol=1e-5)


def test_boxes_alone_need_no_room_for_all_maps():
    card = jaxcam.Card(classes=tuple(f"class {number}" for number in range(200)), image_size=(32, 32))
    params = jaxcam.init("resnet10", jax.random.key(0), card=card, width=8, stem="small")
    images = np.zeros((1, 256, 256, 3), np.uint8)
    compiled = jax.jit(partial(jaxcam.explanation.answers, top=200, maps=False)).lower(params, images).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.5 * 200 * 256 * 256 * 4


def test_boxes_alone_of_a_threshold_out_of_range(params):
    with pytest.raises(ValueError, match=r"threshold: got 1\.5"):
        jaxcam.explain(params, IMAGES, threshold=1.5, maps=False)
