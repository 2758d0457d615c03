"""Map methods from gradients against NumPy: derivatives known by hand, identities of GAP heads, earlier stages."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.card import Card
from jaxcam.forward import kernel_of, preprocess
from jaxcam.methods.activation import cells_cam
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.cut import cut_at
from jaxcam.methods.gradient import grad_cam, hires_cam, xgrad_cam
from jaxcam.params import Params, make_network
from tests.families import params_of, photos
from tests.hand_network import cells_of, gradients_of, hand_params, images_of, pixels_of
from tests.random_network import random_params
from tests.reference import map_methods as plain
from tests.reference.weights import random_variables

LABELS = np.array([[3, 0], [1, 1], [2, 3]])
# More cells than channels, fewer, and a volume's.
SPACES = ((5, 4), (4,), (2, 3, 2))
# Method -> its function of features and gradients, and whether a sum of classes has the sum of their maps.
METHODS = {
    "grad_cam": (plain.grad_cam, True),
    "grad_cam_plus_plus": (plain.grad_cam_plus_plus, False),
    "xgrad_cam": (plain.xgrad_cam, True),
    "layer_cam": (plain.layer_cam, False),
    "hires_cam": (plain.hires_cam, True),
    "grad_cam_elementwise": (plain.grad_cam_elementwise, False),
    "eigen_grad_cam": (plain.eigen_grad_cam, False),
}


def check(maps, expected, tolerance=1e-5):
    assert maps.dtype == jnp.float32
    np.testing.assert_allclose(maps, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def raw(name, params, images, labels, **options):
    """Maps on cells, without the method's own relu where it has one."""
    method = getattr(jaxcam, name)
    own = {"relu": False} if "relu" in inspect.signature(method).parameters else {}
    return method(params, images, labels, size="cells", **own, **options)


def by_hand(params, images, weights, method):
    """Maps (b, n, *cells) of scores with weights of classes (b, n, c), by NumPy."""
    pixels = pixels_of(images)
    pairs = zip(cells_of(params, pixels), gradients_of(params, pixels, weights), strict=True)
    return np.array([[method(cells, one) for one in gradients] for cells, gradients in pairs])


@pytest.mark.parametrize("space", SPACES[::2], ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_equals_numpy(name, space):
    params, images = hand_params(space), images_of(space)
    expected = by_hand(params, images, np.eye(4)[LABELS], METHODS[name][0])
    check(raw(name, params, images, LABELS), expected)


@pytest.mark.parametrize("name", METHODS)
def test_weights_of_classes(name):
    """The map of a sum of classes, which is the sum of their maps where the method is linear in gradients."""
    params, images = hand_params(SPACES[0]), images_of(SPACES[0])
    reference, linear = METHODS[name]
    weights = np.random.default_rng(2).normal(size=(3, 2, 4)).astype(np.float32)
    expected = by_hand(params, images, weights, reference)
    check(raw(name, params, images, weights), expected)
    every = by_hand(params, images, np.broadcast_to(np.eye(4), (3, 4, 4)), reference)
    summed = np.einsum("bnc,bc...->bn...", weights, every)
    assert np.allclose(summed, expected, rtol=0, atol=1e-5 * np.abs(expected).max()) == linear


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_plus_plus", "xgrad_cam", "layer_cam", "hires_cam"])
def test_relu_leaves_out_what_is_below_zero(name):
    """Of features of both signs, without which some methods' maps have one."""
    params, images = hand_params(SPACES[0], floor=-0.2), images_of(SPACES[0])
    expected = by_hand(params, images, np.eye(4)[LABELS], METHODS[name][0])
    assert (expected < 0).any()
    check(raw(name, params, images, LABELS), expected)
    check(getattr(jaxcam, name)(params, images, LABELS, size="cells", relu=True), np.maximum(expected, 0))


@pytest.mark.parametrize("key", [None, 3])
def test_smooth_grad_cam_plus_plus_equals_numpy(key):
    """Gradients by hand at each noisy copy; the same noise for all images; features of the image without noise."""
    space = SPACES[0]
    params, images = hand_params(space), images_of(space)
    pixels, weights = pixels_of(images), np.eye(4)[LABELS]
    keys = jax.random.split(jax.random.key(key or 0), 3)
    copies = [pixels + 0.5 * np.asarray(jax.random.normal(one, (*space, 3))) for one in keys]
    gradients = np.array([gradients_of(params, copy, weights) for copy in copies])
    expected = [
        [plain.smooth_grad_cam_plus_plus(cells, gradients[:, b, n]) for n in range(2)]
        for b, cells in enumerate(cells_of(params, pixels))
    ]
    options = {} if key is None else {"key": jax.random.key(key)}
    check(
        raw("smooth_grad_cam_plus_plus", params, images, LABELS, num_samples=3, std=0.5, **options), np.array(expected)
    )


def test_smooth_grad_cam_plus_plus_without_noise_is_grad_cam_plus_plus():
    params, images = hand_params(SPACES[0]), images_of(SPACES[0])
    maps = raw("smooth_grad_cam_plus_plus", params, images, LABELS, num_samples=2, std=0.0)
    check(maps, raw("grad_cam_plus_plus", params, images, LABELS))


def test_grad_cam_plus_plus_of_gradients_whose_squares_are_no_floats():
    params, images = hand_params(SPACES[0]), images_of(SPACES[0])
    params = params.replace(variables={**params.variables, "out": params.variables["out"] * 1e-24})
    expected = by_hand(params, images, np.eye(4)[LABELS], plain.grad_cam_plus_plus)
    check(raw("grad_cam_plus_plus", params, images, LABELS), expected)


def test_layer_cam_scaled():
    """A map with nothing to show stays 0."""
    params, images = hand_params(SPACES[0]), images_of(SPACES[0])
    images[1] = 0.5  # whose pixels are 0, and so its features
    expected = by_hand(params, images, np.eye(4)[LABELS], plain.layer_cam)
    highest = np.array([[one.max() or 1 for one in maps] for maps in expected])[..., None, None]
    check(jaxcam.layer_cam(params, images, LABELS, size="cells", scale=2.0), np.tanh(2 * expected / highest))


def check_gap_identities(params, images, labels, tolerance):
    """cells x Grad-CAM = cells x HiResCAM = cells x XGrad-CAM = CAM, before the relu."""

    @jax.jit
    def run(params, pixels, targets):
        cut = cut_at(params, pixels)
        count = np.prod(cut.cells.shape[1:-1]).item()
        maps = [count * core(cut, targets, relu=False) for core in (grad_cam.core, hires_cam.core, xgrad_cam.core)]
        return [*maps, cells_cam(cut, targets)], cut.cells, kernel_of(params)

    targets = class_weights(jnp.asarray(labels), len(params.card.classes))
    maps, cells, kernel = run(params, preprocess(params, images), targets)
    columns = np.asarray(kernel, np.float64).T[labels]
    expected = np.einsum("b...k,bnk->bn...", np.asarray(cells, np.float64), columns)
    for one in maps:
        check(one, expected, tolerance)


def test_behind_a_mean_over_cells_all_are_class_activation_maps():
    card = Card(tuple("abcde"), image_size=(64, 32))
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), np.uint8)
    check_gap_identities(random_params(card), images, np.array([[4, 0, 1], [2, 2, 3]]), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet10", "squeezenet1_1", "vit_b_32_gap"])
def test_behind_a_mean_over_cells_all_are_class_activation_maps_in_every_family(name):
    params = params_of(name)
    check_gap_identities(params, photos(params), np.array([[6, 0], [2, 3]]), 1e-3)


@pytest.fixture(scope="module")
def smooth_params():
    """A network without kinks, whose finite differences are to be trusted."""
    card = Card(classes=("a", "b", "c"), image_size=(16, 16))
    network = make_network("resnet10", 3, width=4, stem="small", activation=nn.softplus)
    return Params(jax.device_put(random_variables(network, card)), network, card)


@pytest.mark.slow
def test_earlier_stage_equals_finite_differences(smooth_params):
    """Every feature of every cell moved up and down; with a stage in front whose cells are more."""
    image = np.random.default_rng(1).random((16, 16, 3), np.float32)
    cells = np.asarray(jaxcam.features(smooth_params, image, stage="layer3"))
    moves = 0.02 * np.eye(cells.size, dtype=np.float32).reshape(-1, *cells.shape)
    apply = smooth_params.network.apply
    behind = jax.jit(lambda cells: apply(smooth_params.variables, cells, "layer3", method="logits"))
    slopes = np.asarray(behind(cells + moves) - behind(cells - moves), np.float64) / 0.04
    gradients = slopes.T.reshape(3, *cells.shape)
    for name in ("grad_cam", "layer_cam", "hires_cam"):
        expected = np.array([METHODS[name][0](cells, one) for one in gradients])
        check(raw(name, smooth_params, image, [0, 1, 2], stage="layer3"), expected, 0.005)
