"""Receptive fields: published ones, those of a recurrence, and what derivatives say of cells one by one."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.applications.receptive_fields import ReceptiveField, _fields, receptive_field
from jaxcam.networks.layers import SqueezeExcitation, depthwise, max_pool
from jaxcam.params import Params, default_card, make_network, network_shapes

POOL2, CONV3 = (2, 2, 0), (3, 1, 1)


def shapes_of(name, **options):
    """Params of which nothing but the shapes is known."""
    network, card = make_network(name, 5, **options), default_card(name, ())
    return Params(network_shapes(network, card), network, card)


def made(features, size=(24, 20)):
    return jaxcam.from_functions(features, lambda _, cells: cells.mean((1, 2)), card=jaxcam.Card(image_size=size))


def recurrence(layers):
    """Size, stride and offset of a chain of (window, stride, padding)."""
    size, stride, offset = 1, 1, 0
    for window, step, padding in layers:
        size, offset, stride = size + (window - 1) * stride, offset - padding * stride, stride * step
    return ReceptiveField((size,) * 2, (stride,) * 2, (offset,) * 2)


def basic_blocks(count):
    """The longer way through the stages of a residual network."""
    return [(3, 1, 1)] * 2 * count + [layer for _ in range(3) for layer in ((3, 2, 1), *[CONV3] * (2 * count - 1))]


VGG16 = [layer for count in (2, 2, 3, 3, 3) for layer in (*[CONV3] * count, POOL2)]
ALEXNET = [(11, 4, 2), (3, 2, 0), (5, 1, 2), (3, 2, 0), CONV3, CONV3, CONV3, (3, 2, 0)]
STEM = [(7, 2, 3), (3, 2, 1)]


@pytest.mark.parametrize(
    "name, stage, size, layers",
    [
        ("vgg16", None, 212, VGG16),
        ("vgg16", "conv5_3", 196, VGG16[:-1]),
        ("alexnet_torchvision", None, 195, ALEXNET),
        ("alexnet", None, 195, [(11, 4, 0), *ALEXNET[1:]]),
        ("resnet18", None, 435, STEM + basic_blocks(2)),
    ],
)
def test_chains_of_layers(name, stage, size, layers):
    """The sizes of VGG16 and AlexNet are those of Araujo et al.'s table."""
    found = receptive_field(shapes_of(name), stage=stage)
    assert found == recurrence(layers)
    assert found.size == (size, size)
    assert not found.whole_image


@pytest.mark.slow
@pytest.mark.parametrize("name, size", [("inception_v3", 1311), ("resnet50", 427), ("densenet121", 2071)])
def test_branches_and_shortcuts(name, size):
    """Inception's is in the same table; a ResNet-50 with its stride on the 3x3 convolutions sees less than there."""
    assert receptive_field(shapes_of(name)).size == (size, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small_gap", "vit_b_32_gap", "vit_b_32"])
def test_networks_with_global_operations(name):
    found = receptive_field(shapes_of(name))
    assert found == ReceptiveField((224, 224), (0, 0), (0, 0))
    assert found.whole_image
    assert str(found) == "the whole image (224 x 224 pixels)"
    assert found.box((3, 2)) == (0, 0, 224, 224)


def odd_features(weights, images):
    """All kinds of layers, with windows and strides of their own along each axis."""
    x = jax.lax.conv_general_dilated(
        images,
        weights["first"],
        (2, 1),
        [(1, 0), (2, 1)],
        rhs_dilation=(1, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    x = jnp.tanh(x)
    shuffled = x.reshape(*x.shape[:3], 2, 2).swapaxes(3, 4).reshape(x.shape)
    left, right = jnp.split(shuffled, 2, axis=-1)
    how = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": 2}
    left = depthwise(left, weights["depthwise"], (1, 1), ((1, 1), (1, 1)), **how)
    right = max_pool(jnp.flip(right, -1), 3, 1, padding=1)
    x = jnp.concatenate([left, right], axis=-1)
    skipped = x[:, ::2, 1::2]
    pooled = max_pool(x, 2, 2, ceil=True)[:, : skipped.shape[1], : skipped.shape[2]]
    return jnp.einsum("byxk,kj->byxj", skipped + pooled, weights["last"], precision="highest")


def test_cells_see_what_their_derivatives_say():
    """Each cell of a network, at the borders too, beside the pixels that move it in any of many random images."""
    random, size = np.random.default_rng(0), (24, 20)
    shapes = {"first": (3, 3, 3, 4), "depthwise": (3, 3, 1, 2), "last": (4, 2)}
    weights = {name: jnp.asarray(random.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    params = made(odd_features, size).replace(variables=weights)
    images = random.normal(size=(60, *size, 3)).astype(np.float32)
    slopes = jax.jit(jax.vmap(jax.jacrev(lambda image: odd_features(weights, image[None])[0].sum(-1))))(images)
    moved = np.any(np.asarray(slopes) != 0, axis=(0, -1))  # (y, x, h, w)
    for axis, (low, high) in enumerate(_fields(params, None, size)):
        seen = moved.any(axis=3 - axis).any(axis=1 - axis)
        np.testing.assert_array_equal(low, seen.argmax(1))
        np.testing.assert_array_equal(high, size[axis] - 1 - seen[:, ::-1].argmax(1))
    field = receptive_field(params)
    assert (field.size, field.stride) == ((9, 8), (4, 2))
    middle = field.box((3, 4))
    assert (middle[0], middle[2] - 1) == tuple(ends[4] for ends in _fields(params, None, size)[1])
    assert (middle[1], middle[3] - 1) == tuple(ends[3] for ends in _fields(params, None, size)[0])


def gates(_, images):
    layer = SqueezeExcitation(2)
    blocks = max_pool(images, 16, 16)
    return layer.apply(layer.init(jax.random.key(0), blocks), blocks)


def attention(_, images):
    tokens = max_pool(images, 16, 16)
    rows = tokens.reshape(tokens.shape[0], -1, 3)
    weights = jax.nn.softmax(jnp.einsum("bpk,bqk->bpq", rows, rows))
    return jnp.einsum("bpq,bqk->bpk", weights, rows).reshape(tokens.shape)


@pytest.mark.parametrize("features", [gates, attention])
def test_global_operations(features):
    assert receptive_field(made(features, (48, 32))) == ReceptiveField((48, 32), (0, 0), (0, 0))


def test_an_axis_may_be_seen_whole():
    field = receptive_field(made(lambda _, images: images[:, ::2] + images.mean(2, keepdims=True)[:, ::2]))
    assert field == ReceptiveField((1, 20), (2, 0), (0, 0))
    assert field.box((5, 7)) == (0, 10, 20, 11)
    assert str(field) == "20 x 1 pixels"


def test_a_network_of_one_size_is_looked_at_in_it():
    def fixed(_, images):
        return max_pool(images.reshape(1, 24, 20, 3), 4, 4)

    assert receptive_field(made(fixed)) == ReceptiveField((4, 4), (4, 4), (0, 0))


def uneven_means(_, images):
    """Seven windows cover the rows, some of them one longer than others."""
    ends = [number * images.shape[1] / 7 for number in range(8)]
    windows = (images[:, int(start) : math.ceil(end)] for start, end in pairwise(ends))
    return jnp.stack([window.mean(1) for window in windows], axis=1)


def test_mistakes():
    with pytest.raises(ValueError, match=r"fc6 gives .*, which has no cells"):
        receptive_field(shapes_of("alexnet"), stage="fc6")
    with pytest.raises(ValueError, match="stage: got 'conv9'; this network has conv1"):
        receptive_field(shapes_of("alexnet"), stage="conv9")
    with pytest.raises(ValueError, match="it has the operation 'sort', of which is not known"):
        receptive_field(made(lambda _, images: jnp.sort(images, axis=1)))
    with pytest.raises(ValueError, match="it has the operation 'scan', of which is not known"):
        receptive_field(made(lambda _, images: jax.lax.scan(lambda one, row: (one + row, one), images[0], images)[1]))
    with pytest.raises(ValueError, match=r"its cells see \d+ to \d+ pixels, .* only cells on a regular grid"):
        receptive_field(made(uneven_means))
    with pytest.raises(ValueError, match="depend on no pixel"):
        receptive_field(made(lambda _, images: jnp.zeros_like(images)))
