"""Ablation-CAM against NumPy, and its closed form behind a mean over cells against the loop."""

import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam.methods import ablation
from jaxcam.networks import Classifier, LinearHead
from jaxcam.networks.heads import ClassMapHead
from jaxcam.params import Params
from tests.block_network import block_params, cells_of, images_of, logits_of_cells, pixels_of
from tests.reference import perturbation as plain
from tests.reference.weights import random_variables

LABELS = np.array([[3, 0, 1], [2, 2, 1]])


@pytest.mark.parametrize("space, relu", [((9, 6), True), ((3, 6, 3), False)])
def test_equals_numpy(space, relu):
    params, images = block_params(space, seed=2), images_of(space)
    expected = np.array(
        [
            [plain.ablation_cam(cells, lambda cells, c=c: logits_of_cells(params, cells[None])[0, c]) for c in row]
            for cells, row in zip(cells_of(params, pixels_of(images)), LABELS, strict=True)
        ]
    )
    assert expected.min() < 0
    expected = np.maximum(expected, 0) if relu else expected
    maps = jaxcam.ablation_cam(params, images, LABELS, size="cells", chunk=2, relu=relu)
    np.testing.assert_allclose(maps, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def head_of(name):
    """Params of a network whose head is a mean over cells and one linear layer, or nearly so."""
    card = jaxcam.Card(("ant", "bee", "cat"), image_size=(32, 32))
    if name == "class maps":
        network = Classifier(ClassMaps(3), ClassMapHead(3))
    else:
        network = Classifier(ClassMaps(4), LinearHead(3, pool=name))
    return Params(random_variables(network, card), network, card)


class ClassMaps(nn.Module):
    """A backbone of two stages."""

    num_classes: int
    stages = ("first", "last")

    @nn.compact
    def __call__(self, x, since=None, upto="last", train=False):
        x = x if since == "first" else nn.relu(nn.Conv(5, (4, 4), 4, name="first")(x))
        return x if upto == "first" else nn.Conv(self.num_classes, (3, 3), 2, name="last")(x)


@pytest.mark.parametrize(
    "name, stage, forward_passes",
    [("mean", "last", 0), ("class maps", "last", 0), ("mean", "first", 1), ("max", "last", 1)],
)
def test_closed_form_is_the_loop(monkeypatch, name, stage, forward_passes):
    """No forward pass behind a mean over cells and one linear layer, and the same maps as with them."""
    params, images = head_of(name), np.random.default_rng(0).random((2, 32, 24, 3), np.float32)
    counted = []
    loop = ablation._lost
    monkeypatch.setattr(ablation, "_lost", lambda *given: counted.append(1) or loop(*given))
    options = {"stage": stage, "size": "cells", "relu": False}
    maps = jaxcam.ablation_cam(params, images, LABELS[:, :2] % 3, **options)
    assert len(counted) == forward_passes
    monkeypatch.setattr(Classifier, "averages_cells", False)
    expected = jaxcam.ablation_cam(params, images, LABELS[:, :2] % 3, **options, chunk=2)
    assert len(counted) == forward_passes + 1
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
