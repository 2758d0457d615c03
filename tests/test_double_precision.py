"""Where JAX is told to compute in 64 bits by default, everything here stays float32, and the same."""

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import Card
from jaxcam.methods.table import METHODS
from jaxcam.networks.heads import LinearHead
from jaxcam.params import make_network, network_shapes
from tests.layered_network import images_of, layered_params
from tests.reference.weights import random_variables

SMALL = {"patch": 4, "grid": (2, 2), "depth": 1, "width": 6, "heads": 2, "hidden": 5}
IMAGES, LABELS = images_of(2), np.array([[2, 0], [1, 3]])
PATCHES = Card(tuple("abcd"), image_size=(8, 8))
# Options that keep a method cheap.
CHEAP = {
    "smooth_grad_cam_plus_plus": {"num_samples": 2},
    "ss_cam": {"num_samples": 2},
    "is_cam": {"num_samples": 2},
    "rise": {"num_masks": 4, "cells": 2},
    "occlusion": {"window": 4, "stride": 2},
    "smooth_grad": {"num_samples": 2},
    "integrated_gradients": {"steps": 2},
}
OTHERS = {
    "contrastive": lambda params, images: jaxcam.contrastive(jaxcam.grad_cam)(params, images, LABELS),
    "find_concepts": lambda params, images: jaxcam.find_concepts(params, images, num_concepts=2, num_steps=3),
}
IN_64_BITS = """
import pickle, sys
import jax, numpy as np
from tests import test_double_precision as here
assert jax.numpy.zeros(()).dtype == "float64"
found = {name: jax.tree.leaves(function(here.IMAGES)) for name, function in here.everything().items()}
pickle.dump(jax.tree.map(np.asarray, found), open(sys.argv[1], "wb"))
"""


def networks():
    """One that each method can be used on, by name; by "" for most of them."""
    layers, transformer = layered_params(), make_network("vit_b_16", 4, **SMALL)
    pooled = layers.network.clone(head=LinearHead(4))
    return {
        "": layers,
        "cam": jaxcam.Params(random_variables(pooled, layers.card), pooled, layers.card),
        "attention_rollout": jaxcam.Params(random_variables(transformer, PATCHES), transformer, PATCHES),
    }


def everything():
    """The functions of an image that make all maps, and what else draws numbers, by name."""
    params = networks()

    def maps_by(name, images):
        of = params.get(name, params[""])
        return METHODS[name](of, images, LABELS, size="cells", **CHEAP.get(name, {}))

    others = {name: partial(function, params[""]) for name, function in OTHERS.items()}
    return {**{name: partial(maps_by, name) for name in METHODS}, **others}


@pytest.fixture(scope="module")
def in_64_bits(tmp_path_factory):
    out = tmp_path_factory.mktemp("maps") / "maps"
    subprocess.run(
        [sys.executable, "-c", IN_64_BITS, str(out)],
        env={**os.environ, "JAX_ENABLE_X64": "1"},
        cwd=Path(__file__).parents[1],
        check=True,
    )
    return pickle.loads(out.read_bytes())


@pytest.mark.slow
def test_maps_are_the_same(in_64_bits):
    for name, function in everything().items():
        for got, expected in zip(in_64_bits[name], jax.tree.leaves(function(IMAGES)), strict=True):
            assert got.dtype == np.float32, name
            closest = 1e-5 * np.abs(expected).max()
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=closest, err_msg=name)


@pytest.mark.parametrize("name", [*METHODS, *OTHERS])
def test_maps_are_float32(name):
    with jax.enable_x64(True):
        traced = jax.tree.leaves(jax.eval_shape(everything()[name], IMAGES))
    assert {leaf.dtype for leaf in traced} == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_16_gap", "convnext_tiny"])
def test_weights_are_float32(name):
    options = SMALL if name.startswith("vit") else {"blocks": (1, 1, 1, 1), "width": 4}
    card = PATCHES if name.startswith("vit") else Card(tuple("abcd"), image_size=(32, 32))
    with jax.enable_x64(True):
        shapes = network_shapes(make_network(name, 4, **options), card)
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {np.dtype("float32")}
