"""MixUp and CutMix: who is mixed with whom, in which shares, and on which device."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy import stats

from jaxcam.training.mixing import cutmix, mix, mixup
from tests.reference.mixing import blended_share, cutmix_share, replaced_rectangle

pytestmark = pytest.mark.slow

BOTH = partial(mix, mixup_alpha=0.8, cutmix_alpha=1.0)


def batch(rows, *, size=(5, 7, 3), seed=0):
    generator = np.random.default_rng(seed)
    images = generator.uniform(size=(rows, *size)).astype(np.float32)
    targets = generator.dirichlet(np.ones(4), rows).astype(np.float32)
    return jax.random.split(jax.random.key(seed), rows), jnp.asarray(images), jnp.asarray(targets)


def test_mixup_is_a_blend_with_the_neighbour():
    keys, images, targets = batch(8)
    mixed, soft = map(np.asarray, jax.jit(partial(mixup, alpha=1.0))(keys, images, targets))
    images, targets = np.asarray(images), np.asarray(targets)
    shares = []
    for row in range(8):
        share = blended_share(mixed[row], images[row], images[row ^ 1])
        np.testing.assert_allclose(mixed[row], share * images[row] + (1 - share) * images[row ^ 1], atol=1e-6)
        np.testing.assert_allclose(soft[row], share * targets[row] + (1 - share) * targets[row ^ 1], atol=1e-6)
        shares.append(share)
    assert len(np.unique(np.round(shares, 5))) == 8  # each row has its own


def test_cutmix_replaces_a_rectangle_and_counts_its_pixels():
    keys, images, targets = batch(32, size=(9, 6, 2))
    mixed, soft = map(np.asarray, jax.jit(partial(cutmix, alpha=1.0))(keys, images, targets))
    images, targets = np.asarray(images), np.asarray(targets)
    for row in range(32):
        top, left, bottom, right = replaced_rectangle(mixed[row], images[row], images[row ^ 1])
        share = 1 - (bottom - top) * (right - left) / 54
        np.testing.assert_allclose(soft[row], share * targets[row] + (1 - share) * targets[row ^ 1], atol=1e-6)


def test_shares_follow_the_papers():
    keys, count = jax.random.split(jax.random.key(5), 3000), 3000
    images, targets = jnp.zeros((count, 12, 8, 1)), jnp.tile(jnp.eye(2), (count // 2, 1))
    own = np.arange(count), np.arange(count) % 2
    shares = np.asarray(jax.jit(partial(mixup, alpha=0.4))(keys, images, targets)[1])[own]
    assert stats.kstest(shares, stats.beta(0.4, 0.4).cdf).pvalue > 0.01
    assert abs(np.corrcoef(shares[::2], shares[1::2])[0, 1]) < 0.1
    shares = np.asarray(jax.jit(partial(cutmix, alpha=1.0))(keys, images, targets)[1])[own]
    generator = np.random.default_rng(0)
    expected = [cutmix_share(generator, 12, 8, 1.0) for _ in range(count)]
    assert stats.ks_2samp(np.rint(shares * 96), np.rint(np.array(expected) * 96)).pvalue > 0.01


def test_mix_draws_one_of_both_for_each_row():
    keys, images, targets = batch(200)
    mixed = np.asarray(jax.jit(BOTH)(keys, images, targets)[0])
    images = np.asarray(images)
    others = images[np.arange(200) ^ 1]
    cut = ((mixed == images) | (mixed == others)).all((1, 2, 3))
    assert 0.4 < cut.mean() < 0.6
    for row in np.flatnonzero(~cut):
        share = blended_share(mixed[row], images[row], others[row])
        np.testing.assert_allclose(mixed[row], share * images[row] + (1 - share) * others[row], atol=1e-6)


def test_mix_leaves_out_what_has_no_alpha():
    keys, images, targets = batch(4)
    for mixup_alpha, cutmix_alpha, way in [
        (0.8, 0.0, partial(mixup, alpha=0.8)),
        (0.0, 1.0, partial(cutmix, alpha=1.0)),
        (0.0, 0.0, lambda keys, images, targets: (images, targets)),
    ]:
        mixed = jax.jit(partial(mix, mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha))(keys, images, targets)
        jax.tree.map(np.testing.assert_array_equal, mixed, jax.jit(way)(keys, images, targets))
    mix(keys[:3], images[:3], targets[:3], mixup_alpha=0.0, cutmix_alpha=0.0)  # odd, but unmixed


@pytest.mark.slow
def test_mixing_is_the_same_however_rows_are_shared():
    arrays = batch(8)
    expected = BOTH(*arrays)
    close = partial(jax.tree.map, partial(np.testing.assert_allclose, atol=1e-6))
    mapped = jax.jit(jax.vmap(BOTH))(*(array[None] for array in arrays))
    close(jax.tree.map(lambda array: array[0], mapped), expected)
    shares = [array.reshape(4, 2, *array.shape[1:]) for array in arrays]
    close(jax.tree.map(lambda array: array.reshape(8, *array.shape[2:]), jax.pmap(BOTH)(*shares)), expected)
    rows = NamedSharding(Mesh(np.array(jax.devices()[:4]), ("data",)), P("data"))
    compiled = jax.jit(BOTH, in_shardings=rows, out_shardings=rows).lower(*arrays).compile()
    close(compiled(*jax.device_put(arrays, rows)), expected)
    assert not re.search("all-gather|all-reduce|all-to-all|collective-permute", compiled.as_text())


def test_mixing_refuses_odd_rows_and_alphas_out_of_range():
    odd, even = batch(3), batch(2)
    with pytest.raises(ValueError, match="images: got 3 rows; rows are mixed in pairs"):
        mixup(*odd, alpha=1.0)
    for alpha in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^alpha: got .*; give a number above 0"):
            cutmix(*even, alpha=alpha)
    with pytest.raises(ValueError, match="mixup_alpha: got -1"):
        mix(*even, mixup_alpha=-1.0, cutmix_alpha=1.0)
