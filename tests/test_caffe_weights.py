"""Caffe's networks under their published layer names, imported: logits as a NumPy restatement of Caffe's layers has."""

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import CAFFE as CAFFE_PREPROCESSING
from jaxcam.params import default_card, make_network, sample_pixels
from jaxcam.weights.caffe import CAFFE
from jaxcam.weights.rules import Source, convert
from tests.reference import caffe_layers as published
from tests.reference import caffe_networks as plain
from tests.reference.caffemodel import caffemodel, random_layers

HEAD = ["head/classifier/bias", "head/classifier/kernel"]
NEW = ["backbone/cam_conv/bias", "backbone/cam_conv/kernel", *HEAD]

# Published file -> its layers, the network that reads it, options that it asks for, leaves that stay fresh.
FILES = {
    "imagenet_googlenetCAM": (published.googlenet_cam(1000), "googlenet_gap", {"cam_groups": 2}, []),
    "imagenet_googlenetCAM, pooled by max": (published.googlenet_cam(1000), "googlenet_gmp", {"cam_groups": 2}, []),
    "googlenetCAM without groups": (published.googlenet_cam(1000, 1), "googlenet_gap", {"cam_groups": 1}, []),
    "places_googlenetCAM": (published.googlenet_cam(205), "googlenet_gap", {"cam_groups": 2}, []),
    "vgg16CAM": (published.VGG16_CAM, "vgg16_gap", {"cam_groups": 2}, []),
    "alexnetplusCAM_imagenet": (published.alexnet_plus_cam(1000), "alexnet_plus_gap", {"order": "pool_norm"}, []),
    "alexnetplusCAM_places205": (published.alexnet_plus_cam(205), "alexnet_plus_gap", {"order": "pool_norm"}, []),
    "bvlc_googlenet": (published.BVLC_GOOGLENET, "googlenet", {}, []),
    "bvlc_googlenet as a start": (published.BVLC_GOOGLENET, "googlenet_gap", {}, NEW),
    "bvlc_googlenet as a start, max": (published.BVLC_GOOGLENET, "googlenet_gmp", {}, NEW),
    "bvlc_alexnet": (published.BVLC_ALEXNET, "alexnet", {"order": "norm_pool"}, []),
    "bvlc_alexnet as a start": (published.BVLC_ALEXNET, "alexnet_gap", {"order": "norm_pool"}, NEW),
    "bvlc_reference_caffenet": (published.CAFFENET, "alexnet", {"order": "pool_norm"}, []),
    "bvlc_reference_caffenet as a start": (published.CAFFENET, "alexnet_gap", {"order": "pool_norm"}, NEW),
    "VGG_ILSVRC_16_layers": (published.VGG16, "vgg16", {}, []),
    "VGG_ILSVRC_16_layers as a start": (published.VGG16, "vgg16_gap", {}, NEW),
    "nin_imagenet": (published.NIN, "nin", {}, []),
}


def source_of(layers):
    """Arrays of the published shapes that take no memory."""
    arrays = {}
    for name, shape in layers:
        if shape is not None:
            arrays[f"{name}.weight"] = np.broadcast_to(np.float32(1), shape)
            arrays[f"{name}.bias"] = np.broadcast_to(np.float32(1), shape[:1])
    return Source(arrays, layers=tuple(name for name, _ in layers))


@pytest.mark.parametrize("layers, network, options, fresh", FILES.values(), ids=FILES)
def test_published_names_and_shapes_fit(layers, network, options, fresh):
    source = source_of(layers)
    assert CAFFE[network].options(source) == options
    classes = dict(layers).get("CAM_fc", dict(layers).get("fc9", (1000,)))[0]
    module = make_network(network, classes, **options)
    shapes = jax.eval_shape(module.init, jax.random.key(0), sample_pixels(default_card(network, ("any",))))
    converted = convert(source, CAFFE[network], shapes)
    assert [path.partition("/")[2] for path in converted.fresh] == fresh
    assert len(converted.leaves) == len(jax.tree.leaves(shapes)) - len(fresh)


def test_every_network_has_a_published_file():
    assert {network for _, network, _, _ in FILES.values()} == set(CAFFE)


def narrow(layers, width=6):
    """The layers with fc6 and fc7 of few outputs."""
    changed = {"fc6": (width, 9216), "fc7": (width, width), "fc8": (1000, width)}
    return [(name, changed.get(name, shape)) for name, shape in layers]


def as_stages(layers):
    """Caffe's weights under the names that the NumPy networks give them."""
    renamed = {
        "conv1/7x7_s2": "conv1",
        "conv2/3x3_reduce": "conv2_reduce",
        "conv2/3x3": "conv2",
        "CAM_conv": "cam_conv",
        **dict.fromkeys(("CAM_fc", "loss3/classifier", "fc8", "fc9"), "classifier"),
        **{f"{name}-1024": name for name in ("conv4", "cccp7", "cccp8")},
    }
    return {renamed.get(name, name): arrays for name, arrays in layers if arrays}


# Network -> a published file, how it is written, the size of the images, and the plain backbone and head.
IMPORTED = {
    "googlenet_gap": ("imagenet_googlenetCAM", {"version": 2}, (75, 53), plain.googlenet, plain.pooled_linear),
    "googlenet": ("bvlc_googlenet", {"version": 2, "legacy": True}, (75, 53), plain.googlenet, plain.pooled_linear),
    "alexnet_plus_gap": (
        "alexnetplusCAM_places205",
        {"version": 1, "legacy": True},
        (131, 99),
        lambda weights, x: plain.alexnet(weights, x, pool5=1),
        plain.pooled_linear,
    ),
    "alexnet": (
        "bvlc_alexnet",
        {"version": 1, "legacy": True},
        (227, 227),
        lambda weights, x: plain.alexnet(weights, x, order="norm_pool"),
        plain.fully_connected,
    ),
    "vgg16_gap": ("vgg16CAM", {"version": 1, "legacy": True}, (43, 37), plain.vgg, plain.pooled_linear),
    "nin": ("nin_imagenet", {"version": 1, "legacy": True}, (107, 83), plain.nin, plain.pooled),
}
MARKS = {"alexnet_plus_gap": [pytest.mark.core], "googlenet": [pytest.mark.slow], "vgg16_gap": [pytest.mark.slow]}
NARROW = {"alexnet": {"width": 6}}


@pytest.mark.parametrize("network", [pytest.param(name, marks=MARKS.get(name, ())) for name in IMPORTED])
def test_imported_network_equals_numpy(network, tmp_path):
    name, version, size, backbone, head = IMPORTED[network]
    shapes, _, options, _ = FILES[name]
    layers = random_layers(narrow(shapes) if network in NARROW else shapes)
    path = tmp_path / f"{name}.caffemodel"
    path.write_bytes(caffemodel(layers, **version))
    params, report = jaxcam.import_weights(path, network, **NARROW.get(network, {}))
    assert (report["origin"], report["source"], report["fresh"]) == ("caffe", path.name, [])
    assert params.card.preprocessing == CAFFE_PREPROCESSING
    assert all(getattr(params.network.backbone, option) == value for option, value in options.items())
    images = np.random.default_rng(0).normal(0, 70, (1, *size, 3)).astype(np.float32)
    weights = as_stages(layers)
    expected = list(backbone(weights, images.transpose(0, 3, 1, 2)).values())[-1]
    features, logits = jax.jit(params.network.apply)(params.variables, images)
    assert_close(features.transpose(0, 3, 1, 2), expected)
    assert_close(logits, head(weights, expected)["logits"])


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_classes_are_named(tmp_path):
    """By the number of scores: ILSVRC's by default, the 205 scenes, or one's own and a fresh classifier."""
    path = tmp_path / "places.caffemodel"
    path.write_bytes(caffemodel(random_layers(published.alexnet_plus_cam(205))))
    scenes, _ = jaxcam.import_weights(path, "alexnet_plus_gap")
    assert (scenes.card.classes[0], scenes.card.classes[-1], scenes.card.class_ids) == ("abbey", "yard", ())
    own, report = jaxcam.import_weights(path, "alexnet_plus_gap", num_classes=2, classes=("cat", "dog"))
    assert (own.card.classes, report["fresh"]) == (("cat", "dog"), HEAD)
    ilsvrc, report = jaxcam.import_weights(path, "alexnet_plus_gap", num_classes=1000)
    assert ilsvrc.card.classes[0] == "tench, Tinca tinca"
    assert (ilsvrc.card.class_ids[0], report["fresh"]) == ("n01440764", HEAD)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda layers: layers[:-1], "head/classifier/.*: no array fills it"),
        (lambda layers: [*layers, ("fc10", (2, 2))], r"fc10\.weight, fc10\.bias: no rule uses it"),
        (lambda layers: [("conv1", (96, 3, 7, 7)), *layers[2:]], r"conv1\.weight: got shape \(96, 3, 7, 7\)"),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_other_layers_are_refused(change, message, tmp_path):
    path = tmp_path / "other.caffemodel"
    path.write_bytes(caffemodel(random_layers(change(published.alexnet_plus_cam(4)))))
    with pytest.raises(ValueError, match=message):
        jaxcam.import_weights(path, "alexnet_plus_gap")


def test_order_is_the_networks_own_where_layers_do_not_tell():
    assert CAFFE["alexnet"].options(Source({}, layers=("conv1", "norm1", "conv2"))) == {}
