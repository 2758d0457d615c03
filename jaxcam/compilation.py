"""How networks are compiled: on CPUs with the faster kernels for convolutions; and what is done behind compilations."""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

# By default XLA has YNNPACK compute convolutions too, not only products and reductions, and XLA's own are faster, on
# cores with AVX-512 at least.
KERNELS = "xla_cpu_experimental_ynn_fusion_type"
# With jax 0.10 a process that had compiled many programs so once ended in a fault of XLA's.
SINCE = (0, 12)
# Each product by itself, as by default: several in one fusion may give NaN in bfloat16 (jax 0.12).
FASTER = {KERNELS: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}
COMPILED = "/jax/core/compile/backend_compile_duration"  # what JAX calls the end of a compilation
LONG = 1.0  # seconds


@cache
def cpu_options() -> dict[str, str]:
    """What XLA's compiler is told where networks run on CPUs.

    Returns:
        `compiler_options` of `jax.jit`; {} with a jax older than 0.12, where its default backend is none of CPUs, where
        XLA_FLAGS choose the kernels (`--xla_cpu_experimental_ynn_fusion_type=` for XLA's own), and where this XLA does
        not know the option, which is an experimental one.

    >>> jax.jit(lambda x: x @ x, compiler_options=cpu_options())(jnp.eye(2)).sum().item()
    2.0
    """
    if jax.__version_info__ < SINCE or jax.default_backend() != "cpu" or KERNELS in os.environ.get("XLA_FLAGS", ""):
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=FASTER).lower().compile()
    except (RuntimeError, ValueError):
        return {}
    return FASTER


def jit_network(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit` for a function that runs a network: a program of its own has `cpu_options`.

    Under another transformation it is a part of that one's program, whose options are that one's.

    Args:
        function: to compile.
        options: of `jax.jit`.

    >>> square = jit_network(lambda x: x @ x)
    >>> square(jnp.eye(2)).sum().item(), jax.jit(square)(jnp.eye(2)).sum().item()
    (2.0, 2.0)
    """
    as_part = jax.jit(function, **options)
    alone = cache(lambda: jax.jit(function, **options, compiler_options=cpu_options()))

    @wraps(function)
    def run(*arguments, **named):
        return (as_part if _is_part(arguments, named) else alone())(*arguments, **named)

    return run


def on_auto_axes(function: Callable[..., Any], batch: Any, *others: Any, axes: int = 1) -> Any:
    """`function(batch, *others)`, of a batch that lies on an explicit mesh too, as `jax.make_mesh` makes it.

    There JAX would have every operation say how its result lies. Within this function XLA finds it.

    Args:
        function: gives arrays over the leading axes of the batch.
        batch: what decides whether there is such a mesh, and how the results lie on it.
        others: arrays, or trees of them.
        axes: of the batch that the results have too.

    >>> on_auto_axes(jnp.add, jnp.zeros(2), 1.0)
    Array([1., 1.], dtype=float32)
    """
    sharding = jax.typeof(batch).sharding
    if not any(sharding.spec):
        return function(batch, *others)
    place = NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:axes]))
    return jax.sharding.auto_axes(function, out_sharding=place)(batch, *others)


def _give_back(event: str, duration_secs: float, **_: str | int) -> None:
    """Give the system what a long compilation has freed, hundreds of megabytes for a large network.

    glibc would keep it beside all that the program is about to take.
    """
    if event == COMPILED and duration_secs >= LONG:
        _trim()


def _trim() -> None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


jax.monitoring.register_event_duration_secs_listener(_give_back)


def _is_part(*arguments: Any) -> bool:
    """Whether this call is traced: its arguments are, or what is made here would be."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arguments, jnp.zeros(()))))
