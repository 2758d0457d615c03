"""What jaxcam.faithfulness measures of maps alone, and of random weights, against SciPy, scikit-image and NumPy."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity as skimage_ssim

import jaxcam
from jaxcam.faithfulness import (
    box_measures,
    gini,
    mask_iou,
    pearson,
    randomized,
    randomized_similarity,
    spearman,
    structural_similarity,
)
from jaxcam.faithfulness.sanity import _leaves_upto
from jaxcam.params import default_card, make_network, network_shapes
from tests.families import slow_unless
from tests.reference.faithfulness import scaled
from tests.unruly_network import unruly_params

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(3, 15, 17)).astype(np.float32)
SECOND = (FIRST + RNG.integers(-2, 3, FIRST.shape)).astype(np.float32).round()  # with equal values


@pytest.mark.core
def test_similarities():
    flat = [(a.ravel().astype(float), b.ravel().astype(float)) for a, b in zip(FIRST, SECOND, strict=True)]
    np.testing.assert_allclose(pearson(FIRST, SECOND), [pearsonr(*pair)[0] for pair in flat], rtol=1e-4)
    np.testing.assert_allclose(spearman(FIRST, SECOND), [spearmanr(*pair)[0] for pair in flat], rtol=1e-4)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [
        skimage_ssim(scaled(a.astype(float), "minmax"), scaled(b.astype(float), "minmax"), **options)
        for a, b in zip(FIRST, SECOND, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(FIRST, SECOND), expected, rtol=1e-3)


@pytest.mark.parametrize("similarity", [pearson, spearman])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e8])
def test_a_constant_map_resembles_nothing(similarity, value):
    assert not similarity(np.full_like(FIRST, value), SECOND).any()


def test_small_values_are_values():
    np.testing.assert_allclose(pearson(1e-25 * FIRST, SECOND), pearson(FIRST, SECOND), rtol=1e-5)
    np.testing.assert_allclose(gini(1e-25 * FIRST), gini(FIRST), rtol=1e-5)


def test_mask_iou():
    truth = RNG.choice(np.array([0, 1, 255], np.uint8), FIRST.shape)
    truth[2][truth[2] == 1] = 0  # an image without an object
    expected = []
    for values, known in zip(FIRST[:2], truth[:2], strict=True):
        shown = (values >= 0.3 * values.max()) & (known != 255)
        expected.append((shown & (known == 1)).sum() / (shown | (known == 1)).sum())
    sums = mask_iou(FIRST, truth, threshold=0.3)["mask_iou"]
    np.testing.assert_allclose(sums.total, np.sum(expected), rtol=1e-6)
    assert float(sums.count) == 2


def test_boxes():
    """One map of a rectangle: with the pixel beside it, an IoU of 6 / 8; the best of two boxes; NaN is seen."""
    maps = np.zeros((4, 6, 8), np.float32)
    maps[:, 1:3, 2:5] = 1
    maps[0, 1, 2] = 2
    targets = np.array(
        [[[2, 1, 6, 3], [0, 0, 1, 1]], [[6, 4, 8, 6], [2, 1, 5, 3]], [[3, 0, 5, 2]] * 2, [[0, 0, 9, 9]] * 2]
    )
    there = np.array([[True, True], [True, True], [True, False], [False, False]])
    record = box_measures(maps, targets.astype(np.float32), there, threshold=0.5)
    assert float(record["pointing_game"].count) == float(record["box_iou"].count) == 3
    assert float(record["pointing_game"].total) == 2
    np.testing.assert_allclose(record["box_iou"].total, 6 / 8 + 1 + 2 / 8, rtol=1e-6)
    maps[0] = np.nan
    assert all(np.isnan(one.total) for one in box_measures(maps, targets.astype(np.float32), there).values())


@pytest.mark.parametrize("stage", [None, "layer4", "layer2", "stem"])
def test_weights_from_a_stage_on_are_fresh(tiny_params, stage):
    stages = tiny_params.network.stages
    later = stages[stages.index(stage) :] if stage else ()
    other = randomized(tiny_params, jax.random.key(5), stage=stage)
    assert jax.tree.structure(other) == jax.tree.structure(tiny_params)
    pairs = zip(*(jax.tree_util.tree_leaves_with_path(one.variables) for one in (tiny_params, other)), strict=True)
    for (path, old), (_, new) in pairs:
        names = [part.key for part in path]
        # The stem's layers are conv1 and bn1; those of the other stages are named after them.
        own = "stem" if names[2] in ("conv1", "bn1") else names[2].split("_")[0]
        fresh = names[1] == "head" or own in later
        assert fresh != np.array_equal(old, new), names


@pytest.mark.parametrize("name", slow_unless(["alexnet"], ["alexnet", "resnet10", "squeezenet1_1", "vit_b_32"]))
def test_stages_have_their_leaves_one_after_another(name):
    """Those before a stage are among those up to it, and those up to the last among the network's."""
    card = default_card(name, ("a", "b", "c"))
    params = jaxcam.Params({}, make_network(name, 3), card)
    every = {path for path, _ in jax.tree_util.tree_leaves_with_path(network_shapes(params.network, card))}
    uptos = [set(), *(_leaves_upto(params, stage) for stage in params.network.stages), every]
    assert all(less <= more for less, more in pairwise(uptos))
    assert len({len(upto) for upto in uptos}) > 3
    if name == "alexnet":
        assert [path[2].key for path in sorted(uptos[-2] - uptos[-3], key=str)] == ["fc7", "fc7"]


def test_maps_that_look_at_no_weights_are_found_out():
    params, random = (unruly_params((12, 14), seed=seed) for seed in (0, 1))
    images, labels = RNG.random((2, 12, 14, 2), np.float32), np.array([0, 1])

    def edges(params, images, labels):
        return images[..., 0]

    def weighty(params, images, labels):
        return images[..., 0] * params.variables["in"][: 12 * 14, 0].reshape(1, 12, 14)

    blind, seeing = (randomized_similarity(params, random, one, images, labels) for one in (edges, weighty))
    np.testing.assert_allclose(blind["randomized_spearman"].total, 2, rtol=1e-6)
    assert abs(float(seeing["randomized_spearman"].total)) < 0.5
    assert float(seeing["randomized_ssim"].total) < 1


def test_mistakes(tiny_params):
    with pytest.raises(ValueError, match="stage: got 'layer9'; this network has stem, layer1"):
        randomized(tiny_params, jax.random.key(0), stage="layer9")
    with pytest.raises(ValueError, match="afresh"):
        randomized(unruly_params((3, 4)), jax.random.key(0))
    with pytest.raises(ValueError, match="at least 11 pixels"):
        structural_similarity(jnp.zeros((1, 10, 20)), jnp.zeros((1, 10, 20)))
    with pytest.raises(ValueError, match="truth: got shape"):
        mask_iou(FIRST, np.zeros((3, 15, 16), np.uint8))
