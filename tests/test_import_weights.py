"""jaxcam.import_weights, end to end on narrow networks: what comes back, what stays fresh, what is refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxcam
from jaxcam.card import Card
from jaxcam.class_names import class_names
from jaxcam.params import make_network
from jaxcam.weights import importing
from jaxcam.weights.rules import Rule, Source, Table
from tests.reference.torch_names import torch_arrays
from tests.reference.weights import random_variables

WIDTH = {"width": 4}
HEAD = ["head/classifier/bias", "head/classifier/kernel"]


def variables_of(name, num_classes, **options):
    return random_variables(make_network(name, num_classes, **options), Card(image_size=(64, 64)))


@pytest.fixture(scope="module")
def resnet():
    """ResNet-18 for 7 classes, and its state dict."""
    variables = variables_of("resnet18", 7, **WIDTH)
    return variables, torch_arrays(variables)


@pytest.fixture
def file(resnet, tmp_path):
    """Writes the state dict with changes (None takes an array out) and returns its path."""

    def write(changes=(), name="weights.safetensors"):
        arrays = {**resnet[1], **dict(changes)}
        save_file({name: array for name, array in arrays.items() if array is not None}, tmp_path / name)
        return tmp_path / name

    return write


def refusal(source, network="resnet18", **options):
    with pytest.raises(ValueError, match=r".") as caught:
        jaxcam.import_weights(source, network, **{**WIDTH, **options})
    return str(caught.value)


def flat(variables):
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


@pytest.mark.core
def test_import_gives_the_variables_back(resnet, file):
    variables, arrays = resnet
    params, report = jaxcam.import_weights(file(), "resnet18", **WIDTH)
    assert jax.tree.structure(params.variables) == jax.tree.structure(variables)
    for path, leaf in flat(variables).items():
        np.testing.assert_array_equal(flat(params.variables)[path], leaf)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params.variables))
    assert {leaf.dtype for leaf in jax.tree.leaves(params.variables)} == {jnp.float32.dtype}
    assert params.network == make_network("resnet18", 7, **WIDTH)
    assert params.card == Card(tuple(f"class {index}" for index in range(7)))
    assert json.loads(json.dumps(report)) == report
    assert report == {
        "origin": "torchvision",
        "source": "weights.safetensors",
        "sha256": report["sha256"],
        "arrays": len(arrays),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "fresh": [],
        "ignored": [],
        "network_options": WIDTH,
        "overridden": [],
        "preprocessing": "table of networks",
    }


def test_imported_params_are_saved_with_their_report(file, tmp_path):
    params, report = jaxcam.import_weights(file(), "resnet18", **WIDTH)
    jaxcam.save(params, tmp_path / "saved", record=report)
    loaded = jaxcam.load(tmp_path / "saved")
    assert loaded.card == params.card
    assert jaxcam.describe(tmp_path / "saved") == {"network": "resnet18", "options": WIDTH, **report}


def test_another_number_of_classes_makes_a_fresh_classifier(resnet, file):
    variables = flat(resnet[0])
    params, report = jaxcam.import_weights(file(), "resnet18", num_classes=5, **WIDTH)
    other, _ = jaxcam.import_weights(file(), "resnet18", num_classes=5, key=jax.random.key(1), **WIDTH)
    again, _ = jaxcam.import_weights(file(), "resnet18", num_classes=5, key=jax.random.key(0), **WIDTH)
    assert (report["fresh"], report["ignored"]) == (HEAD, ["fc.bias", "fc.weight"])
    assert report["parameters"] == sum(leaf.size for path, leaf in variables.items() if path.startswith("params/b"))
    for path, leaf in flat(params.variables).items():
        if path.startswith("params/head"):
            assert leaf.shape[-1] == 5
        else:
            np.testing.assert_array_equal(leaf, variables[path])
    kernels = [one.variables["params"]["head"]["classifier"]["kernel"] for one in (params, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert 0.01 < np.abs(kernels[0] - kernels[2]).max() < 2


def test_the_same_number_of_classes_keeps_the_classifier(file):
    _, report = jaxcam.import_weights(file(), "resnet18", num_classes=7, classes=list("abcdefg"), **WIDTH)
    assert report["fresh"] == []


def test_classes_are_named(file):
    params, _ = jaxcam.import_weights(file(), "resnet18", classes=list("abcdefg"), **WIDTH)
    assert (params.card.classes, params.card.class_ids) == (tuple("abcdefg"), ())
    params, _ = jaxcam.import_weights(file(), "resnet18", num_classes=1000, **WIDTH)
    assert (params.card.classes, params.card.class_ids) == class_names(1000)


def test_a_file_without_classifier_needs_a_number_of_classes(file):
    headless = file({"fc.weight": None, "fc.bias": None})
    error = refusal(headless)
    assert "(it has no classifier fc: give num_classes, or --num-classes, for a fresh one)" in error
    assert error.endswith(
        ": 2 mismatches: params/head/classifier/bias, params/head/classifier/kernel: no array fills it"
    )
    params, report = jaxcam.import_weights(headless, "resnet18", num_classes=3, **WIDTH)
    assert (report["fresh"], report["ignored"], len(params.card.classes)) == (HEAD, [], 3)


def test_class_maps_have_their_classifier_in_the_backbone(tmp_path):
    """SqueezeNet under torchvision's names: its last convolution, `classifier.1`, makes one map a class."""
    variables = variables_of("squeezenet1_1", 7)
    numbers = {"fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7, "fire6": 9, "fire7": 10, "fire8": 11, "fire9": 12}
    numbers = {name: f"features.{number}" for name, number in numbers.items()}
    numbers |= {"conv1": "features.0", "conv10": "classifier.1"}
    arrays = {}
    for path, leaf in flat(variables).items():
        _, _, name, *inner, last = path.split("/")
        array = leaf.transpose(3, 2, 0, 1) if last == "kernel" else leaf
        parts = [numbers[name], *inner, "weight" if last == "kernel" else "bias"]
        arrays[".".join(parts)] = np.ascontiguousarray(array)
    save_file(arrays, tmp_path / "squeezenet.safetensors")
    params, report = jaxcam.import_weights(tmp_path / "squeezenet.safetensors", "squeezenet1_1")
    assert len(params.card.classes) == 7
    assert report["fresh"] == []
    for path, leaf in flat(variables).items():
        np.testing.assert_array_equal(flat(params.variables)[path], leaf)
    params, report = jaxcam.import_weights(tmp_path / "squeezenet.safetensors", "squeezenet1_1", num_classes=3)
    assert report["fresh"] == ["backbone/conv10/bias", "backbone/conv10/kernel"]
    assert params.network == make_network("squeezenet1_1", 3)


def test_options_typed_by_users(file):
    params, _ = jaxcam.import_weights(file(), "resnet18", strides=[1, 2, 2, 1], **WIDTH)
    assert params.network == make_network("resnet18", 7, strides=(1, 2, 2, 1), **WIDTH)
    assert "network resnet18: got options" in refusal(file(), depth=3)
    assert "stem: got 'large'; use one of" in refusal(file(), stem="large")
    assert "name and parent are none of its options" in refusal(file(), name="mine")
    assert "width: got -1" in refusal(file(), width=-1)
    for width in ("wide", 2.5, None):
        assert "network resnet18: " in refusal(file(), width=width)
    assert "conv1.weight: got shape (4, 3, 7, 7)" in refusal(file(), width=8)


def test_options_of_the_origin_give_way_and_are_reported(resnet, file, monkeypatch):
    original = importing.ORIGINS["torchvision"]["resnet18"]
    asking = Table(original.rules, original.classifier, options=lambda source: {"stem": "small", "dropout": 0.5})
    monkeypatch.setitem(importing.ORIGINS["torchvision"], "resnet18", asking)
    params, report = jaxcam.import_weights(file(), "resnet18", stem="imagenet", dropout=0.5, **WIDTH)
    assert params.network == make_network("resnet18", 7, dropout=0.5, **WIDTH)
    assert report["overridden"] == ["stem"]
    lacking = Table(original.rules, "fc", options=lambda source: {"width": len(source.arrays["stem.weight"])})
    monkeypatch.setitem(importing.ORIGINS["torchvision"], "resnet18", lacking)
    assert refusal(file()).endswith("resnet18: the weights do not fit the network: there is no array 'stem.weight'")


def test_the_report_tells_who_says_how_images_are_fed(file, monkeypatch):
    original = importing.ORIGINS["torchvision"]["resnet18"]
    smaller = Table(original.rules, "fc", card=lambda card, source: Card(card.classes, image_size=(160, 160)))
    monkeypatch.setitem(importing.ORIGINS["torchvision"], "resnet18", smaller)
    params, report = jaxcam.import_weights(file(), "resnet18", **WIDTH)
    assert params.card.image_size == (160, 160)
    assert report["preprocessing"] == "table of torchvision's weights"


def test_everything_that_does_not_fit_is_in_one_error(file):
    changes = {
        "conv1.weight": np.zeros((4, 3, 3, 3), np.float32),
        "bn1.weight": np.zeros(4),
        "bn1.bias": np.array([0, np.nan, 0, 0], np.float32),
        "bn1.running_var": np.array([1, 1, -1, 1], np.float32),
        "layer1.0.conv1.weight": None,
        "layer9.0.conv1.weight": np.zeros((4, 4, 3, 3), np.float32),
        "fc.bias": np.zeros(0, np.float32),
        "stray": np.zeros(3, np.float32),
    }
    start, _, list_of = refusal(file(changes)).partition(": ")
    assert start == "weights.safetensors as torchvision's resnet18"
    assert set(list_of.removeprefix("8 mismatches: ").split("; ")) == {
        "bn1.bias: it has values that are not finite",
        "bn1.running_var: it has variances below 0",
        "bn1.weight: got float64 in place of float32, float16 or bfloat16",
        "conv1.weight: got shape (4, 3, 3, 3), of which params/backbone/conv1/kernel (7, 7, 3, 4) cannot be made",
        "fc.bias: got shape (0,), of which params/head/classifier/bias (7,) cannot be made",
        "layer9.0.conv1.weight: the network has no params/backbone/layer9_0/conv1/kernel",
        "stray: no rule uses it",
        "params/backbone/layer1_0/conv1/kernel: no array fills it",
    }


def test_an_origin_that_has_the_names_is_hinted_at(file, monkeypatch):
    table = Table((Rule(r".*", "backbone/conv1", "convolution"),), classifier="fc")
    monkeypatch.setitem(importing.ORIGINS["caffe"], "resnet18", table)
    monkeypatch.setitem(importing.ORIGINS, "timm", {})
    assert "(its arrays are named as torchvision's: give origin='torchvision', or --origin torchvision)" in refusal(
        file(), origin="caffe"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"network": "resnet19"}, "network: got 'resnet19'; known are"),
        ({"origin": "keras"}, "origin: got 'keras'; known are torchvision, timm, caffe"),
        ({"origin": "caffe"}, "network: resnet18 is not read from caffe, but from torchvision"),
        ({"num_classes": 0}, "num_classes: got 0; give at least 1"),
        ({"num_classes": -3}, "num_classes: got -3; give at least 1"),
        ({"classes": "cat"}, "classes: got the string 'cat'; give the names of all classes"),
        ({"num_classes": 3, "classes": ["cat", "dog"]}, "classes: got 2 names for 3 classes; give one a class"),
    ],
)
def test_mistakes_are_refused_before_the_file_is_read(monkeypatch, options, message):
    monkeypatch.setattr(importing, "read_source", None)
    assert refusal("weights.safetensors", **options).startswith(message)


def test_a_wrong_number_of_names_is_no_wish_for_other_classes(file):
    error = refusal(file(), classes=["cat", "dog"])
    assert error.startswith("classes: got 2 names for the 7 classes of the weights; give one a class, or num_classes=2")


def test_a_classifier_that_only_claims_its_classes_is_refused(file):
    """A name for each of its 10^12 classes would take all memory."""
    empty = {"fc.weight": np.zeros((10**12, 0), np.float32), "fc.bias": None}
    assert "fc.weight: got shape (1000000000000, 0)" in refusal(file(empty))


def test_a_card_with_a_huge_image_takes_no_memory(file, monkeypatch):
    original = importing.ORIGINS["torchvision"]["resnet18"]
    huge = Table(original.rules, "fc", card=lambda card, source: Card(card.classes, image_size=(10**7, 10**7)))
    monkeypatch.setitem(importing.ORIGINS["torchvision"], "resnet18", huge)
    params, _ = jaxcam.import_weights(file(), "resnet18", num_classes=3, **WIDTH)
    assert params.card.image_size == (10**7, 10**7)


def test_a_network_that_no_origin_has_is_refused(file):
    assert refusal(file(), "resnet10") == "network: resnet10 is not read from torchvision, but from nowhere"


def test_a_model_of_the_hub_is_timms(resnet, file, monkeypatch):
    path = file()
    config = {"architecture": "resnet18", "pretrained_cfg": {}}
    monkeypatch.setattr("jaxcam.weights.files.fetch", lambda name: (path, config))
    seen = []
    original = importing.ORIGINS["torchvision"]["resnet18"]

    def card(card, source: Source):
        seen.append(source)
        return card

    monkeypatch.setitem(importing.ORIGINS["timm"], "resnet18", Table(original.rules, "fc", card=card))
    _, report = jaxcam.import_weights("timm/resnet18.a1_in1k", "resnet18", **WIDTH)
    assert (report["origin"], report["source"]) == ("timm", "timm/resnet18.a1_in1k")
    assert report["preprocessing"] == "config.json of the weights"
    assert seen[0].config == config


def test_leaves_are_on_the_default_device(file):
    with jax.default_device(jax.devices()[2]):
        params, _ = jaxcam.import_weights(file(), "resnet18", num_classes=3, **WIDTH)
    assert {leaf.device for leaf in jax.tree.leaves(params.variables)} == {jax.devices()[2]}
