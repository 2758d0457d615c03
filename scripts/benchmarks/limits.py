"""How near jaxcam's programs come to what the device can do: its rate of matrix products, its memory's bandwidth."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from benchmarks.measuring import medians
from benchmarks.subjects import Subject
from benchmarks.with_jaxcam import params_of

from jaxcam.compilation import cpu_options
from jaxcam.explanation import answers
from jaxcam.forward import forward, preprocess
from jaxcam.networks.portions import early_stage, portion_of

SIDES = {"cpu": (3072, 16384), "gpu": (8192, 32768)}  # of the matrices that are multiplied, and of the one that is read


class Program(NamedTuple):
    """A compiled program with its arguments.

    Attributes:
        run: does it once, and waits.
        operations: that XLA counts before it fuses any, a multiplication and an addition as two.
        moved: bytes that it counts behind that, read and written.
    """

    run: Callable[[], Any]
    operations: float
    moved: float


def program(function: Callable[..., Any], *arguments: Any) -> Program:
    """A function as one program, with the compiler's options that jaxcam has for networks."""
    lowered = jax.jit(function, compiler_options=cpu_options()).lower(*arguments)
    compiled = lowered.compile()
    counts: Any = (lowered.cost_analysis(), compiled.cost_analysis())
    return Program(lambda: jax.block_until_ready(compiled(*arguments)), counts[0]["flops"], counts[1]["bytes accessed"])


def program_of_network(function: Callable[..., Any], subject: Subject) -> Program:
    """A function of params and images as one program; XLA counts one turn of the loop over portions, here are all."""
    params, images = params_of(subject), jax.device_put(subject.images())
    found, network = program(function, params, images), params.network
    portion = portion_of(subject.batch_size)
    pixels = preprocess(params, images[:portion]).astype(subject.dtype)
    early = early_stage(network.backbone, pixels.shape[1:], pixels.dtype, network.backbone.stages[-1])
    if subject.device != "cpu" or early is None:
        return found
    turn = program(partial(network.apply, upto=early, method="features"), params.variables, pixels)
    others = subject.batch_size // portion - 1
    return found._replace(
        operations=found.operations + others * turn.operations, moved=found.moved + others * turn.moved
    )


def of_maps(subjects: Sequence[Subject], *, rounds: int) -> dict[str, dict[str, float]]:
    """Of forward passes, and of all that `jaxcam.explain` computes: seconds, work, and the share of both limits.

    The limits are what products of large matrices reach in the same run and dtype, and the sum over a float32 one that
    is too large for any cache. A CPU's caches hold much of what programs move: there they may come to more.
    """
    side, long = SIDES[subjects[0].device]
    factors = (jnp.full((side, side), value, subjects[0].dtype) for value in (1, 2))
    best = {"matrix products": program(jnp.matmul, *factors), "sum": program(jnp.sum, jnp.ones((long, long)))}
    found = dict(best)
    for subject in subjects:
        found[f"forward pass, {subject.network}"] = program_of_network(forward, subject)
        found[f"top-5 maps and boxes, {subject.network}"] = program_of_network(answers, subject)
    seconds = medians({name: each.run for name, each in found.items()}, rounds=rounds, title="limits")
    rate = best["matrix products"].operations / seconds["matrix products"]
    bandwidth = best["sum"].moved / seconds["sum"]
    return {
        name: {
            "seconds": seconds[name],
            "operations": each.operations,
            "bytes": each.moved,
            "share_of_matrix_rate": each.operations / seconds[name] / rate,
            "share_of_bandwidth": each.moved / seconds[name] / bandwidth,
        }
        for name, each in found.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """The same for a terminal."""
    lines = [f"{'limits':58} {'ms':>8} {'Gop/s':>8} {'GB/s':>7} {'of products':>12} {'of bandwidth':>13}"]
    for name, row in found.items():
        speeds = (row[key] / row["seconds"] / 1e9 for key in ("operations", "bytes"))
        shares = (f"{100 * row[key]:.0f}%" for key in ("share_of_matrix_rate", "share_of_bandwidth"))
        lines.append("{:58} {:8.1f} {:8.1f} {:7.1f} {:>12} {:>13}".format(name, 1e3 * row["seconds"], *speeds, *shares))
    return "\n".join(lines)
