"""jaxcam.weights.rules: layouts against the formulas of the layers, and an error for everything that does not fit."""

import re

import jax
import ml_dtypes
import numpy as np
import pytest

from jaxcam.networks import NETWORKS
from jaxcam.weights import ORIGINS
from jaxcam.weights.layouts import ARRAYS, KINDS
from jaxcam.weights.rules import Rule, Source, Table, convert, knows

TABLE = Table(
    rules=(
        Rule(r"conv(\d)", r"backbone/conv\1", "convolution"),
        Rule(r"bn(\d)", r"backbone/bn\1", "batch_norm"),
        Rule(r"token", r"backbone/token", "array"),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
    ignored=(r"aux\..*",),
)
SHAPES = {
    "params/backbone/conv1/kernel": (3, 3, 2, 4),
    "params/backbone/bn1/scale": (4,),
    "params/backbone/bn1/bias": (4,),
    "params/backbone/token": (4,),
    "params/head/classifier/kernel": (4, 5),
    "params/head/classifier/bias": (5,),
    "batch_stats/backbone/bn1/mean": (4,),
    "batch_stats/backbone/bn1/var": (4,),
}
GIVEN = {
    "conv1.weight": (4, 2, 3, 3),
    "bn1.weight": (4,),
    "bn1.bias": (4,),
    "bn1.running_mean": (4,),
    "bn1.running_var": (4,),
    "token": (1, 1, 4),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def expected(shapes=SHAPES):
    tree = {}
    for path, shape in shapes.items():
        *parents, leaf = path.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = jax.ShapeDtypeStruct(shape, np.float32)
    return tree


def source(**changes):
    """The arrays that fit, less those whose change is None, with the others; "__" stands for a dot."""
    arrays = {name: random(shape, index) for index, (name, shape) in enumerate(GIVEN.items())}
    arrays["bn1.running_var"] = np.abs(arrays["bn1.running_var"])
    arrays |= {"bn1.num_batches_tracked": np.array(3), "aux.weight": np.full(3, np.nan)}
    arrays |= {name.replace("__", "."): array for name, array in changes.items()}
    return Source({name: array for name, array in arrays.items() if array is not None})


def error_of(read, table=TABLE, shapes=SHAPES, **options):
    with pytest.raises(ValueError, match="mismatches") as caught:
        convert(read, table, expected(shapes), **options)
    return str(caught.value)


def test_every_leaf_is_filled_once():
    read = source()
    leaves, fresh, ignored = convert(read, TABLE, expected())
    assert {path: leaf.shape for path, leaf in leaves.items()} == SHAPES
    assert (fresh, ignored) == ([], ["aux.weight"])
    for index in np.ndindex(4, 2, 3, 3):
        out, channel, y, x = index
        assert leaves["params/backbone/conv1/kernel"][y, x, channel, out] == read.arrays["conv1.weight"][index]
    np.testing.assert_array_equal(leaves["params/head/classifier/kernel"], read.arrays["fc.weight"].T)
    np.testing.assert_array_equal(leaves["params/backbone/token"], read.arrays["token"][0, 0])
    for leaf, name in (("mean", "running_mean"), ("var", "running_var")):
        np.testing.assert_array_equal(leaves[f"batch_stats/backbone/bn1/{leaf}"], read.arrays[f"bn1.{name}"])
    for leaf, name in (("scale", "weight"), ("bias", "bias")):
        np.testing.assert_array_equal(leaves[f"params/backbone/bn1/{leaf}"], read.arrays[f"bn1.{name}"])


def leaf_of(kind, array, shape, name="weight"):
    into = KINDS[kind][name]
    return into.layout(array, shape)


def test_flattened_layer_gives_what_torch_gives():
    """torch flattens (k, y, x); here a layer contracts the axes y, x, k."""
    features, weight = random((2, 3, 5, 4)), random((7, 4 * 3 * 5), 1)
    flat = features.transpose(0, 3, 1, 2).reshape(2, -1)
    ours = np.einsum("byxk,yxko->bo", features, leaf_of("flattened", weight, (3, 5, 4, 7)))
    np.testing.assert_allclose(ours, flat @ weight.T, rtol=1e-5, atol=1e-5)


def test_positions_of_patches_lose_the_class_token():
    positions = random((1, 7, 5))
    leaf = ARRAYS["patch_positions"](positions, (2, 3, 5))
    np.testing.assert_array_equal(leaf[1, 2], positions[0, 1 + 1 * 3 + 2])


def test_pointwise_and_projection_are_transposed():
    weight = random((6, 4, 1, 1))
    np.testing.assert_array_equal(leaf_of("pointwise", weight, (4, 6)), weight[:, :, 0, 0].T)
    joint = random((12, 4))
    np.testing.assert_array_equal(leaf_of("projection", joint, (4, 12), "in_proj_weight"), joint.T)


@pytest.mark.parametrize("kind, shape, wanted", [
    ("pointwise", (6, 4, 3, 3), (4, 6)),  # a cell of a larger window is not taken for it
    ("pointwise", (6, 4), (4, 6)),
    ("flattened", (60, 7), (3, 5, 4, 7)),  # transposed: as many values
    ("flattened", (7, 4, 3, 5), (3, 5, 4, 7)),
    ("convolution", (4, 18), (3, 3, 2, 4)),
    ("convolution", (2, 4, 3, 3), (3, 3, 2, 4)),
    ("linear", (4, 5), (4, 5)),
    ("linear", (5, 4, 1, 1), (4, 5)),
    ("linear", (0, 4), (4, 5)),
    ("layer_norm", (4, 1), (4,)),
    ("array", (2, 3), (3, 2)),
    ("array", (6,), (3, 2)),
    ("array", (0,), (1,)),
    ("patch_positions", (6,), (2, 3, 5)),
])  # fmt: skip
def test_other_shapes_are_refused(kind, shape, wanted):
    leaf = "" if kind in ARRAYS else "/scale" if kind == "layer_norm" else "/kernel"
    name = "part" if kind in ARRAYS else "part.weight"
    table = Table((Rule("part", "part", kind),), classifier="none")
    error = error_of(Source({name: random(shape)}), table, {f"params/part{leaf}": wanted})
    assert f"{name}: got shape {shape}, of which params/part{leaf} {wanted} cannot be made" in error


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_widened_exactly(dtype):
    half = random((4, 2, 3, 3)).astype(dtype)
    leaf = convert(source(conv1__weight=half), TABLE, expected()).leaves["params/backbone/conv1/kernel"]
    assert leaf.dtype == np.float32
    np.testing.assert_array_equal(leaf, half.transpose(2, 3, 1, 0).astype(np.float32))


def test_everything_wrong_stands_in_one_error():
    table = Table(
        (*TABLE.rules, Rule(r"fc", r"head/other", "linear"), Rule("same", "backbone/bn1", "layer_norm")), "fc"
    )
    error = error_of(
        source(
            conv1__weight=random((4, 2, 5, 5)),
            conv2__weight=random((4, 2, 3, 3)),
            bn1__running_mean=np.zeros(4),
            bn1__running_var=np.array([1, 1, np.inf, 1], np.float32),
            bn1__bias=None,
            same__weight=random((4,)),
            token=np.zeros((1, 1, 4), np.int8),
            unknown__weight=random((3,)),
            aux__weight=random((3,)),
        ),
        table,
    )
    assert error.startswith("13 mismatches: ")
    assert set(error.removeprefix("13 mismatches: ").split("; ")) == {
        "conv1.weight: got shape (4, 2, 5, 5), of which params/backbone/conv1/kernel (3, 3, 2, 4) cannot be made",
        "conv2.weight: the network has no params/backbone/conv2/kernel",
        "bn1.running_mean: got float64 in place of float32, float16 or bfloat16",
        "bn1.running_var: it has values that are not finite",
        "same.weight: params/backbone/bn1/scale is filled by bn1.weight too",
        "token: got int8 in place of float32, float16 or bfloat16",
        "fc.weight, fc.bias: 2 rules use it",
        "aux.weight, unknown.weight: no rule uses it",
        "params/backbone/bn1/bias, params/head/classifier/bias, params/head/classifier/kernel: no array fills it",
    }


def test_variances_below_0_are_refused():
    below = np.array([0, 1, -1e-30, 1], np.float32)
    assert "bn1.running_var: it has variances below 0" in error_of(source(bn1__running_var=below))


def test_values_that_are_not_finite_are_refused():
    for value in (np.nan, np.inf, -np.inf):
        assert "fc.bias: it has values that are not finite" in error_of(
            source(fc__bias=np.array([0, 1, value, 3, 4], np.float32))
        )
    half = np.array([0, 1, np.nan, 3, 4], ml_dtypes.bfloat16)
    assert "fc.bias: it has values that are not finite" in error_of(source(fc__bias=half))


def test_new_classes_leave_the_classifier_out_whatever_it_is():
    read = source(fc__weight=np.full((1000, 4), np.nan, np.float32), fc__bias=None)
    leaves, fresh, ignored = convert(read, TABLE, expected(), new_classes=True)
    assert sorted(fresh) == ["params/head/classifier/bias", "params/head/classifier/kernel"]
    assert sorted(ignored) == ["aux.weight", "fc.weight"]
    assert leaves.keys() == SHAPES.keys() - set(fresh)
    assert "no array fills it" in error_of(source(bn1__bias=None), new_classes=True)


def test_what_may_be_fresh_is_given_whole_or_not_at_all():
    shapes = {**SHAPES, "params/backbone/added/kernel": (1, 1, 4, 4), "params/backbone/added/bias": (4,)}
    table = Table(
        (*TABLE.rules, Rule(r"extra", r"backbone/added", "convolution")), "fc", TABLE.ignored, (r"backbone/added/.*",)
    )
    without = convert(source(), table, expected(shapes))
    assert sorted(without.fresh) == ["params/backbone/added/bias", "params/backbone/added/kernel"]
    given = {"extra__weight": random((4, 4, 1, 1)), "extra__bias": random((4,))}
    assert convert(source(**given), table, expected(shapes)).fresh == []
    assert error_of(source(extra__bias=random((4,))), table, shapes) == (
        "1 mismatches: params/backbone/added/kernel: no array fills it"
    )
    # With other classes the classifier is fresh, and what was given stays.
    assert sorted(convert(source(**given), table, expected(shapes), new_classes=True).fresh) == [
        "params/head/classifier/bias",
        "params/head/classifier/kernel",
    ]


def test_a_shape_that_only_claims_its_size_takes_no_memory():
    claimed = np.broadcast_to(np.float32(0), (10**6, 10**7))
    assert "fc.weight: got shape (1000000, 10000000)" in error_of(source(fc__weight=claimed))


def test_names_alone_tell_whether_a_table_fits():
    assert knows(TABLE, source(fc__weight=random((1,))))
    assert not knows(TABLE, source(unknown__weight=random((3,))))


@pytest.mark.parametrize("origin, name", [(origin, name) for origin, tables in ORIGINS.items() for name in tables])
def test_tables_are_well_formed(origin, name):
    table = ORIGINS[origin][name]
    assert name in NETWORKS
    assert {rule.kind for rule in table.rules} <= {*KINDS, *ARRAYS}
    for rule in table.rules:
        groups = re.compile(rule.module).groups
        assert {int(number) for number in re.findall(r"\\(\d)", rule.target)} <= set(range(1, groups + 1))
        assert rule.target.split("/")[0] in ("backbone", "head")
    for pattern in (*table.ignored, *table.fresh):
        re.compile(pattern)
    uses = [rule for rule in table.rules if re.fullmatch(rule.module, table.classifier)]
    left_out = any(re.fullmatch(pattern, f"{table.classifier}.weight") for pattern in table.ignored)
    assert uses or left_out, "the classifier is read or ignored"
