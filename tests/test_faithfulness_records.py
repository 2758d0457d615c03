"""jaxcam.faithfulness as a whole: batches that merge, padding, jit, what is seen of bad values, and mistakes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.faithfulness import (
    METRICS,
    Effort,
    Sums,
    Truth,
    confidence_change,
    figures,
    infidelity,
    insertion_deletion,
    measure_faithfulness,
    merge,
    remove_and_debias,
    sparseness,
)
from jaxcam.faithfulness.shown import show
from tests.unruly_network import logits_of, map_method, unruly_params

pytestmark = pytest.mark.slow

SPACE, COUNT, BATCH = (12, 14), 8, 4
PARAMS, RANDOM = unruly_params(SPACE), unruly_params(SPACE, seed=1)
RNG = np.random.default_rng(3)
IMAGES = RNG.random((COUNT, *SPACE, 2), np.float32)
LABELS = jnp.asarray(RNG.integers(0, 3, COUNT))
LOW = RNG.integers(0, 6, (COUNT, 2, 2))
TRUTH = Truth(
    np.concatenate([LOW, LOW + 5], axis=-1).astype(np.float32),
    np.array([[True, False]] * 7 + [[False, False]]),
    RNG.choice(np.array([0, 1, 255], np.uint8), (COUNT, *SPACE)),
)
# Sizes of other tests, so that little is compiled for these alone.
EFFORT = Effort(steps=5, fractions=(0.1, 0.5, 0.9), num_squares=20, num_noises=3)


def measured(rows, *, images=IMAGES, labels=LABELS, **options):
    options |= {"key": jax.random.key(7), "random": RANDOM, "effort": EFFORT}
    options["truth"] = Truth(*(array[rows] for array in TRUTH))
    return measure_faithfulness(PARAMS, map_method, images[rows], labels[rows], **options)


@pytest.fixture(scope="module")
def batches():
    """The records of both halves."""
    return measured(slice(BATCH)), measured(slice(BATCH, None))


def check(first, second, tolerance=1e-4):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name].total, second[name].total, tolerance, tolerance, err_msg=name)
        assert float(first[name].count) == float(second[name].count), name


@pytest.mark.slow
@pytest.mark.core
def test_all_is_measured_and_named(batches):
    record = batches[1]
    assert list(record) == list(METRICS)
    counts = {name: float(one.count) for name, one in record.items()}
    assert counts.pop("pointing_game") == counts.pop("box_iou") == BATCH - 1
    assert set(counts.values()) == {BATCH}
    for name, value in figures(record).items():
        top = 100 if METRICS[name].unit == "%" else np.inf if name in ("infidelity", "max_sensitivity") else 1
        assert abs(value) <= top, name
        assert np.isfinite(value), name


@pytest.mark.slow
@pytest.mark.core
@pytest.mark.parametrize(
    "metrics", [("average_drop", "infidelity", "box_iou", "mask_iou"), pytest.param(METRICS, marks=pytest.mark.slow)]
)
def test_batches_merge_to_the_whole_under_jit(batches, metrics):
    def whole(images, labels):
        return measured(slice(None), images=images, labels=labels, metrics=metrics)

    check({name: merge(*batches)[name] for name in metrics}, jax.jit(whole)(IMAGES, LABELS))


@pytest.mark.slow
def test_padding_counts_for_nothing(batches):
    """Whatever stands there, even a label that is no class; and the rest of a batch counts as it did."""
    mask, rows = np.arange(BATCH) < 3, slice(BATCH)
    labels = jnp.where(np.arange(COUNT) < 3, LABELS, 99)
    images = np.where(np.arange(COUNT)[:, None, None, None] < 3, IMAGES, np.float32(0))
    check(merge(measured(rows, images=images, labels=labels, mask=mask), measured(rows, mask=~mask)), batches[0])


def test_figures_are_means_in_their_units():
    assert figures({"average_drop": Sums(1.0, 4), "road": Sums(1.0, 4)}) == {"average_drop": 25.0, "road": 0.25}
    assert np.isnan(figures({"road": Sums(0.0, 0)})["road"])


def test_no_label_is_the_predicted_one():
    few = {"key": jax.random.key(0), "metrics": ("average_drop", "average_gain")}
    images = IMAGES[:BATCH]
    predicted = measure_faithfulness(PARAMS, map_method, images, **few)
    labels = np.array([logits_of(PARAMS, image).argmax() for image in images])
    check(predicted, measure_faithfulness(PARAMS, map_method, images, labels, **few))


def all_of(labels, maps):
    """The measures of maps that are given."""
    given = PARAMS, IMAGES[:BATCH], labels[:BATCH], maps
    return [
        *insertion_deletion(*given, steps=EFFORT.steps).values(),
        *confidence_change(*given).values(),
        *remove_and_debias(*given, fractions=EFFORT.fractions).values(),
        *infidelity(*given, num_samples=EFFORT.num_squares).values(),
    ]


@pytest.mark.slow
def test_bad_values_are_seen():
    """A NaN in a map and, on the device, a label out of range: never a figure that looks right."""
    maps = np.ones((BATCH, *SPACE), np.float32)
    broken = maps.copy()
    broken[2, 3, 4] = np.nan
    sums = [*all_of(LABELS, broken), sparseness(broken)]
    assert all(np.isnan(one.total) for one in sums)
    for label in (-1, 3):
        assert all(np.isnan(one.total) for one in all_of(LABELS.at[2].set(label), maps))


def test_maps_and_images_are_resized_to_what_the_network_is_given():
    images, maps = RNG.random((2, 20, 31, 2), np.float32), RNG.random((2, 5, 20), np.float32)
    shown = show(PARAMS, images, LABELS[:2], maps)
    np.testing.assert_allclose(shown.images, jax.image.resize(images, (2, *SPACE, 2), "linear"), rtol=1e-5)
    np.testing.assert_allclose(shown.maps, jax.image.resize(maps, (2, *SPACE), "linear"), rtol=1e-5)


@pytest.mark.slow
def test_volumes_and_signals():
    """A network that does not know where pixels lie finds a volume as it finds its pixels in a row."""
    space, labels = (3, 2, 3), LABELS[:2]
    volumes = RNG.random((2, *space, 2), np.float32)
    records = []
    for size in (space, (18,)):
        params, images = unruly_params(size), volumes.reshape(2, *size, 2)
        given = params, images, labels, images[..., 0]
        records.append(insertion_deletion(*given, steps=2, canvas="mean") | confidence_change(*given))
        with pytest.raises(ValueError, match="ROAD is made for pictures"):
            remove_and_debias(*given)
    check(*records)


def test_memory_does_not_grow_with_the_steps():
    def temporary(steps):
        call = jax.jit(partial(insertion_deletion, steps=steps)).lower(PARAMS, IMAGES, LABELS, IMAGES[..., 0])
        return call.compile().memory_analysis().temp_size_in_bytes

    # Beyond the scores themselves, of which there are two curves.
    assert temporary(40) - temporary(4) <= 4 * 2 * 36 * COUNT * IMAGES.itemsize < IMAGES.nbytes


MAPS = np.zeros((COUNT, *SPACE), np.float32)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: confidence_change(PARAMS, IMAGES[0], LABELS[:1], MAPS[:1]), "images: got one"),
        (lambda: confidence_change(PARAMS, IMAGES, LABELS[:, None], MAPS), "labels: got shape"),
        (lambda: confidence_change(PARAMS, IMAGES, LABELS, MAPS[:2]), "maps: got shape"),
        (lambda: confidence_change(PARAMS, IMAGES, LABELS, MAPS, mask=np.ones(2, bool)), "mask: got shape"),
        (lambda: confidence_change(PARAMS, IMAGES, LABELS, MAPS, baseline="grey"), "baseline: got 'grey'"),
        (lambda: confidence_change(PARAMS, IMAGES, LABELS, MAPS, scaling="l2"), "method: got 'l2'"),
        (lambda: insertion_deletion(PARAMS, IMAGES, LABELS, MAPS, steps=0), "steps: got 0"),
        (lambda: insertion_deletion(PARAMS, IMAGES, LABELS, MAPS, chunk=0), "chunk: got 0"),
        (lambda: insertion_deletion(PARAMS, IMAGES, LABELS, MAPS, score="loss"), "score: got 'loss'"),
        (lambda: remove_and_debias(PARAMS, IMAGES, LABELS, MAPS, fractions=(0.5, 1.0)), "fractions: got"),
        (lambda: infidelity(PARAMS, IMAGES, LABELS, MAPS, num_samples=0), "num_samples: got 0"),
        (lambda: measure_faithfulness(PARAMS, map_method, IMAGES, key=jax.random.key(0), metrics=["auc"]), "got auc"),
        (
            lambda: measure_faithfulness(PARAMS, map_method, IMAGES, key=jax.random.key(0), metrics=["box_iou"]),
            "box_iou needs the targets",
        ),
        (lambda: merge({"road": Sums(1.0, 2)}, {}), "records: got road and "),
    ],
)
def test_mistakes(call, words):
    with pytest.raises(ValueError, match=words):
        call()
