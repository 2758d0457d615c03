"""jaxcam.normalize against its formula, map by map, and on everything that must not become NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jaxcam

METHODS = ("max", "minmax")
maps_of_any_value = hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32))


def plain(one, method):
    """One map in float64."""
    one = np.maximum(one.astype(np.float64), 0) if method == "max" else one.astype(np.float64) - one.min()
    return one / one.max() if one.max() > 0 else np.zeros_like(one)


@pytest.mark.core
@given(maps_of_any_value, st.sampled_from(METHODS))
def test_equals_the_formula(maps, method):
    normalized = jaxcam.normalize(maps, method=method)
    assert normalized.dtype == jnp.float32
    # Below float32's normal numbers a device may read 0.
    maps = np.where(np.abs(maps) < np.finfo(np.float32).tiny, 0, maps)
    np.testing.assert_allclose(normalized, [plain(one, method) for one in maps], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, -3.0, 1e-45, -1e-45, 1e-38])
def test_a_constant_map_has_no_nan(value, method):
    maps = jaxcam.normalize(np.full((2, 3), value, np.float32), method=method)
    assert set(np.unique(maps)) <= {0.0, 1.0}
    if value <= 0 or method == "minmax":
        np.testing.assert_array_equal(maps, np.zeros((2, 3)))


def test_ranks_and_transforms():
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    for method in METHODS:
        whole = jaxcam.normalize(maps, method=method)
        np.testing.assert_allclose(whole[1, 2], jaxcam.normalize(maps[1, 2], method=method), rtol=1e-6)
        mapped = jax.jit(jax.vmap(lambda one: jaxcam.normalize(one, method=method)))(maps)  # noqa: B023
        np.testing.assert_allclose(whole, mapped, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_has_no_nan(method):
    gradient = jax.jit(jax.grad(lambda maps: jaxcam.normalize(maps, method=method).sum()))
    for maps in (jnp.zeros((2, 2)), jnp.array([[-1.0, 2.0], [0.5, -3.0]])):
        assert np.isfinite(gradient(maps)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_nan_in_a_large_map_is_not_passed_over(method):
    maps = np.random.default_rng(0).normal(size=(8, 224, 224)).astype(np.float32)
    maps[:7, 100, 100] = np.nan
    normalized = jax.jit(lambda maps: jaxcam.normalize(maps, method=method))(maps)
    assert np.isnan(normalized[:7]).all()
    assert not np.isnan(normalized[7]).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_map_of_nan_stays_visible(method):
    """A label out of range is NaN everywhere, and no map without evidence; its neighbours are untouched."""
    maps = np.stack([np.full((2, 2), np.nan, np.float32), np.array([[0, 1], [2, 4]], np.float32)])
    normalized = np.asarray(jaxcam.normalize(maps, method=method))
    assert np.isnan(normalized[0]).all()
    np.testing.assert_array_equal(normalized[1], [[0, 0.25], [0.5, 1]])


def test_mistakes():
    with pytest.raises(ValueError, match="method: got 'mean'; use max or minmax"):
        jaxcam.normalize(jnp.zeros((2, 2)), method="mean")
    with pytest.raises(ValueError, match=r"maps: got shape \(2,\) for rank 2; give \(..., h, w\)"):
        jaxcam.normalize(jnp.zeros(2))
