"""The smallest network of each family: its gradients, and that `cam` lowers for accelerators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from tests.families import SMALLEST, SMALLEST_WITHOUT_KERNEL, params_of, photos

# Every kind of block and of step between stages, once or twice; a family not named here is as short as it gets.
SHORT = {
    "alexnet": {"width": 64},
    "convnext_tiny_gap": {"blocks": (1, 2)},
    "densenet121": {"blocks": (2, 1, 1, 1)},
    "efficientnet_b0": {"depth": 0.3, "stages": "stem stage1 stage2 stage3 last"},
    "googlenet_gap": {"stages": "conv1 pool1 conv2 pool2 inception_3a cam_conv"},
    "googlenet_torchvision": {"stages": "conv1 pool1 conv2 pool2 inception_3a pool4"},
    "inception_v3": {"stages": "conv_1a conv_2a pool_3a conv_3b pool_5a mixed_5b mixed_6a mixed_6b mixed_7a mixed_7b"},
    "mobilenet_v2": {"stages": "stem block1 block2 block3 last"},
    "mobilenet_v3_small_gap": {"stages": "stem block1 block2 block3 block4 last"},
    "regnet_y_400mf": {"depth": 5, "slope": 90.0, "stages": "stem stage1 stage2"},
    "shufflenet_v2_x0_5": {"stages": "stem stage2 conv5"},
    "squeezenet1_1": {"stages": "conv1 pool1 fire2 pool3 fire4 conv10"},
    "vgg11_gap": {"stages": "conv1_1 pool1 conv2_1 pool2 conv3_1 conv3_2 cam_conv"},
    "vit_b_32_gap": {"depth": 2},
}
QUICK = {name: SHORT.get(name, {}) for name in (*SMALLEST, "alexnet")}
# A family whose smallest network comes in two forms is whole with the other one.
WHOLE = {
    name.removesuffix("_gap") if name.removesuffix("_gap") in SMALLEST_WITHOUT_KERNEL else name for name in SMALLEST
}
WHOLE = sorted(WHOLE - {name for name, options in QUICK.items() if not options})


@pytest.mark.parametrize(
    "name, options",
    [*QUICK.items(), *(pytest.param(name, {}, marks=pytest.mark.slow) for name in WHOLE)],
    ids=lambda value: value if isinstance(value, str) else "short" if value else "whole",
)
def test_gradients(name, options):
    """Of the top score, by the image and by every weight: there, finite, and as a difference quotient says."""
    # In some draws all of a ReLU's few inputs are negative, or a bend lies between the quotient's points.
    params = params_of(name, seed=2, **options)
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


@pytest.mark.parametrize(
    "name, options",
    [("vit_b_32_gap", SHORT["vit_b_32_gap"]), *(pytest.param(name, {}, marks=pytest.mark.slow) for name in SMALLEST)],
    ids=lambda value: value if isinstance(value, str) else "short" if value else "whole",
)
def test_cam_lowers_for_accelerators(name, options):
    """What fails on a TPU or a GPU for its operations fails here, without one."""
    params = params_of(name, **options)
    images = jax.ShapeDtypeStruct((2, 64, 48, 3), jnp.uint8)
    labels = jax.ShapeDtypeStruct((2, 3), jnp.int32)
    variables = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params.variables)

    @jax.jit
    def cam(variables, images, labels):
        return jaxcam.cam(params.replace(variables=variables), images, labels)

    exported = jax.export.export(cam, platforms=["tpu", "cuda"])(variables, images, labels)
    assert exported.platforms == ("tpu", "cuda")
    assert [output.shape for output in exported.out_avals] == [(2, 3, 64, 48)]
