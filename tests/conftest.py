"""Strict JAX for every test: four fake CPU devices, no implicit promotion of ranks or dtypes, types checked at run time."""

import os

# Tests compile much and compute little: XLA's optimizations cost ten times what they save here.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
os.environ["JAX_PLATFORMS"] = "cpu"

from jaxtyping import install_import_hook

install_import_hook("jaxcam", "beartype.beartype")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
