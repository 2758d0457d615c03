"""Wrappers of map methods against loops over the plain method in NumPy, in each other, and every way to run them."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.methods.crops import ten_crop_cam
from tests.hand_network import hand_params
from tests.hand_network import images_of as hand_images
from tests.reference.resizing import resize
from tests.staged_network import SPACE, images_of, staged_params

pytestmark = pytest.mark.slow

PHOTOS = images_of(4)
LABELS = np.array([[3, 0], [1, 2], [0, 0], [2, 3]])
CANVAS = (10, 17)


@pytest.fixture(scope="module")
def params():
    return staged_params()


def check(maps, expected):
    assert isinstance(maps, jax.Array)
    assert maps.dtype == jnp.float32
    assert maps.shape == expected.shape
    np.testing.assert_allclose(maps, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def resized(maps, size):
    """Maps (..., h, w)."""
    for axis in (-1, -2):
        maps = np.moveaxis(resize(np.moveaxis(maps, axis, 0), size[axis], "bilinear"), 0, axis)
    return maps


@pytest.mark.parametrize("method, size", [(jaxcam.cam, None), (jaxcam.saliency, "cells"), (jaxcam.grad_cam, "cells")])
def test_smoothed_is_the_mean_over_changed_images(params, method, size):
    expected = []
    for fed in (SPACE, (12, 18)):
        for factor in (0.5, 1.0):
            for step in (1, -1):
                changed = (np.float32(factor) * PHOTOS / 255)[:, :, ::step].astype(np.float32)
                maps = np.asarray(method(params, changed, LABELS, size=size, image_size=fed))[..., ::step]
                largest = {jaxcam.saliency: (12, 18)}.get(method, (3, 4))
                expected.append(maps if size is None else resized(maps, largest))
    smooth = jaxcam.smoothed(method, scales=(1, 1.5), intensities=(0.5, 1.0))
    check(smooth(params, PHOTOS, LABELS, size=size), np.mean(expected, axis=0))


def test_smoothed_asks_every_copy_for_the_class_of_the_image(params):
    """Some are darkened so much that their own prediction is another; and a size of the network given is scaled."""
    predicted = np.asarray(jaxcam.logits(params, PHOTOS).argmax(-1))
    dark = np.float32(0.2) * PHOTOS / 255
    assert (predicted != jaxcam.logits(params, dark.astype(np.float32)).argmax(-1)).any()
    smooth = jaxcam.smoothed(jaxcam.cam, intensities=(0.2,))
    check(smooth(params, PHOTOS), np.asarray(smooth(params, PHOTOS, predicted)))
    check(smooth(params, PHOTOS[0]), np.asarray(smooth(params, PHOTOS, predicted))[0])
    doubled = jaxcam.smoothed(jaxcam.cam, flip=False, scales=(2.0,), intensities=(1.0,))
    expected = np.asarray(jaxcam.cam(params, PHOTOS, predicted, image_size=(16, 24)))
    check(doubled(params, PHOTOS, predicted, image_size="native"), expected)


def test_smoothed_signals():
    params, signals = hand_params((6,)), hand_images((6,))
    both = [jaxcam.grad_cam(params, signals, [0, 1, 2]), jaxcam.grad_cam(params, signals[:, ::-1], [0, 1, 2])[:, ::-1]]
    smooth = jaxcam.smoothed(jaxcam.grad_cam, intensities=(1.0,))
    check(smooth(params, signals, [0, 1, 2]), np.mean(both, axis=0))


def test_ten_crop_of_cam_is_ten_crop_cam(params):
    crops = jaxcam.ten_crop(jaxcam.cam)
    expected = np.asarray(ten_crop_cam(params, PHOTOS, top=1, canvas=CANVAS).maps)[:, 0]
    check(crops(params, PHOTOS, canvas=CANVAS), expected)
    check(crops(params, PHOTOS[2], canvas=CANVAS), expected[2])


def test_ten_crop_of_another_method(params):
    """On this head, Grad-CAM before its relu is CAM by a factor, which the maximum takes away; after it, it is not."""
    crops = jaxcam.ten_crop(jaxcam.grad_cam)
    options = {"canvas": CANVAS, "size": (9, 30)}
    expected = np.asarray(ten_crop_cam(params, PHOTOS, LABELS, **options).maps)
    check(crops(params, PHOTOS, LABELS, relu=False, **options), expected)
    assert np.abs(crops(params, PHOTOS, LABELS, **options) - expected).max() > 0.1


@pytest.mark.parametrize("size", [None, "cells"])
def test_multi_stage_is_the_fusion_of_scaled_maps(params, size):
    maps = [np.asarray(jaxcam.hires_cam(params, PHOTOS, LABELS, stage=stage, size=size)) for stage in ("first", None)]
    maps = [resized(one, (4, 6)) if size == "cells" else one for one in maps]
    positive = [np.maximum(one, 0) for one in maps]
    peaks = [one.max(axis=(-2, -1), keepdims=True) for one in positive]
    scaled = [one / np.where(peak > 0, peak, 1) for one, peak in zip(positive, peaks, strict=True)]
    mean = jaxcam.multi_stage(jaxcam.hires_cam, ["first", None])
    check(mean(params, PHOTOS, LABELS, size=size), sum(scaled) / 2)
    largest = jaxcam.multi_stage(jaxcam.hires_cam, ["first", None], fuse="max", gamma=3.0)
    check(largest(params, PHOTOS, LABELS, size=size), np.maximum(*(np.tanh(3 * one) for one in scaled)))


def test_counterfactual_is_of_the_negated_score(params):
    against = jaxcam.counterfactual(jaxcam.cam)
    check(against(params, PHOTOS, LABELS), -np.asarray(jaxcam.cam(params, PHOTOS, LABELS)))
    check(against(params, PHOTOS), -np.asarray(jaxcam.cam(params, PHOTOS)))
    check(against(params, PHOTOS[3], 1), -np.asarray(jaxcam.cam(params, PHOTOS[3], 1)))
    raw = np.asarray(jaxcam.grad_cam(params, PHOTOS, LABELS, stage="first", size="cells", relu=False))
    rectified = jaxcam.counterfactual(jaxcam.grad_cam)(params, PHOTOS, LABELS, stage="first", size="cells")
    check(rectified, np.maximum(-raw, 0))
    check(jaxcam.counterfactual(against)(params, PHOTOS, LABELS), np.asarray(jaxcam.cam(params, PHOTOS, LABELS)))


def test_contrastive_is_of_the_difference_of_scores(params):
    maps = np.asarray(jaxcam.cam(params, PHOTOS, np.tile(np.arange(4), (4, 1))))
    every, rather = np.arange(4), jaxcam.contrastive(jaxcam.cam)
    one, other = maps[every, LABELS[:, 0]], maps[every, LABELS[:, 1]]
    many = np.stack([one, other], axis=1)
    check(rather(params, PHOTOS, LABELS[:, 0], against=LABELS[:, 1]), one - other)
    check(rather(params, PHOTOS, LABELS, against=LABELS[:, ::-1]), many - many[:, ::-1])
    check(rather(params, PHOTOS, LABELS, against=LABELS[:, 0]), many - one[:, None])
    check(rather(params, PHOTOS, LABELS[:, 1], against=LABELS), other[:, None] - many)
    check(rather(params, PHOTOS[1], 1, against=3), maps[1, 1] - maps[1, 3])
    check(rather(params, PHOTOS[1], 1, against=[3, 0]), maps[1, 1][None] - maps[1, [3, 0]])
    half = np.full((4, 4), 0.25, np.float32)
    check(rather(params, PHOTOS, LABELS[:, 0], against=half), one - maps.mean(axis=1))


def test_contrastive_stands_against_the_highest_other_class(params):
    rather, scores = jaxcam.contrastive(jaxcam.cam), np.asarray(jaxcam.logits(params, PHOTOS))
    order = np.argsort(-scores, axis=1)
    expected = np.asarray(rather(params, PHOTOS, order[:, 0], against=order[:, 1]))
    check(rather(params, PHOTOS), expected)
    check(rather(params, PHOTOS[0]), expected[0])
    # Against the first of all, but for itself.
    others = np.where(order[:, :1] == LABELS, order[:, 1:2], order[:, :1])
    check(rather(params, PHOTOS, LABELS), np.asarray(rather(params, PHOTOS, LABELS, against=others)))
    assert np.isnan(rather(params, PHOTOS, np.ones((4, 4), np.float32))).all()


WRAPPED = {
    "smoothed": (jaxcam.smoothed(jaxcam.grad_cam, intensities=(1.0,)), {"stage": "first"}),
    "ten_crop": (jaxcam.ten_crop(jaxcam.grad_cam), {"canvas": CANVAS}),
    "multi_stage": (jaxcam.multi_stage(jaxcam.layer_cam, ["first", "second"], fuse="max"), {}),
    "counterfactual": (jaxcam.counterfactual(jaxcam.grad_cam), {"relu": False}),
    "contrastive": (jaxcam.contrastive(jaxcam.grad_cam), {}),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_every_way_to_run_it(params, name):
    """Mapped over images and compiled, one label at a time; and NaN for the label alone that is out of range."""
    method, options = WRAPPED[name]
    expected = np.asarray(method(params, PHOTOS, LABELS, **options))
    labels = jnp.asarray(LABELS).at[1, 1].set(-1)
    found = jax.jit(jax.vmap(lambda image, row: method(params, image, row, **options)))(PHOTOS, labels)
    wrong = np.isnan(found)
    np.testing.assert_array_equal(wrong, np.broadcast_to((labels == -1)[..., None, None], wrong.shape))
    check(jnp.where(wrong, expected, found), expected)
    check(method(params, PHOTOS, LABELS[:, 0], **options), expected[:, 0])


def test_they_go_into_each_other(params):
    """Linear ones in any order, and the options of all are passed on."""
    smoothed, rather, against, crops = jaxcam.smoothed, jaxcam.contrastive, jaxcam.counterfactual, jaxcam.ten_crop
    expected = np.asarray(smoothed(jaxcam.cam)(params, PHOTOS, LABELS))
    check(smoothed(against(jaxcam.cam))(params, PHOTOS, LABELS), -expected)
    check(against(smoothed(jaxcam.cam))(params, PHOTOS, LABELS), -expected)
    others = LABELS[:, ::-1]
    differences = expected - expected[:, ::-1]
    check(smoothed(rather(jaxcam.cam))(params, PHOTOS, LABELS, against=others), differences)
    check(rather(smoothed(jaxcam.cam))(params, PHOTOS, LABELS, against=others), differences)
    inside = crops(rather(jaxcam.cam))(params, PHOTOS, LABELS, against=others, canvas=CANVAS)
    check(rather(crops(jaxcam.cam))(params, PHOTOS, LABELS, against=others, canvas=CANVAS), np.asarray(inside))
    every = jaxcam.multi_stage(smoothed(against(jaxcam.grad_cam), intensities=(1.0,)), ["first", "second"])
    assert every(params, PHOTOS[0], 1).shape == SPACE
    assert every.__name__ == "multi_stage(smoothed(counterfactual(grad_cam)))"


def test_derivatives_pass_through(params):
    """In the images, against finite differences."""
    method = jaxcam.smoothed(jaxcam.counterfactual(jaxcam.hires_cam), intensities=(0.9, 1.0))
    image, step = jnp.asarray(PHOTOS[0] / 255, jnp.float32), 1e-2

    def peak(image):
        return method(params, image, 1, size="cells")[1, 2]

    run = jax.jit(jax.value_and_grad(peak))
    direction = np.random.default_rng(0).normal(size=image.shape).astype(np.float32) / 10
    slope = (run(image + step * direction)[0] - run(image - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(np.vdot(run(image)[1], direction), slope, rtol=1e-3)


def test_their_face_is_that_of_the_method():
    def plain(params, images, labels=None, **options):
        """Whatever."""

    for name, (method, _) in WRAPPED.items():
        inner = jaxcam.layer_cam if name == "multi_stage" else jaxcam.grad_cam
        own = {"ten_crop": {"canvas"}, "contrastive": {"against"}}.get(name, set())
        lost = {"stage"} if name == "multi_stage" else set()
        assert method.__name__ == f"{name}({inner.__name__})"
        assert {*inspect.signature(method).parameters} == {*inspect.signature(inner).parameters, *own} - lost
        assert inspect.getdoc(inner) in method.__doc__
    assert [*inspect.signature(jaxcam.smoothed(plain)).parameters] == ["params", "images", "labels", "options"]
    assert [*inspect.signature(jaxcam.multi_stage(plain, ["x"])).parameters][-1] == "options"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: jaxcam.smoothed(jaxcam.cam, scales=()), r"scales: got \(\); give factors above 0"),
        (lambda: jaxcam.smoothed(jaxcam.cam, intensities=(1, 0)), r"intensities: got \(1.0, 0.0\); give factors"),
        (lambda: jaxcam.multi_stage(jaxcam.grad_cam, []), r"stages: got \[\]; give a list of at least one"),
        (lambda: jaxcam.multi_stage(jaxcam.grad_cam, "first"), "stages: got 'first'; give a list"),
        (lambda: jaxcam.multi_stage(jaxcam.grad_cam, ["first"], fuse="sum"), "fuse: got 'sum'; use mean or max"),
        (lambda: jaxcam.multi_stage(jaxcam.cam, ["first"]), "method: got cam, which looks at no stage of one's choice"),
    ],
)
def test_mistakes_when_made(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "method, options, message",
    [
        (jaxcam.smoothed(jaxcam.cam), {"image_size": (3,)}, r"image_size: got \(3,\); give \(height, width\)"),
        (jaxcam.smoothed(jaxcam.cam), {"labels": [0, 1]}, r"labels: got shape \(2,\) for a batch of 4 images"),
        (jaxcam.ten_crop(jaxcam.cam), {"canvas": (3, 3)}, r"canvas: got \(3, 3\) for crops of \(8, 12\)"),
        (jaxcam.ten_crop(jaxcam.cam), {"size": "cells"}, "size: got 'cells'; give .* of at least 1, or None"),
        (jaxcam.multi_stage(jaxcam.grad_cam, ["third"]), {}, "stage: got 'third'; this network has first, second"),
        (jaxcam.counterfactual(jaxcam.cam), {"labels": [0, 1, 2, 4]}, "labels: got classes from 0 to 4"),
        (jaxcam.contrastive(jaxcam.cam), {"against": [0, 1, 2, 4]}, "labels: got classes from 0 to 4"),
        (
            jaxcam.contrastive(jaxcam.cam),
            {"labels": LABELS, "against": np.zeros((4, 3), int)},
            "against: got 3 classes an image for 2 labels; give as many, or one",
        ),
    ],
)
def test_mistakes_when_called(params, method, options, message):
    with pytest.raises(ValueError, match=message):
        method(params, PHOTOS, **options)
