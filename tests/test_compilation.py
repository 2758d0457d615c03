"""Programs of networks: CPUs' faster kernels where they stand alone, the caller's choice everywhere else."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam import compilation
from jaxcam.compilation import cpu_options, jit_network

IMAGES = np.random.default_rng(0).normal(size=(2, 9, 8, 16)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(3, 3, 16, 32)).astype(np.float32)
EXPECTED = np.stack(
    [
        sum(
            np.pad(image, ((1, 1), (1, 1), (0, 0)))[y : y + 9, x : x + 8] @ KERNEL[y, x]
            for y in range(3)
            for x in range(3)
        )
        for image in IMAGES
    ]
)


def convolve(images, kernel):
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.fixture
def undecided():
    """Options are looked up once a process."""
    cpu_options.cache_clear()
    yield
    cpu_options.cache_clear()


WAYS = {
    "alone": lambda run: run,
    "jit": jax.jit,
    "jit of constants": lambda run: lambda *arguments: jax.jit(lambda: run(*arguments))(),
    "vmap": lambda run: lambda images, kernel: jax.vmap(lambda image: run(image[None], kernel)[0])(images),
    "grad": lambda run: lambda images, kernel: jax.vjp(run, images, kernel)[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_it(way):
    found = WAYS[way](jit_network(convolve))(jnp.asarray(IMAGES), jnp.asarray(KERNEL))
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(jax.__version_info__ < compilation.SINCE, reason="for newer versions of jax")
def test_a_program_of_its_own_has_other_kernels():
    """Those of YNNPACK for products, and XLA's for convolutions, which have both by default."""

    def in_text(function, *arguments):
        return "ynn" in jax.jit(function, compiler_options=cpu_options()).lower(*arguments).compile().as_text()

    assert in_text(jnp.matmul, KERNEL[0, 0].T, KERNEL[0, 0])
    assert not in_text(convolve, IMAGES, KERNEL)


@pytest.mark.parametrize("compiled", [jit_network, jax.jit])
def test_two_wide_layers_in_bfloat16(compiled):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, 4096))
    kernels, bias = [jax.random.normal(key, (4096, 4096)) / 64 for key in keys[1:]], jnp.zeros((1, 4096))

    def layers(x, kernels, bias):
        for kernel in kernels:
            x = jax.nn.relu(x @ kernel + bias)
        return x

    halves = jax.tree.map(lambda array: array.astype(jnp.bfloat16), (x, kernels, bias))
    expected = layers(x, kernels, bias)
    run = compiled(layers)
    for _ in range(3):  # what is wrong need not be so each time
        np.testing.assert_allclose(run(*halves).astype(jnp.float32), expected, atol=0.05)


def test_the_options_are_those_of_a_program_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(compilation, "cpu_options", lambda: asked.append("alone") or {})
    run = jit_network(convolve)
    jax.jit(run)(IMAGES, KERNEL)
    assert asked == []
    run(IMAGES, KERNEL)
    assert asked == ["alone"]


def test_traced_once_with_static_arguments():
    traced = []

    def scaled(factor, images):
        traced.append(factor)
        return factor * images

    run = jit_network(scaled, static_argnums=0)
    for factor in (2.0, 2.0, 3.0):
        np.testing.assert_array_equal(run(factor, jnp.asarray(IMAGES)), factor * IMAGES)
    assert traced == [2.0, 3.0]


@pytest.mark.usefixtures("undecided")
def test_older_versions_go_without(monkeypatch):
    monkeypatch.setattr(jax, "__version_info__", (0, 11, 9))
    assert cpu_options() == {}


@pytest.mark.usefixtures("undecided")
def test_xla_flags_win(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--{compilation.KERNELS}=")
    assert cpu_options() == {}


@pytest.mark.usefixtures("undecided")
@pytest.mark.parametrize("options", [{"xla_no_such_option": "1"}, {compilation.KERNELS: "NO_SUCH_KIND"}])
def test_an_xla_without_the_option_goes_without(monkeypatch, options):
    monkeypatch.setattr(compilation, "FASTER", options)
    assert cpu_options() == {}


@pytest.mark.usefixtures("undecided")
def test_other_devices_go_without(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert cpu_options() == {}


def test_memory_is_given_back_behind_a_long_compilation(monkeypatch):
    given = []
    monkeypatch.setattr(compilation, "_trim", lambda: given.append(1))
    monkeypatch.setattr(compilation, "LONG", np.inf)
    jax.jit(lambda x: x + 1)(IMAGES)
    assert given == []
    monkeypatch.setattr(compilation, "LONG", 0.0)
    compilation._give_back("another event", 1.0)
    assert given == []
    jax.jit(lambda x: x + 2)(IMAGES)
    assert given


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_freed_is_given_back():
    def resident():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    blocks = [bytes(range(256)) * 400 for _ in range(2000)]  # 100 KiB each, of the heap
    held = blocks[-1]
    before = resident()
    del blocks
    compilation._trim()
    assert len(held) == 102400
    assert before - resident() > 150 * 1024
