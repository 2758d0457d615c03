"""jaxcam.weights.timm: what a publisher's config.json does to the card, and which models it refuses."""

import pytest

from jaxcam.card import IMAGENET, Card, Preprocessing
from jaxcam.networks import NETWORKS
from jaxcam.weights.rules import Source
from jaxcam.weights.timm import MODELS, TIMM
from jaxcam.weights.timm.config import card_of, check_architecture

CARD = Card(classes=("cat", "dog"), image_size=(224, 224), preprocessing=IMAGENET, threshold=0.3)
PUBLISHED = {
    "input_size": [3, 288, 320],
    "test_input_size": [3, 320, 320],
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "mean": [0.5, 0.4, 0],
    "std": [0.25, 0.5, 1],
}
EXPECTED = Preprocessing(interpolation="catmull_rom", mean=(0.5, 0.4, 0.0), std=(0.25, 0.5, 1.0))


def source(config):
    return Source({}, config=config, description={"source": "model.safetensors"})


@pytest.mark.parametrize("config", [{"pretrained_cfg": PUBLISHED}, PUBLISHED], ids=["now", "older"])
def test_the_card_is_the_publishers(config):
    expected = Card(classes=("cat", "dog"), image_size=(288, 320), preprocessing=EXPECTED, threshold=0.3)
    assert card_of(CARD, source({"architecture": "resnet18", **config})) == expected


@pytest.mark.parametrize("config", [{}, {"pretrained_cfg": {}}, {"pretrained_cfg": {"interpolation": ""}}])
def test_what_the_publisher_does_not_say_stays(config):
    assert card_of(CARD, source(config)) == CARD
    one = Card(image_size=(7, 9), preprocessing=Preprocessing(interpolation="bicubic", antialias=False))
    changed = card_of(one, source({"pretrained_cfg": {"std": [1, 2, 3]}}))
    assert changed == Card(
        image_size=(7, 9), preprocessing=Preprocessing("bicubic", antialias=False, std=(1.0, 2.0, 3.0))
    )


@pytest.mark.parametrize(
    "config, message",
    [
        ({"mean": [0.5, 0.5]}, r"mean: got \[0.5, 0.5\]; 3 numbers are expected"),
        ({"mean": 0.5}, "mean: got 0.5; 3 numbers are expected"),
        ({"mean": [0.5, 0.5, "0.5"]}, "mean: got .*; 3 numbers are expected"),
        ({"mean": [True, 0, 0]}, "mean: got .*; 3 numbers are expected"),
        ({"mean": [float("nan"), 0, 0]}, "mean: got .*; 3 numbers are expected"),
        ({"std": [float("inf"), 1, 1]}, "std: got .*; 3 numbers are expected"),
        ({"std": [10**400, 1, 1]}, "std: got .*; 3 numbers are expected"),
        ({"std": [0.2, 0, 0.2]}, r"std: got \[0.2, 0.0, 0.2\]; numbers from 0.001 are expected"),
        ({"std": [0.2, 1e-300, 0.2]}, "std: got .*; numbers from 0.001 are expected"),
        ({"input_size": [3, 224, 900_000]}, "input_size: got .*; whole numbers from 1 to 4096 are expected"),
        ({"input_size": [3, 224.5, 224]}, "input_size: got .*; whole numbers from 1 to 4096 are expected"),
        ({"input_size": [224, 224]}, "input_size: got .*; 3 numbers are expected"),
        ({"input_size": [3, 0, 224]}, "input_size: got .*; whole numbers from 1"),
        ({"interpolation": "lanczos"}, "interpolation: got 'lanczos'; known are bilinear, bicubic"),
        ({"interpolation": ["bicubic"]}, "interpolation: got .*; known are bilinear, bicubic"),
    ],
)
def test_wrong_config(config, message):
    with pytest.raises(ValueError, match=message):
        card_of(CARD, source({"pretrained_cfg": config}))


def test_a_config_that_is_no_object():
    with pytest.raises(ValueError, match="pretrained_cfg: got None; a JSON object is expected"):
        card_of(CARD, source({"pretrained_cfg": None}))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"architecture": "efficientnet_b0", "global_pool": "avg"},
        {"architecture": "efficientnet_b0", "model_args": {"num_classes": 7, "drop_rate": 0.2, "global_pool": "avg"}},
    ],
)
def test_the_model_itself(config):
    check_architecture(source(config), "efficientnet_b0")


@pytest.mark.parametrize(
    "config, message",
    [
        ({"architecture": "tf_efficientnet_b0"}, "says 'tf_efficientnet_b0'; this network is timm's 'efficientnet_b0'"),
        (
            {"model_args": {"act_layer": "relu"}},
            "says act_layer='relu'; this network is timm's efficientnet_b0 as usual",
        ),
        ({"global_pool": "max"}, "says global_pool='max'; this"),
        ({"model_args": {"global_pool": "catavgmax"}}, "says global_pool='catavgmax'; this"),
        ({"model_args": [1]}, r"model_args: got \[1\]; a JSON object is expected"),
    ],
)
def test_another_model(config, message):
    with pytest.raises(ValueError, match=message):
        check_architecture(source(config), "efficientnet_b0")


def test_tables_check_the_model_and_keep_their_options():
    """A network's own option, such as an epsilon, and the check come together."""
    table = TIMM["mobilenet_v3_small"]
    assert table.options(source({})) == {"epsilon": 1e-5}
    with pytest.raises(ValueError, match="'tf_mobilenetv3_small_100'"):
        table.options(source({"architecture": "tf_mobilenetv3_small_100"}))
    assert TIMM["vgg16"].options(source({"architecture": "vgg16"})) == {"ceil": False}
    caffes = Card(image_size=(224, 224), preprocessing=NETWORKS["vgg16"].preprocessing)
    assert TIMM["vgg16"].card(caffes, source({})).preprocessing == IMAGENET


def test_networks_are_those_of_the_table():
    assert set(MODELS) <= set(NETWORKS)
