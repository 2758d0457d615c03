"""jaxcam.forward: preprocessing against Pillow and NumPy, features and logits against the bare network, mistakes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam import Preprocessing
from jaxcam.forward import forward, preprocess, whole_lengths

PHOTO = np.random.default_rng(0).integers(0, 256, (2, 45, 51, 3), np.uint8)
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
MEAN, STD = np.array(Preprocessing.mean), np.array(Preprocessing.std)


def with_preprocessing(params, **options):
    return params.replace(card=replace(params.card, preprocessing=Preprocessing(**options)))


def pillow_resize(image, size, method):
    """(h, w, 3) in [0, 1], channel by channel in floating point."""
    planes = [Image.fromarray(image[..., k].astype(np.float32)).resize(size[::-1], method) for k in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, lambda images: (images - MEAN) / STD),
        ({"channel_order": "BGR"}, lambda images: (images[..., ::-1] - MEAN) / STD),
        ({"scale": 255.0, "mean": (104.0, 117.0, 123.0), "std": (1.0,)}, lambda images: 255 * images - [104, 117, 123]),
        ({"mean": (0.5,), "std": (0.25,)}, lambda images: (images - 0.5) / 0.25),
    ],
)
def test_preprocessing_equals_pillow_and_numpy(tiny_params, options, expected):
    """The squashed image, antialiased as Pillow does; then (scale * image - mean) / std in the network's order."""
    squashed = np.stack([pillow_resize(image / 255, (32, 32), Image.Resampling.BILINEAR) for image in PHOTO])
    pixels = preprocess(with_preprocessing(tiny_params, **options), PHOTO)
    assert pixels.dtype == jnp.float32
    np.testing.assert_allclose(pixels, expected(squashed), rtol=1e-4, atol=2e-5 * np.abs(pixels).max())


def test_interpolation(tiny_params):
    squashed = np.stack([pillow_resize(image / 255, (32, 32), Image.Resampling.BICUBIC) for image in PHOTO])
    pixels = preprocess(with_preprocessing(tiny_params, interpolation="catmull_rom"), PHOTO)
    np.testing.assert_allclose(pixels, (squashed - MEAN) / STD, atol=2e-5)
    aliased = preprocess(with_preprocessing(tiny_params, antialias=False), PHOTO)
    bilinear = preprocess(tiny_params, PHOTO)
    assert np.abs(aliased - bilinear).max() > 0.1


def test_image_size(tiny_params):
    assert preprocess(tiny_params, PHOTO, image_size=(20, 24)).shape == (2, 20, 24, 3)
    native = preprocess(tiny_params, PHOTO, image_size="native")
    np.testing.assert_allclose(native, (PHOTO / 255 - MEAN) / STD, atol=1e-5)


@pytest.mark.core
def test_features_and_logits_are_the_networks(tiny_params):
    pixels = preprocess(tiny_params, PHOTO)

    @jax.jit
    def run(variables, pixels):
        stages = [tiny_params.network.apply(variables, pixels, stage, method="features") for stage in STAGES]
        return stages, tiny_params.network.apply(variables, pixels)

    stages, (features, logits) = run(tiny_params.variables, pixels)
    np.testing.assert_allclose(jaxcam.logits(tiny_params, PHOTO), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jaxcam.features(tiny_params, PHOTO), features, rtol=1e-5, atol=1e-5)
    for stage, expected in zip(STAGES, stages, strict=True):
        np.testing.assert_allclose(jaxcam.features(tiny_params, PHOTO, stage=stage), expected, rtol=1e-5, atol=1e-5)
    both = forward(tiny_params, PHOTO)
    np.testing.assert_array_equal(both[0], jaxcam.features(tiny_params, PHOTO))
    np.testing.assert_array_equal(both[1], jaxcam.logits(tiny_params, PHOTO))


def test_one_image(tiny_params):
    scores, maps = jaxcam.logits(tiny_params, PHOTO), jaxcam.features(tiny_params, PHOTO, stage="layer2")
    np.testing.assert_allclose(jaxcam.logits(tiny_params, PHOTO[0]), scores[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jaxcam.features(tiny_params, PHOTO[0], stage="layer2"), maps[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "convert, dtype",
    [
        *((np.asarray, dtype) for dtype in (np.uint8, np.float16, np.float32, np.float64, jnp.bfloat16)),
        *((jnp.asarray, dtype) for dtype in (np.uint8, np.float16, np.float32, jnp.bfloat16)),
    ],
)
def test_kinds_of_images(tiny_params, convert, dtype):
    """uint8, and floating point in [0, 1] of any precision, on the host or on the device."""
    images = PHOTO if dtype is np.uint8 else (PHOTO / 255).astype(dtype)
    tolerance = {np.float16: 1e-2, jnp.bfloat16: 5e-2}.get(dtype, 1e-5)
    scores = jaxcam.logits(tiny_params, convert(images))
    assert scores.dtype == jnp.float32
    np.testing.assert_allclose(scores, jaxcam.logits(tiny_params, PHOTO), rtol=tolerance, atol=tolerance)


FLOATS = PHOTO / 255


@pytest.mark.parametrize(
    "images, message",
    [
        (PHOTO[0, 0], r"images: got shape \(51, 3\); give \(b, h, w, 3\) or one \(h, w, 3\)"),
        (PHOTO[None], r"images: got shape \(1, 2, 45, 51, 3\); give \(b, h, w, 3\)"),
        (PHOTO[..., :1], r"images: got shape \(2, 45, 51, 1\); give \(b, h, w, 3\)"),
        (PHOTO.transpose(0, 3, 1, 2), r"images: got shape \(2, 3, 45, 51\); give \(b, h, w, 3\)"),
        (PHOTO[:0], r"images: got shape \(0, 45, 51, 3\)"),
        (PHOTO[:, :0], r"images: got shape \(2, 0, 51, 3\)"),
        (jnp.zeros((2, 8, 8, 4)), r"images: got shape \(2, 8, 8, 4\)"),
        (PHOTO.astype(np.int32), "images: got int32; give uint8 in 0..255 or floating point in"),
        (jnp.zeros((2, 8, 8, 3), bool), "images: got bool; give uint8 in 0..255 or floating point in"),
        (FLOATS + 0.1, "images: got values from 0.1 to 1.1; give floats in"),
        (FLOATS - 0.1, "images: got values from -0.1 to 0.9; give floats in"),
        (
            PHOTO.astype(np.float32),
            r"images: got values from 0.0 to 255.0; give floats in \[0, 1\], or uint8 in 0..255",
        ),
        (np.where(FLOATS > 0.9, np.nan, FLOATS), "images: got values from nan to nan"),
        (np.where(FLOATS > 0.9, np.inf, FLOATS), "images: got values from 0.0 to inf"),
    ],
)
@pytest.mark.parametrize("function", [jaxcam.logits, jaxcam.features, jaxcam.cam])
def test_wrong_images(tiny_params, function, images, message):
    with pytest.raises(ValueError, match=message):
        function(tiny_params, images)


def test_shapes_are_checked_under_jit_and_values_are_not(tiny_params):
    with pytest.raises(ValueError, match=r"images: got shape \(2, 8, 8, 4\)"):
        jax.jit(lambda images: jaxcam.logits(tiny_params, images))(jnp.zeros((2, 8, 8, 4)))
    assert np.isfinite(jaxcam.logits(tiny_params, jnp.asarray(2 * FLOATS, jnp.float32))).all()


@pytest.mark.parametrize("size", [10, (10.5, 12), "ab", (4,), (0, 4), np.array([1.0, 2.0]), None])
def test_what_is_no_size(size):
    assert whole_lengths(size, 2) is None
    assert whole_lengths(np.array([3, 4]), 2) == whole_lengths([3, 4], 2) == (3, 4)


@pytest.mark.parametrize("image_size", ["card", (32,), (32, 32, 3), (0, 32)])
def test_wrong_image_size(tiny_params, image_size):
    with pytest.raises(
        ValueError, match=r'image_size: got .*; give \(height, width\), "native", or None for \(32, 32\)'
    ):
        jaxcam.cam(tiny_params, PHOTO, image_size=image_size)


def test_unknown_stage(tiny_params):
    with pytest.raises(ValueError, match="stage: got 'layer9'; this network has stem, layer1, layer2, layer3, layer4"):
        jaxcam.features(tiny_params, PHOTO, stage="layer9")


def test_means_of_another_number_of_channels(tiny_params):
    params = with_preprocessing(tiny_params, mean=(0.5, 0.5))
    with pytest.raises(ValueError, match="preprocessing: got 2 means and 3 stds for images of 3 channels; give one a"):
        jaxcam.logits(params, PHOTO)
