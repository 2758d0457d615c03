"""Images on a mesh whose axes are explicit, as `jax.make_mesh` makes them by default: maps, boxes and explanations."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxcam

IMAGES = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
LABELS = np.array([[3, 1], [0, 4], [2, 2], [4, 0]])


@pytest.fixture(scope="module")
def params():
    params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    return params.replace(card=replace(params.card, image_size=(48, 48)))


def boxes(rule, params, images, labels):
    threshold = {"release": None, "wsol": jnp.float32(0.3)}.get(rule, 0.2)
    return jaxcam.boxes(jaxcam.cam(params, images, labels), rule=rule, threshold=threshold)


CALLS = {
    "cam": jaxcam.cam,
    "weighted": lambda params, images, labels: jaxcam.cam(params, images, jax.nn.one_hot(labels, 5)),
    "predicted": lambda params, images, labels: jaxcam.cam(params, images),
    "grad_cam": jaxcam.grad_cam,
    "saliency": jaxcam.saliency,
    "score_cam": jaxcam.score_cam,
    "jit": jax.jit(jaxcam.cam),
    "gradient": lambda params, images, labels: jax.grad(lambda pixels: jaxcam.cam(params, pixels, labels).mean())(
        images.astype(jnp.float32) / 255
    ),
    "paper": partial(boxes, "paper"),
    "wsol": partial(boxes, "wsol"),
    "release": partial(boxes, "release"),
    "explain": lambda params, images, labels: jaxcam.explain(params, images, top=2).boxes,
}


@pytest.fixture
def mesh():
    return jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("together", [True, False])  # the labels and parameters lie on the mesh too
def test_within_the_mesh(mesh, params, name, together):
    expected = CALLS[name](params, IMAGES, LABELS)
    with jax.set_mesh(mesh):
        over, on_all = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
        labels, own = (jax.device_put(LABELS, over), jax.device_put(params, on_all)) if together else (LABELS, params)
        found = CALLS[name](own, jax.device_put(IMAGES, over), labels)
    assert found.sharding.spec[0] == "data"
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("release", "gradient")])
def test_outside_of_it(mesh, params, name):
    """JAX finds the mesh by its arrays, but for calls of the host's code and for gradients."""
    images = jax.device_put(IMAGES, NamedSharding(mesh, PartitionSpec("data")))
    np.testing.assert_allclose(
        CALLS[name](params, images, LABELS), CALLS[name](params, IMAGES, LABELS), rtol=1e-5, atol=1e-5
    )
