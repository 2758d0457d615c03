"""Map methods from principal components and channels' statistics against NumPy; their signs and derivatives."""

import jax
import numpy as np
import pytest

import jaxcam
from tests.hand_network import cells_of, gradients_of, hand_params, images_of, pixels_of
from tests.reference import map_methods as plain
from tests.test_gradient_methods import SPACES, check

pytestmark = pytest.mark.slow

# Name, options of both, the space, and the least that features have.
CASES = [
    ("eigen_cam", {}, SPACES[0], 0.0),
    ("eigen_cam", {}, SPACES[1], -0.5),
    ("eigen_cam", {"centred": True}, SPACES[1], 0.0),
    ("eigen_cam", {"centred": True}, SPACES[2], -0.5),
    ("kpca_cam", {}, SPACES[0], 0.0),
    ("kpca_cam", {"gamma": 0.7, "constant": -0.3}, SPACES[1], 0.0),
    ("kpca_cam", {"kernel": "linear"}, SPACES[2], 0.0),
    ("kpca_cam", {"kernel": "poly", "degree": 2}, SPACES[2], 0.0),
    ("kpca_cam", {"kernel": "rbf", "gamma": 0.5}, SPACES[1], 0.0),
    ("kpca_cam", {"kernel": "cosine"}, SPACES[2], 0.0),
    ("fem", {}, SPACES[0], 0.0),
    ("fem", {"num_stds": 0.5}, SPACES[2], -0.5),
]


def features(params, images):
    return cells_of(params, pixels_of(images))


@pytest.mark.parametrize("name, options, space, floor", CASES, ids=str)
def test_equals_numpy(name, options, space, floor):
    """For any label."""
    params, images = hand_params(space, floor=floor), images_of(space)
    expected = np.array([getattr(plain, name)(cells, **options) for cells in features(params, images)])
    maps = getattr(jaxcam, name)(params, images, np.array([[0, 3]] * 3), size="cells", **options)
    check(maps, np.stack([expected] * 2, axis=1))


def test_eigen_grad_cam_without_centring_equals_numpy():
    space = SPACES[1]
    params, images = hand_params(space), images_of(space)
    gradients = gradients_of(params, pixels_of(images), np.eye(4)[[[2], [0], [1]]])[:, 0]
    pairs = zip(features(params, images), gradients, strict=True)
    expected = np.array([plain.eigen_grad_cam(cells, one, centred=False) for cells, one in pairs])
    check(jaxcam.eigen_grad_cam(params, images, [2, 0, 1], size="cells", centred=False), expected)


def test_linear_kernel_is_the_centred_component():
    params, images = hand_params(SPACES[2]), images_of(SPACES[2])
    maps = jaxcam.kpca_cam(params, images, kernel="linear", size="cells")
    check(maps, jaxcam.eigen_cam(params, images, centred=True, size="cells"))


@pytest.mark.parametrize("name", ["eigen_cam", "kpca_cam", "fem"])
def test_features_that_are_nothing_give_zeros(name):
    params, images = hand_params(SPACES[2]), np.full((3, *SPACES[2], 3), 0.5, np.float32)
    np.testing.assert_array_equal(getattr(jaxcam, name)(params, images, size="cells"), np.zeros((3, *SPACES[2])))


@pytest.mark.parametrize("name, space", [("eigen_cam", SPACES[0]), ("eigen_cam", SPACES[1]), ("kpca_cam", SPACES[0])])
def test_gradient_equals_finite_differences(name, space):
    """In the network's weights, where other singular values are equal: a channel is 0, cells are more than channels."""
    params, images = hand_params(space), images_of(space, count=1)
    random = np.random.default_rng(5)
    weights = random.normal(size=space)
    start = np.asarray(params.variables["in"], np.float64)
    direction = random.normal(size=start.shape) * start.any(axis=0)

    def score(kernel):
        moved = params.replace(variables={**params.variables, "in": kernel})
        return (getattr(jaxcam, name)(moved, images, size="cells")[0] * weights.astype(np.float32)).sum()

    def by_numpy(step):
        moved = params.replace(variables={**params.variables, "in": start + step * direction})
        return (getattr(plain, name)(features(moved, images)[0]) * weights).sum()

    slope = (np.asarray(jax.grad(score)(params.variables["in"])) * direction).sum()
    np.testing.assert_allclose(slope, (by_numpy(1e-5) - by_numpy(-1e-5)) / 2e-5, rtol=1e-3)


def test_unknown_kernel():
    params, images = hand_params(SPACES[0]), images_of(SPACES[0])
    with pytest.raises(ValueError, match="kernel: got 'gauss'; use one of linear, poly, rbf, sigmoid, cosine"):
        jaxcam.kpca_cam(params, images, kernel="gauss")
