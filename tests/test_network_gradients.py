"""The smallest network of each family: its gradients, and that `cam` lowers for accelerators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from tests.families import SMALLEST, SMALLEST_WITHOUT_KERNEL, params_of, photos, slow_unless

# Where the smallest network of a family comes in two forms, the one that ends in global average pooling is slow.
SECOND = {f"{name}_gap" for name in SMALLEST_WITHOUT_KERNEL}
EVERY = (*SMALLEST, *SMALLEST_WITHOUT_KERNEL)


@pytest.mark.parametrize("name", slow_unless({*EVERY} - SECOND, EVERY))
def test_gradients(name):
    """Of the top score, by the image and by every weight: there, finite, and as a difference quotient says."""
    # In some draws all of a ReLU's few inputs are negative, or a bend lies between the quotient's points.
    params = params_of(name, seed=2)
    pixels = jnp.asarray(photos(params, count=1), jnp.float32) / 255

    weights, statistics = params.variables["params"], {**params.variables, "params": None}

    @jax.jit
    def score_and_gradients(weights, pixels):
        def score(weights, pixels):
            return jaxcam.logits(params.replace(variables={**statistics, "params": weights}), pixels).max()

        return jax.value_and_grad(score, (0, 1))(weights, pixels)

    value, (by_weights, by_pixels) = score_and_gradients(weights, pixels)
    by_weights, gradient = jax.device_get((by_weights, by_pixels))  # whose every shape JAX would compile for
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((by_weights, gradient)))
    idle = [path for path, leaf in jax.tree_util.tree_leaves_with_path(by_weights) if not leaf.any()]
    assert not idle
    slope = jnp.linalg.norm(by_pixels)
    step = by_pixels / slope * (0.003 * jnp.abs(value) / slope)  # should move the score by this share of it
    above, _ = score_and_gradients(weights, pixels + step)
    below, _ = score_and_gradients(weights, pixels - step)
    np.testing.assert_allclose(above - below, 0.006 * jnp.abs(value), rtol=0.1)


@pytest.mark.parametrize("name", slow_unless({"resnet10", "vit_b_32_gap"}, SMALLEST))
def test_cam_lowers_for_accelerators(name):
    """What fails on a TPU or a GPU for its operations fails here, without one."""
    params = params_of(name)
    images = jax.ShapeDtypeStruct((2, 64, 48, 3), jnp.uint8)
    labels = jax.ShapeDtypeStruct((2, 3), jnp.int32)
    variables = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params.variables)

    @jax.jit
    def cam(variables, images, labels):
        return jaxcam.cam(params.replace(variables=variables), images, labels)

    exported = jax.export.export(cam, platforms=["tpu", "cuda"])(variables, images, labels)
    assert exported.platforms == ("tpu", "cuda")
    assert [output.shape for output in exported.out_avals] == [(2, 3, 64, 48)]
