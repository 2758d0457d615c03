"""The folder of a run: damaged states are noticed and put aside, failed writes are told of and harm nothing."""

import errno
import gc
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.checkpoints import folders
from jaxcam.datasets import Dataset, Example
from jaxcam.training import make_parallel, run_folder, start
from jaxcam.training.recipes import Recipe
from jaxcam.training.run_folder import RunFolder
from tests.small_classifier import CLASSES, small_params

RECIPE = Recipe(batch_size=4)
DATASET = Dataset((Example(Path("photo.png"), 0),), CLASSES)
# Orbax abandons the other arrays where one cannot be read.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True, scope="module")
def frozen():
    """What was there before is not looked through behind each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def abandoned():
    yield
    gc.collect()


@pytest.fixture(scope="module")
def one():
    return make_parallel("jit", RECIPE, devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def fresh():
    return start(small_params(normalized=True), RECIPE, steps=9, steps_an_epoch=3.0)


def at(fresh, step):
    """A state that no other step has."""
    moved = jax.tree.map(lambda leaf: leaf + jnp.asarray(step, leaf.dtype), (fresh.variables, fresh.optimizer))
    return replace(fresh, step=jnp.asarray(step, jnp.int32), variables=moved[0], optimizer=moved[1])


def opened(out):
    return RunFolder(out, RECIPE, None, DATASET, {})


@pytest.fixture(scope="module")
def kept(one, fresh, tmp_path_factory):
    """A run with the states of steps 6 and 9."""
    out = tmp_path_factory.mktemp("kept")
    with opened(out) as run:
        for step in (3, 6, 9):
            run.keep(one.place(at(fresh, step)), one)
    assert {path.name for path in (out / "states").iterdir()} == {"6", "9"}
    return out


@pytest.fixture
def out(kept, tmp_path):
    return Path(shutil.copytree(kept, tmp_path / "out"))


def resumed(out, fresh, devices):
    with opened(out) as run:
        return run.resume(fresh, devices)


def same(found, expected):
    return all(np.array_equal(*pair) for pair in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))


@pytest.mark.slow
def test_no_flipped_bit_goes_unnoticed(out, one, fresh):
    """At random places of all files of a state; most of the metadata is of no consequence."""
    draw, state, whole = random.Random(0), out / "states/9", out / "whole"
    shutil.copytree(state, whole)
    files = sorted(path.relative_to(state) for path in state.rglob("*") if path.is_file() and path.stat().st_size)
    noticed = 0
    for path in [*files, *draw.choices(files, k=30 - len(files))]:
        flip(state / path, draw.randrange((state / path).stat().st_size), draw.randrange(8))
        found = resumed(out, fresh, one)
        noticed += int(found.step) == 6
        assert same(found, at(fresh, int(found.step))), path
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(whole, state)
    assert noticed >= 5


def test_a_state_without_averages_is_found_again(one, tmp_path):
    without = at(start(small_params(), replace(RECIPE, ema=0.0), steps=9, steps_an_epoch=3.0), 3)
    with opened(tmp_path) as run:
        run.keep(one.place(without), one)
    assert same(resumed(tmp_path, without, one), without)  # with as many leaves


def test_a_changed_weight_is_noticed(out, one, fresh, capfd):
    """What the storage does not see: other arrays under the hashes of before."""
    with opened(out) as run:
        changed = at(fresh, 9)
        changed.variables["params"]["backbone"]["conv"]["bias"] = jnp.ones(5)
        run.keep(one.place(replace(changed, step=jnp.asarray(12, jnp.int32))), one)
    metadata = json.loads((out / "states/9/_CHECKPOINT_METADATA").read_text())
    path = out / "states/12/_CHECKPOINT_METADATA"
    path.write_text(json.dumps({**json.loads(path.read_text()), "custom_metadata": metadata["custom_metadata"]}))
    assert same(resumed(out, fresh, one), at(fresh, 9))
    reason = "2 arrays are not as they were saved (step, variables/params/backbone/conv/bias)"
    assert f"the state of step 12 is damaged and put aside: {reason}" in capfd.readouterr().err


def truncated(state):
    path = state / "state/_METADATA"
    path.write_bytes(path.read_bytes()[:-1])


def emptied(state):
    shutil.rmtree(state)
    state.mkdir()


def of_another_step(state):
    shutil.rmtree(state)
    shutil.copytree(state.parent / "6", state)


DAMAGES = {
    "a file is missing": (lambda state: next(state.glob("state/d/*")).unlink(), "NOT_FOUND: .*Error reading"),
    "a file is truncated": (truncated, "line 1"),
    "hashes are missing": (
        lambda state: (state / "_CHECKPOINT_METADATA").unlink(),
        "the hashes of its arrays are miss",
    ),
    "a folder is empty": (emptied, "the hashes of its arrays are missing"),
    "half of it is gone": (lambda state: shutil.rmtree(state / "state"), "not found in the checkpoint"),
    "it is another's": (of_another_step, "it is that of step 6"),
}
QUICK = {"a file is missing", "it is another's"}


@pytest.mark.parametrize(
    "damage, reason",
    [pytest.param(*DAMAGES[name], marks=() if name in QUICK else pytest.mark.slow, id=name) for name in DAMAGES],
)
def test_the_state_before_a_damaged_one_is_used(out, one, fresh, capfd, damage, reason):
    damage(out / "states/9")
    with opened(out) as run:
        assert same(run.resume(fresh, one), at(fresh, 6))
        told = capfd.readouterr().err
        assert re.search(rf"warning: the state of step 9 is damaged and put aside: .*{reason}", told)
        assert told.endswith("going on from step 6\n")
        assert [path.name for path in (out / "damaged").iterdir()] == ["9"]
        run.keep(one.place(at(fresh, 9)), one)
    assert same(resumed(out, fresh, one), at(fresh, 9))


def test_the_state_before_a_deleted_one_is_used(out, one, fresh, capfd):
    shutil.rmtree(out / "states/9")
    assert same(resumed(out, fresh, one), at(fresh, 6))
    assert capfd.readouterr().err == "going on from step 6\n"


def test_where_all_are_damaged_nothing_is_touched(out, one, fresh):
    for step in ("6", "9"):
        truncated(out / "states" / step)
    before = sorted(out.rglob("*"))
    with pytest.raises(ValueError, match=r"no state in .* can be read \(step 9: .*; step 6: .*\); give another folder"):
        resumed(out, fresh, one)
    assert sorted(out.rglob("*")) == before


class Failed:
    """What tells the end of a write, which has failed."""

    def result(self):
        full_disk()


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def broken(run, monkeypatch):
    """The run, whose writes of states all fail; closing tells of it again, as Orbax does."""
    monkeypatch.setattr(run.states, "save_checkpointables_async", lambda *_, **__: Failed())
    monkeypatch.setattr(run.states, "close", full_disk)
    return run


TOLD = "the state of step 12 could not be written .*No space left on device.*: once this is mended, the same command"


@pytest.mark.parametrize("wait", ["keep", pytest.param("publish", marks=pytest.mark.slow)])
def test_a_failed_write_is_told_of_at_the_next_one(out, one, fresh, monkeypatch, wait):
    with pytest.raises(ValueError, match=TOLD), broken(opened(out), monkeypatch) as run:
        run.keep(one.place(at(fresh, 12)), one)
        run.publish(fresh.params, {"step": 15}) if wait == "publish" else run.keep(one.place(at(fresh, 15)), one)
    assert not (out / "checkpoint").exists()


def test_a_failed_write_is_told_of_at_the_end(out, one, fresh, monkeypatch):
    with pytest.raises(ValueError, match=TOLD), broken(opened(out), monkeypatch) as run:
        run.keep(one.place(at(fresh, 12)), one)
    assert same(resumed(out, fresh, one), at(fresh, 9))


def test_a_failed_write_hides_no_other_error(out, one, fresh, monkeypatch):
    with pytest.raises(KeyError, match="first"), broken(opened(out), monkeypatch) as run:
        run.keep(one.place(at(fresh, 12)), one)
        raise KeyError("first")


def test_a_checkpoint_that_cannot_be_written_leaves_that_of_before(out, fresh, monkeypatch):
    with opened(out) as run:
        run.publish(fresh.params, {"step": 3})
        before = {path: path.read_bytes() for path in (out / "checkpoint").rglob("*") if path.is_file()}
        monkeypatch.setattr(folders, "write_card_file", full_disk)
        with pytest.raises(ValueError, match=r"the checkpoint of step 6 could not be written .*No space left"):
            run.publish(fresh.params, {"step": 6})
    assert {path: path.read_bytes() for path in (out / "checkpoint").rglob("*") if path.is_file()} == before
    assert not [*out.glob(".*")]


def test_what_a_killed_run_left_is_cleared_but_for_its_checkpoint(out, fresh, one):
    (out / "states/12.orbax-checkpoint-tmp").mkdir()
    (out / "heatmaps").mkdir()
    halves = [out / ".metrics.jsonl.7.part", out / "heatmaps/.epoch_001.png.7.part"]
    for path in halves:
        path.write_text("half")
    with opened(out) as run:
        run.publish(fresh.params, {"step": 6})
    (out / ".checkpoint.other").mkdir()
    (out / "checkpoint").rename(out / ".checkpoint.other/old")
    with opened(out):
        assert (out / "checkpoint/card.json").exists()
    assert not [*out.glob(".*"), *out.glob("*/.*"), *out.glob("states/*tmp*")]


def test_a_run_that_kept_nothing_gives_its_folder_to_another(tmp_path, one, fresh):
    with opened(tmp_path):
        pass
    (tmp_path / "states/3.orbax-checkpoint-tmp").mkdir()  # half-written
    other = replace(RECIPE, mixup=0.2)
    with RunFolder(tmp_path, other, None, DATASET, {}):
        assert json.loads((tmp_path / "recipe.json").read_text())["mixup"] == 0.2
    with opened(tmp_path) as run:
        run.publish(fresh.params, {"step": 3})
    with pytest.raises(ValueError, match=r"holds another run \(mixup was 0.0, is 0.2\)"):
        RunFolder(tmp_path, other, None, DATASET, {})
    (tmp_path / ".checkpoint.other").mkdir()
    (tmp_path / "checkpoint").rename(tmp_path / ".checkpoint.other/old")  # as it is for a moment, while one is written
    with pytest.raises(ValueError, match="holds another run"):
        RunFolder(tmp_path, other, None, DATASET, {})


def test_another_recipe_stays_here_only_where_nothing_was_kept(tmp_path, out, fresh):
    with opened(tmp_path) as run:
        assert run.elsewhere() == ""
    with opened(out) as run:
        assert run.elsewhere() == ", in another folder"
        run.publish(fresh.params, {"step": 3})
        reached = f"--init {out / 'checkpoint'} begins with what was reached"
        assert run.elsewhere() == f", in another folder, where {reached}"


def test_a_claim_that_cannot_be_written_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "whole_file", full_disk)
    with pytest.raises(ValueError, match=r"out: recipe.json could not be written to .* \(.*No space left on device\)"):
        opened(tmp_path)


def test_a_folder_of_before_is_gone_on_with_and_another_runs_is_not(out, one, fresh):
    path = out / "recipe.json"
    asked = json.loads(path.read_text())
    path.write_text(json.dumps({name: asked[name] for name in asked if name not in ("crop", "mixup", "bias_rate")}))
    assert same(resumed(out, fresh, one), at(fresh, 9))
    with pytest.raises(ValueError, match="holds another run"):
        RunFolder(out, replace(RECIPE, mixup=0.2), None, DATASET, {})
