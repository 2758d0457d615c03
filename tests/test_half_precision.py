"""Params in bfloat16: the network computes in it, and everything around the network stays float32."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.faithfulness.sanity import randomized
from jaxcam.methods.table import METHODS
from tests.families import params_of, photos, slow_unless
from tests.small_classifier import small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

# Of each kind of layers and of heads one.
NAMES = (
    "alexnet",
    "convnext_tiny_gap",
    "densenet121",
    "efficientnet_b0",
    "googlenet_gap",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "nin",
    "resnet10",
    "vit_b_32",
)


def apart(found, expected):
    """The largest difference, as a share of the largest value."""
    return np.abs(np.asarray(found, np.float32) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", slow_unless(("mobilenet_v2", "resnet10"), NAMES))
def test_networks_compute_in_bfloat16(name):
    drawn = params_of(name)
    # As drawn, some would tell a rounded image from the image.
    params = jaxcam.init(drawn.network, jax.random.key(0), card=drawn.card)
    halves, images = params.astype("bfloat16"), photos(params)
    features = jaxcam.features(halves, images)
    stages = [jax.eval_shape(partial(jaxcam.features, stage=stage), halves, images) for stage in params.network.stages]
    assert {features.dtype, *(stage.dtype for stage in stages)} == {jnp.dtype("bfloat16")}
    assert 0 < apart(features, jaxcam.features(params, images)) < 0.03
    scores = jaxcam.logits(halves, images)
    assert scores.dtype == jnp.float32
    assert 0 < apart(scores, jaxcam.logits(params, images)) < 0.03


@pytest.mark.parametrize("name", ["cam", "grad_cam", "full_grad", "saliency"])
def test_maps_are_float32_and_much_the_same(name):
    params = params_of("resnet10")
    images, labels = photos(params), jnp.array([[1, 0], [2, 4]])
    found, expected = (np.asarray(METHODS[name](of, images, labels)) for of in (params.astype("bfloat16"), params))
    assert found.dtype == np.float32
    for one, other in zip(found.reshape(4, -1), expected.reshape(4, -1), strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.9


def test_statistics_and_what_is_no_weight_stay():
    params = small_params(normalized=True)
    halves = params.astype("bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(halves.variables["params"])} == {jnp.dtype("bfloat16")}
    assert halves.variables["batch_stats"] is params.variables["batch_stats"]
    assert (halves.network, halves.card) == (params.network, params.card)


def test_a_network_with_random_weights_computes_in_the_same():
    halves = params_of("resnet10").astype("bfloat16")
    random = randomized(halves, jax.random.key(0), stage="layer4")
    assert jax.tree.map(jnp.result_type, random.variables) == jax.tree.map(jnp.result_type, halves.variables)


def test_a_checkpoint_loads_as_float32(tmp_path):
    halves = jaxcam.init("resnet10", jax.random.key(0), num_classes=2, width=8, stem="small").astype("bfloat16")
    jaxcam.save(halves, tmp_path / "halves")
    loaded = jaxcam.load(tmp_path / "halves")
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded)} == {jnp.dtype("float32")}
    again = loaded.astype("bfloat16")
    pairs = zip(jax.tree.leaves(again), jax.tree.leaves(halves), strict=True)
    assert all(np.array_equal(found, saved) for found, saved in pairs)


def test_gradients_reach_float32_images():
    params = params_of("resnet10").astype("bfloat16")
    gradient = jax.grad(lambda images: jaxcam.logits(params, images).sum())(jnp.full((1, 64, 64, 3), 0.5))
    assert gradient.dtype == jnp.float32
    assert np.abs(gradient).max() > 0


def test_refused():
    for dtype in ("int8", "bf16"):
        with pytest.raises(ValueError, match=rf"dtype: got {dtype!r}; use float32, bfloat16, float16"):
            small_params().astype(dtype)
    functions = jaxcam.from_functions(lambda _, images: images, lambda _, features: features)
    with pytest.raises(ValueError, match=r"params: got a network of type Functions; functions of one's own compute"):
        functions.astype("bfloat16")
