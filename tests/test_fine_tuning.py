"""The weights that training starts with: fresh ones, or a checkpoint's as far as they fit the data set's classes."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import CAFFE, Card
from jaxcam.datasets import Dataset
from jaxcam.params import Params, make_network
from jaxcam.training import starting
from jaxcam.training.recipes import Recipe
from jaxcam.training.starting import initial_params
from tests.reference.weights import random_variables

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee", "cat")
IDS = ("n02219486", "n02206856", "n02121808")
DATA = Dataset((), CLASSES)
# Other classes: as many, and more.
OTHERS = [("navy", "olive", "scarlet"), (*CLASSES, "dog")]

# Name -> options, and the part of the network that tells classes apart, by its place in the variables.
NETWORKS = {
    "resnet10": ({"width": 8}, "params/head/classifier"),
    "squeezenet1_1": ({}, "params/backbone/conv10"),  # it makes one map a class
}


@pytest.fixture(scope="module", params=["resnet10", pytest.param("squeezenet1_1", marks=pytest.mark.slow)])
def saved(request, tmp_path_factory):
    """A checkpoint of a network of each kind."""
    card = Card(CLASSES, image_size=(32, 32), threshold=0.3)
    network = make_network(request.param, 3, **NETWORKS[request.param][0])
    params = Params(jax.device_put(random_variables(network, card)), network, card)
    folder = tmp_path_factory.mktemp("saved") / request.param
    jaxcam.save(params, folder)
    return folder, params


def parts_that_differ(old, new):
    flat = [jax.tree_util.tree_leaves_with_path(params.variables) for params in (old, new)]
    return {
        jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        for (path, before), (_, after) in zip(*flat, strict=True)
        if not np.array_equal(before, after)
    }


def test_the_same_classes_keep_everything(saved):
    folder, params = saved
    same = initial_params(DATA, Recipe(), folder)
    assert parts_that_differ(params, same) == set()
    assert same.network == params.network
    assert same.card == params.card


@pytest.mark.parametrize("classes", [OTHERS[0], pytest.param(OTHERS[1], marks=pytest.mark.slow)], ids=len)
def test_other_classes_make_their_part_fresh_and_keep_the_rest(saved, classes):
    folder, params = saved
    new = initial_params(Dataset((), classes), Recipe(), folder)
    options, part = NETWORKS[folder.name]
    assert parts_that_differ(params, new) == {part}
    assert new.network == make_network(folder.name, len(classes), **options)
    assert new.card == Card(classes, image_size=(32, 32))  # the threshold was chosen for the old ones
    _, logits = jax.eval_shape(new.network.apply, new.variables, np.zeros((1, 32, 32, 3), np.float32))
    assert logits.shape == (1, len(classes))


@pytest.mark.parametrize(
    "classes, class_ids",
    [(IDS, ()), (("Ant", "Bee", "Cat"), IDS), (CLASSES, ())],
    ids=["folders named by id", "other spellings", "names alone"],
)
def test_the_same_classes_by_id_keep_everything(saved, tmp_path, capsys, classes, class_ids):
    _, params = saved
    params = params.replace(card=dataclasses.replace(params.card, class_ids=IDS))
    jaxcam.save(params, tmp_path / "saved")
    same = initial_params(Dataset((), classes, class_ids), Recipe(), tmp_path / "saved")
    assert parts_that_differ(params, same) == set()
    assert same.card == params.card
    assert capsys.readouterr().err == ""


def test_the_same_classes_are_given_the_ids_that_the_checkpoint_lacks(saved):
    folder, params = saved
    same = initial_params(Dataset((), CLASSES, IDS), Recipe(), folder)
    assert parts_that_differ(params, same) == set()
    assert same.card == dataclasses.replace(params.card, class_ids=IDS)


def test_other_ids_under_the_same_names_make_the_head_fresh(saved, tmp_path, capsys):
    _, params = saved
    jaxcam.save(params.replace(card=dataclasses.replace(params.card, class_ids=IDS)), tmp_path / "saved")
    new = initial_params(Dataset((), CLASSES, IDS[::-1]), Recipe(), tmp_path / "saved")
    assert len(parts_that_differ(params, new)) == 1
    assert (new.card.class_ids, new.card.threshold) == (IDS[::-1], 0.2)
    told = f"{tmp_path / 'saved'} tells 3 other classes apart: the head for 3 is fresh\n"
    assert capsys.readouterr().err == told


def test_a_checkpoint_that_resizes_otherwise_is_refused(saved, tmp_path):
    _, params = saved
    plain = dataclasses.replace(params.card, preprocessing=jaxcam.Preprocessing(antialias=False))
    jaxcam.save(params.replace(card=plain), tmp_path / "plain")
    with pytest.raises(ValueError, match="data sets are squashed with"):
        initial_params(DATA, Recipe(), tmp_path / "plain")


@pytest.mark.parametrize("image_size, expected", [(None, (227, 227)), (160, (160, 160))])
def test_a_fresh_network_is_fed_as_it_was_designed(image_size, expected):
    narrow = ("channels=[8,12,10,8,6]", "cam_channels=6")
    recipe = Recipe(network="alexnet_gap", options=narrow, image_size=image_size)
    assert initial_params(DATA, recipe, None).card == Card(CLASSES, image_size=expected, preprocessing=CAFFE)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"network: got 'resnet19'; known are .*resnet18"):
        initial_params(DATA, Recipe(network="resnet19"), None)


def test_an_unknown_network_is_refused_where_the_checkpoint_brings_its_own():
    with pytest.raises(ValueError, match=r"network: got 'resnet19'; known are .*resnet18"):
        initial_params(DATA, Recipe(network="resnet19"), "tiny_imagenet")


def test_a_body_that_keeps_its_fresh_weights_is_refused():
    with pytest.raises(ValueError, match=r"body_rate: got 0, .* give an initial checkpoint"):
        initial_params(DATA, Recipe(body_rate=0.0), None)


def test_windows_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="crop_size: got 224 out of 200 pixels; give a larger load_size"):
        initial_params(DATA, Recipe(crop="placed", load_size=200), None)


def drawn(name, key, *, card, seed=1, **options):
    network = make_network(name, len(card.classes), **options)
    return Params(random_variables(network, card, seed=seed), network, card)


@pytest.fixture
def quick_init(monkeypatch):
    monkeypatch.setattr(starting, "init", drawn)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plain, pooling, fresh",
    [
        ("mobilenet_v3_small", "mobilenet_v3_small_gap", {"params/head/classifier"}),
        ("vgg11", "vgg11_gap", {"params/head/classifier", "params/backbone/cam_conv"}),
    ],
)
def test_a_network_that_pools_class_maps_takes_a_plain_ones_body(tmp_path, quick_init, plain, pooling, fresh):
    card = Card(CLASSES, image_size=(32, 32), threshold=0.3)
    narrow = {"width": 64} if plain == "vgg11" else {}  # of fc6 and fc7
    old = drawn(plain, None, card=card, seed=2, **narrow)
    jaxcam.save(old, tmp_path / "plain")
    new = initial_params(DATA, Recipe(network=pooling), tmp_path / "plain")
    assert new.network == make_network(pooling, 3)
    assert parts_that_differ(drawn(pooling, None, card=card), new).isdisjoint(fresh)
    taken = [path for path, _ in jax.tree_util.tree_leaves_with_path(new.variables)]
    before, after = (dict(jax.tree_util.tree_leaves_with_path(params.variables)) for params in (old, new))
    for path in taken:
        part = jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        assert (part in fresh) != (path in before and np.array_equal(before[path], after[path])), part


NARROW = {"channels": (4, 6, 6, 4, 6), "grid": (1, 1), "width": 8}


@pytest.mark.parametrize("asked, order", [((), "norm_pool"), (("order=pool",), "pool")], ids=["its", "the recipe's"])
def test_a_body_is_taken_with_its_options_but_for_those_of_the_recipe(tmp_path, quick_init, asked, order):
    """Without them, the same weights would compute something else."""
    card = Card(CLASSES, image_size=(67, 67))
    jaxcam.save(drawn("alexnet", None, card=card, order="norm_pool", pool5=1, **NARROW), tmp_path / "plain")
    recipe = Recipe(network="alexnet_gap", options=("cam_channels=6", *asked))
    new = initial_params(DATA, recipe, tmp_path / "plain")
    assert new.network == make_network("alexnet_gap", 3, channels=NARROW["channels"], order=order, cam_channels=6)


def test_a_body_that_does_not_fit_is_refused():
    card = Card(CLASSES, image_size=(32, 32))
    params = drawn("mobilenet_v3_small", None, card=card)
    with pytest.raises(ValueError, match=r"initial: mine has no params/backbone/.* .16 such arrays.; train"):
        starting._with_body(drawn("vgg11_gap", None, card=card), params, "mine")
