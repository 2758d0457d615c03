"""Training on a made data set: it learns, it resumes to the same weights, and it answers mistakes."""

import dataclasses
import json
from functools import partial
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.batches import batches
from jaxcam.card import Card
from jaxcam.checkpoints import describe, load
from jaxcam.datasets import folder
from jaxcam.training import Parallel, loop, make_parallel, run_folder, showing, start, train
from jaxcam.training.augmentation import random_crop
from jaxcam.training.recipes import Recipe
from jaxcam.training.starting import split
from tests.small_classifier import CLASSES, SIDE, small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 40, 40)}
RECIPE = Recipe(
    network="resnet10",
    options=("width=8", "stem=small"),
    image_size=24,
    crop_size=24,
    crop_area=0.5,
    epochs=1.0,
    batch_size=8,
    learning_rate=0.05,
    warmup_epochs=0.1,
    ema=0.8,
    holdout=0.2,
)
# Of a network that compiles fast.
TWO_EPOCHS = dataclasses.replace(RECIPE, image_size=SIDE, crop_size=SIDE, epochs=2.0)


@pytest.fixture(scope="module", autouse=True)
def without_pictures():
    """Heatmaps take more time than the training here, and have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(showing, "save_heatmaps", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """A class folder of noisy photos with a square in the colour of their class."""
    home, random = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (home / name).mkdir()
        for index in range(200):
            image = random.integers(60, 180, (28, 30, 3), np.uint8)
            y, x = random.integers(0, 16, 2)
            image[y : y + 12, x : x + 12] = colour
            Image.fromarray(image).save(home / name / f"{index}.png")
    return folder(home)


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(squares, RECIPE, out=out, cache=True, record={"data": "squares"})


def leaves(params):
    return jax.tree.leaves(params.variables)


def log_of(out):
    """What a run wrote down, but for its speed."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "images_per_second": 0, "data_wait": 0} for line in lines]


@pytest.mark.core
def test_one_epoch_learns_the_made_classes(trained):
    out, params = trained
    assert log_of(out)[-1]["held_out_accuracy"] >= 0.9
    assert all(np.isfinite(leaf).all() for leaf in leaves(params))


def test_run_leaves_a_checkpoint_that_says_how_it_was_made(trained):
    out, params = trained
    loaded = load(out / "checkpoint")
    assert all(np.array_equal(a, b) for a, b in zip(leaves(loaded), leaves(params), strict=True))
    record = describe(out / "checkpoint")
    assert record["data"] == "squares"
    assert record["recipe"]["batch_size"] == 8
    assert loaded.card.classes == ("blue", "green", "red")
    assert loaded.card.image_size == (24, 24)


# Runs in the tests below share their recipes and lengths where they can, so that they share a compiled step.
@pytest.fixture(scope="module")
def few(squares):
    return squares.spread(60)


def train_small(dataset, out):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "initial_params", lambda *_: small_params(normalized=True))
        return train(dataset, TWO_EPOCHS, out=out)


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory):
    """A run of two epochs that nothing cuts off."""
    out = tmp_path_factory.mktemp("whole")
    return out, train_small(few, out)


@pytest.mark.parametrize("killed_after", [pytest.param(1, marks=pytest.mark.slow), 8])  # without a kept state, and with
def test_a_run_cut_off_goes_on_to_the_same_weights(few, whole, tmp_path, monkeypatch, killed_after):
    taken, step = 0, Parallel.step

    def cut_off(*arguments):
        nonlocal taken
        taken += 1
        if taken > killed_after:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Parallel, "step", cut_off)
        train_small(few, tmp_path / "cut")
    resumed = train_small(few, tmp_path / "cut")
    assert all(np.array_equal(a, b) for a, b in zip(leaves(whole[1]), leaves(resumed), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("gap", ["before", "after"])
def test_a_run_killed_while_keeping_a_state_loses_nothing(few, whole, tmp_path, monkeypatch, gap):
    real = run_folder.save

    def killed(params, folder, *, record, overwrite):
        if record["training"]["epoch"] < 2:
            return real(params, folder, record=record, overwrite=overwrite)
        if gap == "after":
            real(params, folder, record=record, overwrite=overwrite)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "save", killed)
        train_small(few, tmp_path / "cut")
    train_small(few, tmp_path / "cut")
    resumed = load(tmp_path / "cut/checkpoint", network=whole[1].network)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(whole[1]), leaves(resumed), strict=True))
    assert log_of(tmp_path / "cut") == log_of(whole[0])


def test_a_finished_run_started_again_returns_its_weights(squares, trained):
    out, params = trained
    before = log_of(out)
    again = train(squares, RECIPE, out=out)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(params), leaves(again), strict=True))
    assert log_of(out) == before


def test_another_recipe_in_the_same_folder_is_refused(squares, trained):
    with pytest.raises(ValueError, match=r"another run \(seed was 0, is 1\)"):
        train(squares, dataclasses.replace(RECIPE, seed=1), out=trained[0])


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was_good(few, whole, tmp_path, monkeypatch):
    def spoilt(*arguments, start=0, **options):
        for number, batch in enumerate(batches(*arguments, start=start, **options), start=start + 1):
            # An image of the tenth step is as no image can be.
            yield batch._replace(images=batch.images * np.float32(np.nan)) if number == 10 else batch

    in_order = next(islice(batches(few_training(few), batch_size=8, image_size=(SIDE, SIDE), shuffle_seed=0), 9, None))
    first = few_training(few)[int(in_order.index[0])].path.name
    with monkeypatch.context() as patch:
        patch.setattr(loop, "batches", spoilt)
        advice = (
            f"lower the learning rate or clip the gradients, in another folder, where --init {tmp_path / 'checkpoint'}"
        )
        told = f"loss: not finite at step 10, whose batch of 8 images begins with {first}, .*; {advice}"
        with pytest.raises(ValueError, match=told):
            train_small(few, tmp_path)
    # What was kept is of the epoch before, and goes on to the same weights.
    assert describe(tmp_path / "checkpoint")["training"]["step"] == 6
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["6"]
    resumed = train_small(few, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(whole[1]), leaves(resumed), strict=True))


def few_training(few):
    return split(few, RECIPE.holdout)[0]


@pytest.mark.parametrize(
    "epochs, steps_an_epoch, steps", [(50.0, 2.18, 109), (3.0, 4.0, 12), (0.5, 2.5, 2), (12.0, 765.625, 9188)]
)
def test_steps_of_a_run(epochs, steps_an_epoch, steps):
    # In floating point 50 times 2.18 is more than 109.
    assert loop._steps(epochs, steps_an_epoch) == steps


def test_steps_between_states(few, tmp_path):
    with pytest.raises(ValueError, match="save_every: got 0 steps; give at least 1"):
        train(few, RECIPE, out=tmp_path, save_every=0)
    assert not list(tmp_path.iterdir())


def test_split_is_even_and_exact(squares):
    training, held_out = split(squares, 0.2)
    assert (len(training), len(held_out)) == (480, 120)
    assert {example.path for example in training} | {example.path for example in held_out} == {
        example.path for example in squares
    }
    assert np.bincount([example.label for example in held_out]).tolist() == [40, 40, 40]
    assert held_out == squares.spread(120)  # so they can be evaluated on
    with pytest.raises(ValueError, match="give more"):
        split(squares, 1.0)


def run_step(state, batch):
    one = make_parallel("jit", state.recipe, devices=jax.devices()[:1])
    return one.step(one.place(state), batch)


STEP = dataclasses.replace(TWO_EPOCHS, epochs=1.0)


def step_params():
    """The small network, fed as photos are."""
    return small_params(normalized=True).replace(card=Card(CLASSES, image_size=(SIDE, SIDE)))


def step_batch(squares):
    return next(batches(squares, batch_size=8, image_size=(SIDE, SIDE), shuffle_seed=0))


@pytest.fixture(scope="module")
def two_steps(squares):
    """The state behind two steps on one batch, and what the first one measured."""
    state = start(step_params(), STEP, steps=60, steps_an_epoch=60.0)
    state, first = run_step(state, step_batch(squares))
    return run_step(state, step_batch(squares))[0], first


def test_steps_move_on_and_are_averaged(two_steps):
    state, _ = two_steps
    assert int(state.step) == 2
    fresh = step_params().variables["params"]["head"]["classifier"]["kernel"]
    kernel, average = (tree["params"]["head"]["classifier"]["kernel"] for tree in (state.variables, state.average))
    assert np.abs(kernel - fresh).max() > 1e-3
    # The first step's rate is 0, the second's average has a decay of 2 / 11.
    np.testing.assert_allclose(average, (2 * fresh + 9 * kernel) / 11, atol=1e-6)


def test_a_network_made_from_functions_is_not_trained():
    params = jaxcam.from_functions(lambda w, x: x, lambda w, f: f.mean((1, 2)) @ w, variables=jnp.eye(3))
    with pytest.raises(ValueError, match="type Functions; only a Classifier"):
        start(params, RECIPE, steps=1, steps_an_epoch=1.0)


def test_first_step_equals_the_same_step_written_plainly(squares, two_steps):
    params, batch = step_params(), step_batch(squares)

    @jax.jit
    def plainly(variables, images, index):
        crop_key, drop_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0))
        keys = jax.vmap(lambda index: jax.random.fold_in(crop_key, index))(index)
        crop = partial(random_crop, size=SIDE, area=STEP.crop_area, flip=True)
        crop_keys = jax.vmap(lambda key: jax.random.split(jax.random.split(key)[0], 5)[0])(keys)
        images = jax.vmap(crop)(crop_keys, images)
        mean, std = jnp.array([[[[0.485, 0.456, 0.406]]]]), jnp.array([[[[0.229, 0.224, 0.225]]]])
        apply = partial(params.network.apply, train=True, mutable=["batch_stats"])
        (_, logits), _ = apply(variables, (images - mean) / std, rngs={"dropout": drop_key})
        return jax.nn.log_softmax(logits)

    logs = np.asarray(plainly(params.variables, batch.images / np.float32(255), batch.index), np.float64)
    targets = np.full((8, 3), 0.1 / 3) + 0.9 * np.eye(3)[batch.labels]
    assert two_steps[1]["loss"] == pytest.approx(-(targets * logs).sum(1).mean(), rel=1e-4)
