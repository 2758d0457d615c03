"""The optimizers beside plain NumPy: Caffe's solver, clipping, decay, and which weights move at which rate."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcam.params import default_card, make_network, network_shapes
from jaxcam.training.optimization import make_optimizer, schedule
from jaxcam.training.recipe import CHOICES, Recipe
from tests.reference.caffe_solver import solve, steps_rate

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

RECIPE = Recipe(learning_rate=0.05, weight_decay=0.1)
CAFFE = dataclasses.replace(
    RECIPE, optimizer="caffe", schedule="steps", warmup_epochs=0.0, decay_every=8, bias_rate=2.0
)
OPTIMIZERS = CHOICES["optimizer"]
# A network's weights, small: names of leaves and of parts as they are in `variables["params"]`.
SHAPES = {
    "backbone/conv/kernel": (3, 3, 2, 4),
    "backbone/conv/bias": (4,),
    "backbone/bn/scale": (4,),
    "backbone/cam_conv/kernel": (1, 1, 4, 5),
    "head/classifier/kernel": (5, 3),
    "head/classifier/bias": (3,),
}


def made(seed):
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


TARGETS, STEEPNESS = made(1), made(2)


def gradients_of(step, weights):
    """Of a bowl that is steep in some directions and tilts from step to step."""
    return {name: (1 + STEEPNESS[name] ** 2) * (value - TARGETS[name]) + (step % 3) for name, value in weights.items()}


def tree_of(flat):
    """A flat dictionary as the tree that a network has."""
    tree = {}
    for name, value in flat.items():
        *parts, leaf = name.split("/")
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
        node[leaf] = jnp.asarray(value)
    return tree


def flat_of(tree):
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def run(recipe, steps):
    """The weights after some steps, and the optimizer's state."""
    optimizer = make_optimizer(recipe, schedule(recipe, steps, 10.0))

    @jax.jit
    def take(params, state, step):
        gradients = tree_of(gradients_of(step, flat_of(params)))
        change, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, change), state

    params = tree_of(made(0))
    state = optimizer.init(params)
    for step in range(steps):
        params, state = take(params, state, step)
    return flat_of(params), state


@pytest.mark.parametrize("clip", [0.0, 5.0])
def test_caffe_is_the_solver_of_caffe(clip):
    ours, _ = run(dataclasses.replace(CAFFE, clip=clip), 20)  # over two drops of the rate
    rate_of = partial(steps_rate, base=0.05, gamma=0.1, size=8)
    expected = solve(
        made(0), gradients_of, iterations=20, rate_of=rate_of, momentum=0.9, decay=0.1, bias_rate=2.0, clip=clip
    )
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


def test_clipping_scales_all_gradients_to_the_norm_and_leaves_smaller_ones():
    gradients = made(3)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    plain = dataclasses.replace(CAFFE, weight_decay=0.0, bias_rate=1.0)
    for clip in (norm / 4, norm * 1.01):
        optimizer, params = make_optimizer(dataclasses.replace(plain, clip=float(clip)), 1.0), tree_of(made(0))
        change, _ = jax.jit(optimizer.update)(tree_of(gradients), optimizer.init(params), params)
        for name, value in flat_of(change).items():
            np.testing.assert_allclose(value, -gradients[name] * min(1, clip / norm), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_body_is_left_alone_and_takes_no_memory(name):
    whole = dataclasses.replace(RECIPE, optimizer=name, clip=3.0, warmup_epochs=0.0)
    before, (after, state) = made(0), run(dataclasses.replace(whole, body_rate=0.0), 5)
    head = {leaf for leaf in SHAPES if leaf.startswith("head") or "cam_conv" in leaf}
    assert {leaf for leaf in SHAPES if not np.array_equal(before[leaf], after[leaf])} == head
    in_state = [leaf.shape for leaf in jax.tree.leaves(state) if leaf.shape]
    moments = 2 if name == "adamw" else 1
    assert sorted(in_state) == sorted(SHAPES[leaf] for leaf in head for _ in range(moments))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_of_biases_and_body_multiply_the_change(name):
    optimizers = [
        make_optimizer(dataclasses.replace(RECIPE, optimizer=name, **rates), 0.1)
        for rates in ({}, {"bias_rate": 2.0, "body_rate": 0.25})
    ]
    params, gradients = tree_of(made(0)), tree_of(made(1))
    plain, rated = (flat_of(one.update(gradients, one.init(params), params)[0]) for one in optimizers)
    for leaf, value in plain.items():
        factor = (2.0 if leaf.endswith("bias") else 1.0) * (0.25 if leaf.startswith("backbone/conv") else 1.0)
        factor *= 0.25 if leaf == "backbone/bn/scale" else 1.0
        np.testing.assert_array_equal(rated[leaf], factor * value, err_msg=leaf)


@pytest.mark.parametrize("name, layers", [("vgg11_gap", {"classifier", "cam_conv"}), ("squeezenet1_1", {"conv10"})])
def test_what_is_trained_over_a_frozen_body_is_what_no_plain_network_has(name, layers):
    shapes = network_shapes(make_network(name, 3), default_card(name, ("ant", "bee", "cat")))["params"]
    state = jax.eval_shape(make_optimizer(dataclasses.replace(CAFFE, body_rate=0.0), 0.1).init, shapes)
    paths = [path for path, leaf in jax.tree.leaves_with_path(state) if leaf.shape]
    assert {path[-2].key for path in paths} == layers


def test_a_body_without_a_known_head_has_no_rate_of_its_own():
    optimizer = make_optimizer(dataclasses.replace(RECIPE, body_rate=0.0), 0.1)
    with pytest.raises(ValueError, match="body_rate: the network has no part"):
        optimizer.init({"layer": {"kernel": jnp.ones((2, 2))}})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_acts_on_kernels_alone(name):
    optimizer = make_optimizer(dataclasses.replace(RECIPE, optimizer=name), 0.5)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(2), "positions": jnp.ones((2, 2))}
    change, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    np.testing.assert_allclose(change["kernel"], {"sgd": -0.095}.get(name, -0.05), rtol=1e-6)
    assert not change["bias"].any()
    assert not change["scale"].any()
    assert not change["positions"].any()


@pytest.mark.parametrize(
    "name, plain", [("sgd", optax.sgd(0.1, momentum=0.9, nesterov=True)), ("adamw", optax.adamw(0.1, weight_decay=0.0))]
)
def test_optimizers_are_those_of_optax(name, plain):
    ours = make_optimizer(dataclasses.replace(RECIPE, optimizer=name, weight_decay=0.0), 0.1)
    params, states = tree_of(made(0)), [one.init(tree_of(made(0))) for one in (plain, ours)]
    for seed in (1, 2):
        gradients = tree_of(made(seed))
        (a, first), (b, second) = (
            one.update(gradients, state, params) for one, state in zip((plain, ours), states, strict=True)
        )
        states = [first, second]
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_cosine_warms_up_and_ends_at_zero():
    rate = schedule(dataclasses.replace(RECIPE, learning_rate=0.4, warmup_epochs=2.0), 100, 10.0)
    assert [float(rate(step)) for step in (0, 10, 20)] == pytest.approx([0, 0.2, 0.4])
    assert float(rate(60)) == pytest.approx(0.2)
    assert float(rate(100)) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("warmup", [0.0, 0.5])
def test_steps_drop_exactly_where_they_are_due(warmup):
    recipe = dataclasses.replace(CAFFE, warmup_epochs=warmup, decay_every=49, learning_rate=1.0)
    rates = np.asarray(jax.jit(jax.vmap(schedule(recipe, 400, 10.0)))(jnp.arange(400)))
    expected = 0.1 ** (np.arange(400) // 49)
    expected[: int(10 * warmup)] = np.arange(5)[: int(10 * warmup)] / 5
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
