"""Hide-and-Seek, attention dropout and erasing: which pixels and cells go, and how often."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.training.hiding import attention_dropout, erase_seen, hide_and_seek

pytestmark = pytest.mark.slow


def patches(array, side):
    """All squares of a grid from the upper left corner, cut off at the other edges."""
    return [
        array[y : y + side, x : x + side] for y in range(0, len(array), side) for x in range(0, array.shape[1], side)
    ]


def is_grid_of(hidden, image, side):
    """Whether each patch is as it was, or all 0."""
    pairs = zip(patches(hidden, side), patches(image, side), strict=True)
    return all((now == 0).all() or (now == before).all() for now, before in pairs)


def test_patches_of_one_grid_are_hidden():
    image = np.random.default_rng(0).uniform(1, 2, (11, 8, 3)).astype(np.float32)
    keys = jax.random.split(jax.random.key(1), 300)
    hide = partial(hide_and_seek, image=jnp.asarray(image), probability=0.3, grids=(0, 3, 4))
    results = np.asarray(jax.jit(jax.vmap(hide))(keys))
    np.testing.assert_array_equal(results[:3], [hide(key) for key in keys[:3]])
    whole = (results == image).all((1, 2, 3))
    three, four = (np.array([is_grid_of(result, image, side) for result in results]) & ~whole for side in (3, 4))
    assert (whole | three | four).all()
    # A third each, less those of which no patch went: 0.7^12 of those of side 3 and 0.7^6 of side 4.
    for share, expected in [(whole, (1 + 0.7**12 + 0.7**6) / 3), (three, (1 - 0.7**12) / 3), (four, (1 - 0.7**6) / 3)]:
        assert abs(share.mean() - expected) < 0.07
    for side, drawn in [(3, three), (4, four & ~three)]:
        gone = np.array([[(patch == 0).all() for patch in patches(result, side)] for result in results[drawn]])
        kept = 0.7 ** gone.shape[1]
        assert abs(gone.mean() - 0.3 / (1 - kept)) < 0.04
        assert (gone.mean(0) > 0.1).all()  # each place has its turn


def test_hiding_everything_and_nothing():
    image = jnp.ones((6, 6, 1))
    np.testing.assert_array_equal(hide_and_seek(jax.random.key(0), image, probability=1.0, grids=(4,)), 0)
    np.testing.assert_array_equal(hide_and_seek(jax.random.key(0), image, probability=0.0, grids=(4,)), 1)
    np.testing.assert_array_equal(hide_and_seek(jax.random.key(0), image, probability=1.0, grids=(0,)), 1)
    np.testing.assert_array_equal(hide_and_seek(jax.random.key(0), image, probability=1.0, grids=(100,)), 0)


def test_attention_dropout_is_one_of_two():
    features = np.random.default_rng(0).uniform(0, 3, (5, 4, 6)).astype(np.float32)
    attention = features.sum(-1) / 6
    dropped = features.copy()
    dropped[attention > 0.8 * attention.max()] = 0
    weighed = features / (1 + np.exp(-attention[:, :, None]))
    assert 0 < (dropped == 0).all(-1).sum() < 20
    keys = jax.random.split(jax.random.key(1), 200)
    drop = partial(attention_dropout, features=jnp.asarray(features), drop_rate=0.75, threshold=0.8)
    results = np.asarray(jax.jit(jax.vmap(drop))(keys))
    np.testing.assert_allclose(results[:3], [drop(key) for key in keys[:3]], rtol=1e-6)
    is_dropped = (results == dropped).all((1, 2, 3))
    np.testing.assert_allclose(results[~is_dropped], np.tile(weighed, (sum(~is_dropped), 1, 1, 1)), rtol=1e-5)
    assert 0.68 < is_dropped.mean() < 0.82


def test_only_more_than_the_threshold_is_dropped():
    features = jnp.array([1.0, 2.0, 4.0]).reshape(1, 3, 1)
    for threshold, kept in [(1.0, [1, 2, 4]), (0.5, [1, 2, 0]), (0.0, [0, 0, 0])]:
        dropped = attention_dropout(jax.random.key(0), features, drop_rate=1.0, threshold=threshold)
        np.testing.assert_array_equal(dropped.ravel(), kept)


def test_the_threshold_itself_is_erased():
    features, maps = jnp.ones((1, 1, 3, 1)), jnp.array([[[0.0, 1.0, 2.0]]])
    for threshold, kept in [(1.0, [1, 1, 0]), (0.5, [1, 0, 0]), (0.1, [1, 0, 0])]:
        np.testing.assert_array_equal(erase_seen(features, maps, threshold=threshold).ravel(), kept)


def test_what_a_map_saw_is_erased():
    generator = np.random.default_rng(0)
    features = generator.uniform(1, 2, (4, 3, 5, 2)).astype(np.float32)
    maps = generator.normal(size=(4, 3, 5)).astype(np.float32)
    maps[1] = -2.5  # constant: nothing was seen
    maps[2, 0, 0] = np.nan
    expected = features.copy()
    for row in (0, 3):
        low, high = maps[row].min(), maps[row].max()
        for y, x in np.ndindex(3, 5):
            if (maps[row, y, x] - low) / (high - low) >= 0.6:
                expected[row, y, x] = 0
    erase = partial(erase_seen, threshold=0.6)
    erased = erase(jnp.asarray(features), jnp.asarray(maps))
    np.testing.assert_array_equal(erased, expected)
    np.testing.assert_array_equal(jax.jit(erase)(features, maps), expected)
    assert 2 <= (expected == 0).all(-1).sum() <= 15
    assert not jax.grad(lambda maps: erase(jnp.asarray(features), maps).sum())(jnp.asarray(maps[:1].repeat(4, 0))).any()


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: hide_and_seek(jax.random.key(0), jnp.ones((4, 4, 1)), probability=1.5),
            "probability: got 1.5; give a",
        ),
        (
            lambda: hide_and_seek(jax.random.key(0), jnp.ones((4, 4, 1)), probability=0.5, grids=(0, -2)),
            r"grids: got \(0, -2\); give sides",
        ),
        (lambda: hide_and_seek(jax.random.key(0), jnp.ones((4, 4, 1)), probability=0.5, grids=()), r"grids: got \(\)"),
        (
            lambda: attention_dropout(jax.random.key(0), jnp.ones((2, 2, 1)), drop_rate=-0.1, threshold=0.5),
            "drop_rate: got -0.1; give a number from 0 to 1",
        ),
        (
            lambda: attention_dropout(jax.random.key(0), jnp.ones((2, 2, 1)), drop_rate=0.5, threshold=2.0),
            "threshold: got 2.0",
        ),
        (lambda: erase_seen(jnp.ones((1, 2, 2, 1)), jnp.ones((1, 2, 2)), threshold=0.0), "threshold: got 0.0; give a"),
    ],
)
def test_options_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
