"""Strict JAX for every test: four fake CPU devices, no implicit promotion, types checked at run time."""

import gc
import os
from pathlib import Path

# Programs that were traced stay, so there are ever more objects to look through, and few are garbage.
gc.set_threshold(50_000, 10, 10)

# Tests compile much and compute little: XLA's optimizations cost ten times what they save here.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
os.environ["JAX_PLATFORMS"] = "cpu"
# Commands would keep programs in the home of whoever runs the tests.
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
# Each worker's torch would otherwise take all cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("jaxcam", "beartype.beartype")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

import hypothesis
import pytest

# Their assertions tell values too.
pytest.register_assert_rewrite("tests.reference")

# References hold no tests, and some import what is not installed everywhere.
collect_ignore = ["reference"]

# A first call compiles, which is no slowness of an example.
hypothesis.settings.register_profile("jaxcam", deadline=None, derandomize=True)
hypothesis.settings.load_profile("jaxcam")


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Compiled programs take mappings of memory; Linux allows a process 65,530, and XLA crashes where it gets none."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and len(mappings.read_bytes().splitlines()) > 20_000:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def mixed_dtypes():
    """Where training is tested: Optax multiplies integer steps by floats."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="session")
def tiny_params():
    """ResNet-10 of width 8 for 5 classes and 32x32 images, with random weights, biases and statistics."""
    from jaxcam.card import Card
    from jaxcam.params import Params, make_network
    from tests.reference.weights import random_variables

    card = Card(classes=("ant", "bee", "cat", "dog", "elk"), image_size=(32, 32))
    network = make_network("resnet10", 5, width=8, stem="small")
    return Params(jax.device_put(random_variables(network, card)), network, card)
