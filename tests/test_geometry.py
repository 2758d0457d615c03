"""jaxcam.geometry against OpenCV, Pillow, JAX's own resize and plain NumPy."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxcam.geometry import METHODS, box_area, iou, resize, resize_matrix, scale_boxes
from tests.reference import localization
from tests.reference.resizing import resize as plain_resize

# (source height, width) -> (target height, width): up and down, odd, one pixel, one axis kept.
SIZES = [
    ((7, 7), (224, 224)),
    ((7, 5), (33, 47)),
    ((31, 53), (8, 9)),
    ((13, 1), (5, 17)),
    ((1, 1), (3, 2)),
    ((9, 6), (1, 1)),
    ((11, 4), (11, 9)),
    ((2, 3), (3, 2)),
]
OPENCV = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def picture(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_matrices(image, size, method, antialias=False):
    rows = resize_matrix(image.shape[0], size[0], method, antialias)
    columns = resize_matrix(image.shape[1], size[1], method, antialias)
    return rows @ image @ columns.T


@pytest.mark.core
@pytest.mark.parametrize("method", OPENCV)
@pytest.mark.parametrize("source, target", SIZES)
def test_resize_equals_opencv(source, target, method):
    image = picture(*source)
    expected = cv2.resize(image, target[::-1], interpolation=OPENCV[method])
    np.testing.assert_allclose(by_matrices(image, target, method), expected, atol=1e-5)
    np.testing.assert_allclose(resize(jnp.asarray(image), target, axis=0, method=method), expected, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(METHODS))
def test_matrix_equals_numpy(source, target, method):
    samples = picture(source, 2, seed=source)
    expected = plain_resize(samples, target, method)
    np.testing.assert_allclose(resize_matrix(source, target, method) @ samples, expected, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(METHODS), st.booleans())
def test_matrix_rows_sum_to_one(source, target, method, antialias):
    matrix = resize_matrix(source, target, method, antialias)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-6)  # no shift: a mirrored signal stays mirrored
    if source == target:
        np.testing.assert_allclose(matrix, np.eye(source), atol=1e-7)


# Pillow and JAX renormalise at the edges, as `antialias` does; their cubic is the Catmull-Rom one.
@pytest.mark.parametrize("source, target", SIZES)
@pytest.mark.parametrize(
    "method, jax_method, pillow_method",
    [("bilinear", "linear", Image.Resampling.BILINEAR), ("catmull_rom", "cubic", Image.Resampling.BICUBIC)],
)
def test_antialias_equals_jax_and_pillow(source, target, method, jax_method, pillow_method):
    image = picture(*source)
    resized = by_matrices(image, target, method, antialias=True)
    np.testing.assert_allclose(resized, Image.fromarray(image).resize(target[::-1], pillow_method), atol=1e-5)
    np.testing.assert_allclose(resized, jax.image.resize(image, target, jax_method, antialias=True), atol=1e-5)


def test_resize_takes_the_axes_named():
    array = jnp.asarray(picture(2, 5, 4, 3, 2))
    volume = resize(array, (3, 7, 4), axis=1, method="bicubic")
    assert volume.shape == (2, 3, 7, 4, 2)
    expected = np.einsum("ay,bx,cz,nyxzk->nabck", *(_matrix(*ends) for ends in ((5, 3), (4, 7), (3, 4))), array)
    np.testing.assert_allclose(volume, expected, atol=1e-5)
    assert resize(array.astype(jnp.bfloat16), (3, 7, 4), axis=1).dtype == jnp.bfloat16
    assert resize(array, (5, 4), axis=1) is array


def _matrix(source, target):
    return resize_matrix(source, target, "bicubic")


def test_matrices_are_shared_and_read_only():
    assert resize_matrix(3, 5) is resize_matrix(3, 5)
    with pytest.raises(ValueError, match="read-only"):
        resize_matrix(3, 5)[0, 0] = 1


@pytest.mark.parametrize("ends", [(0, 4), (4, 0), (-1, 4)])
def test_size_below_one(ends):
    with pytest.raises(ValueError, match=f"size: got {ends[0]} -> {ends[1]}; give sizes of at least 1"):
        resize_matrix(*ends)


def test_unknown_method():
    with pytest.raises(ValueError, match="method: got 'cubic'; use one of bilinear, bicubic, catmull_rom"):
        resize_matrix(3, 4, "cubic")


# Boxes on a coarse grid touch, nest and coincide often; some are empty.
corners = st.integers(0, 6).map(float)
boxes = st.tuples(corners, corners, corners, corners).map(
    lambda c: (min(c[::2]), min(c[1::2]), max(c[::2]), max(c[1::2]))
)


jitted_iou = jax.jit(iou)


@given(st.lists(st.tuples(boxes, boxes), min_size=4, max_size=4))
def test_iou_equals_the_plain_one(pairs):
    a, b = (np.array(side, np.float32) for side in zip(*pairs, strict=True))
    expected = [localization.iou(*pair) for pair in pairs]
    np.testing.assert_allclose(iou(a, b), expected, atol=1e-6)
    np.testing.assert_array_equal(iou(a, b), iou(b, a))
    np.testing.assert_allclose(jitted_iou(a, b), expected, atol=1e-6)


@pytest.mark.core
def test_iou_of_special_pairs():
    a = np.array([[0, 0, 10, 10]] * 7, np.float32)
    b = [(0, 0, 10, 10), (5, 0, 15, 10), (2, 2, 7, 6), (10, 0, 20, 10), (20, 20, 30, 30), (3, 3, 3, 9), (np.nan,) * 4]
    np.testing.assert_allclose(iou(a, np.array(b, np.float32)), [1, 1 / 3, 0.2, 0, 0, 0, 0], atol=1e-7)
    empty = np.zeros((4,), np.float32)
    assert iou(empty, empty) == 0
    assert iou(empty, empty).dtype == np.float32


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32)))
def test_iou_of_any_corners_is_a_share(corners):
    """Corners in the wrong order make an empty box, never an IoU above 1."""
    every = np.stack([iou(one[None], corners) for one in corners])
    assert ((every >= 0) & (every <= 1 + 1e-6)).all()
    assert (box_area(corners) >= 0).all()


def test_iou_broadcasts():
    a, b = picture(4, 1, 4, seed=1), picture(5, 4, seed=2)
    expected = [[iou(one[0], other) for other in b] for one in a]
    np.testing.assert_allclose(iou(a, b[None]), expected)
    np.testing.assert_allclose(iou(a, b), expected)
    np.testing.assert_allclose(jitted_iou(a, b), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(iou(jnp.asarray(a), b), expected, rtol=1e-5, atol=1e-7)
    assert isinstance(iou(a, b), np.ndarray)


def test_iou_has_no_nan_gradient():
    gradient = jax.jit(jax.grad(lambda a: iou(a, jnp.zeros(4)).sum()))(jnp.zeros(4))
    np.testing.assert_array_equal(gradient, np.zeros(4))


def test_scale_boxes():
    boxes = np.array([[[1, 2, 3, 4], [0, 0, 8, 6]]], np.float32)
    scaled = scale_boxes(boxes, (6, 8), (12, 4))
    np.testing.assert_array_equal(scaled, [[[0.5, 4, 1.5, 8], [0, 0, 4, 12]]])
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(jax.jit(lambda b: scale_boxes(b, (6, 8), (12, 4)))(boxes), scaled)
