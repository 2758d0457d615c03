"""jaxcam.find_concepts: the updates against scikit-learn's, what is known of the factors, options and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.concepts import factorize
from tests.reference.resizing import resize
from tests.staged_network import cells_of, images_of, staged_params

PHOTOS = images_of(4)


@pytest.fixture(scope="module")
def params():
    return staged_params()


def test_updates_are_those_of_scikit_learn():
    """Step by step from the same beginning, until it is near a minimum."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(0)
    rows, maps, directions = (rng.uniform(0, 1, shape) for shape in ((24, 7), (24, 3), (3, 7)))
    rows[:, 2] = 0
    for steps in (1, 150):
        model = decomposition.NMF(3, init="custom", solver="mu", max_iter=steps, tol=0)
        expected = model.fit_transform(rows, W=maps.copy(), H=directions.copy())
        beginning = [jnp.asarray(array, jnp.float32) for array in (rows, maps, directions)]
        found = factorize(*beginning, num_steps=steps)
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=2e-3)
        np.testing.assert_allclose(found[1], model.components_, rtol=0, atol=2e-3)


def test_concepts_add_up_to_the_features(params):
    cells = cells_of(params, PHOTOS, "first")
    found = jaxcam.find_concepts(params, PHOTOS, num_concepts=3, stage="first", num_steps=500)
    assert found.directions.shape == (3, 5)
    assert found.maps.shape == (4, 3, 4, 6)
    assert min(found.directions.min(), found.maps.min()) >= 0
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), 1, rtol=1e-5)
    totals = np.asarray(found.maps).sum((0, 2, 3))
    np.testing.assert_array_equal(totals, np.sort(totals)[::-1])
    left = cells - np.einsum("bnyx,nk->byxk", found.maps, found.directions)
    # Whatever is not negative, no factors of rank 3 come nearer than the singular vectors.
    least = np.linalg.svd(cells.reshape(-1, 5), compute_uv=False)[3:]
    assert np.linalg.norm(least) <= np.linalg.norm(left) < 1.6 * np.linalg.norm(least)


def test_concepts_that_are_there_are_found():
    """Two colours of features, apart in places: each is a direction, and its map is where it is; below 0 is nothing."""
    colours = np.array([[3, 4, 0, 0, -1], [0, 0, 0, 2, -1]], np.float32)
    where = np.array([[0, 0, 0], [1, 1, 0]])
    params = jaxcam.from_functions(
        lambda cells, images: cells, lambda _, cells: cells.mean((1, 2)), variables=jnp.asarray(colours[where])[None]
    )
    image = np.zeros((2, 3, 3), np.float32)
    found = jaxcam.find_concepts(params, image, num_concepts=2, num_steps=300)
    np.testing.assert_allclose(found.directions, [[0.6, 0.8, 0, 0, 0], [0, 0, 0, 1, 0]], atol=1e-4)
    np.testing.assert_allclose(found.maps, [5 * (where == 0), 2 * (where == 1)], atol=1e-3)
    again = jaxcam.find_concepts(params, image, num_concepts=2, num_steps=300, size=(4, 3))
    larger = [resize(one, 4, "bilinear") for one in np.asarray(found.maps)]
    np.testing.assert_allclose(again.maps, larger, atol=1e-5)
    maps = jaxcam.cam(jaxcam.with_concepts(params, found.directions), image, [0, 1], size="cells")
    np.testing.assert_allclose(maps, found.maps, atol=1e-3)


@pytest.mark.slow
def test_a_key_gives_the_same_concepts(params):
    options = {"num_concepts": 2, "num_steps": 3}
    found = jaxcam.find_concepts(params, PHOTOS, **options, key=jax.random.key(4))
    again = jax.jit(lambda images, key: jaxcam.find_concepts(params, images, **options, key=key))
    for one, other in zip(found, again(PHOTOS, jax.random.key(4)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert np.abs(found.maps - again(PHOTOS, jax.random.key(5)).maps).max() > 0.1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_concepts": 0}, "num_concepts: got 0; give a whole number of at least 1"),
        ({"size": (3,)}, r"size: got \(3,\); give 2 lengths"),
        ({"stage": "third"}, "stage: got 'third'; this network has first, second"),
    ],
)
def test_mistakes(params, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcam.find_concepts(params, PHOTOS, **options)


def test_a_stage_without_cells():
    with pytest.raises(ValueError, match=r"stage: fc6 gives \(7,\), which has no cells"):
        jaxcam.find_concepts(staged_params(connected=True), PHOTOS, stage="fc6")
