"""A run's folder: what was asked for, the states to resume from and the checkpoint so far."""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from jaxcam.checkpoints import save
from jaxcam.checkpoints.folders import check_place
from jaxcam.checkpoints.hashes import leaf_hashes
from jaxcam.datasets import Dataset
from jaxcam.params import Params
from jaxcam.training.parallel import Parallel
from jaxcam.training.recipes import Recipe
from jaxcam.training.step import TrainState
from jaxcam.whole_files import whole_file

KEPT = 2  # states to resume from: the newest, and one in reserve
LEAVES = ("step", "variables", "optimizer", "average")


class RunFolder:
    """Keeps and finds the states of one run; a context manager, which waits for pending writes at its end.

    All hosts of a run have one, of a folder that all of them see.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, initial: str | os.PathLike | None, dataset: Dataset, record: dict[str, Any]
    ):
        if folder.parts and folder.parts[0].endswith(":"):
            raise ValueError(f"out: got {folder}, an address; give a folder, such as where that storage is mounted")
        self.folder, values = folder.absolute(), asdict(recipe)
        check_place(self.folder / "checkpoint", overwrite=True)
        self._claim({**values, "initial": str(initial) if initial else None, "data": _digest(dataset)})
        if initial:  # whose network the checkpoint may have, and not the recipe's; its record tells
            values = {name: value for name, value in values.items() if name not in ("network", "options")}
            record = {**record, "initial": str(initial)}
        self.record = {**record, "recipe": values}
        self._clear()
        logging.getLogger("absl").addFilter(_not_of_orbax)
        policy = ocp.training.preservation_policies.LatestN(KEPT)
        self.states = ocp.training.Checkpointer(
            self.folder / "states", preservation_policy=policy, cleanup_tmp_directories=True
        )
        self.pending: Any = None  # the step being written, and what tells its end
        self.figures: dict[str, Any] | None = None  # that were kept with the state that the run goes on from

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        try:
            self.wait()
        except ValueError:
            if kind is None:  # otherwise there is a worse one to tell of
                raise
        finally:
            with suppress(Exception):  # that of a write that failed, which was told of
                self.states.close()
            logging.getLogger("absl").removeFilter(_not_of_orbax)

    def resume(self, state: TrainState, devices: Parallel) -> TrainState:
        """The newest state kept that is as it was saved, or the one given where there is none; says which.

        Newer ones that are damaged are put aside, as `damaged/<step>`, and said to be.
        """
        damaged = []
        for kept in sorted(self.states.checkpoints, key=lambda kept: kept.step, reverse=True):
            found, reason = None, "another host cannot read it"
            try:
                found = self._load(kept.step, state, devices)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 (damaged files make errors of many kinds)
                reason = _reason(error)
            if not _all_hosts(found is not None) or found is None:
                damaged.append((kept.step, reason))
                continue
            self._put_aside(damaged)
            if jax.process_index() == 0:
                print(f"going on from step {kept.step}", file=sys.stderr)
            return found
        if damaged:
            told = "; ".join(f"step {step}: {reason}" for step, reason in damaged)
            raise ValueError(f"out: no state in {self.folder / 'states'} can be read ({told}); give another folder")
        return state

    def keep(self, state: TrainState, devices: Parallel, figures: dict[str, Any] | None = None) -> None:
        """Write a placed state, while the run goes on, with figures to have again; waits for the one before."""
        state = devices.whole(state)
        tree = {name: getattr(state, name) for name in LEAVES}
        step = int(state.step)
        self.wait()
        hashes = {name: leaf["sha256"] for name, leaf in leaf_hashes(tree).items()}
        about = {"sha256": hashes} if figures is None else {"sha256": hashes, "figures": dict(figures)}
        with writing(self.folder, f"the state of step {step}", errors=Exception):
            self.pending = (
                step,
                self.states.save_checkpointables_async(step, {"state": tree}, force=True, custom_metadata=about),
            )

    def wait(self) -> None:
        """Wait for the state that is being written: it is kept when this returns."""
        if self.pending is not None:
            (step, response), self.pending = self.pending, None
            with writing(self.folder, f"the state of step {step}", errors=Exception):
                response.result()

    def publish(self, params: Params, figures: dict[str, Any]) -> None:
        """Write the checkpoint of the averaged weights, with the figures so far in its record."""
        self.wait()
        with writing(self.folder, f"the checkpoint of step {figures['step']}", errors=Exception):
            save(params, self.folder / "checkpoint", record={**self.record, "training": figures}, overwrite=True)

    def elsewhere(self) -> str:
        """Where a run goes on by another recipe, behind the advice to change it; "" where it may stay here."""
        if self.pending is None and self._is_empty():
            return ""
        reached = self.folder / "checkpoint"
        return ", in another folder" + (f", where --init {reached} begins with what was reached" * reached.exists())

    def _load(self, step, state, devices):
        tree = {name: getattr(state, name) for name in LEAVES}
        sharding = devices.sharding
        expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
        about = self.states.checkpointables_metadata(step).custom_metadata
        stored = about.get("sha256")
        if stored is None:
            raise ValueError("the hashes of its arrays are missing")
        found = self.states.load_checkpointables(step, {"state": expected})["state"]
        differing = [name for name, leaf in leaf_hashes(found).items() if stored.get(name) != leaf["sha256"]]
        if differing:
            raise ValueError(f"{len(differing)} arrays are not as they were saved ({', '.join(differing[:3])})")
        if int(found["step"]) != step:
            raise ValueError(f"it is that of step {int(found['step'])}")
        self.figures = about.get("figures")
        return replace(state, **jax.tree.map(lambda leaf: leaf.addressable_data(0), found))

    def _put_aside(self, damaged):
        for step, reason in damaged:
            if jax.process_index() == 0:
                aside = self.folder / "damaged" / str(step)
                aside.parent.mkdir(exist_ok=True)
                shutil.rmtree(aside, ignore_errors=True)
                (self.folder / "states" / str(step)).rename(aside)
                print(f"warning: the state of step {step} is damaged and put aside: {reason}", file=sys.stderr)
        if damaged:
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices("damaged states put aside")
            self.states.reload()

    def _clear(self):
        """Remove what a run that was killed left half-written, but for a checkpoint just moved out of the way."""
        if jax.process_index() > 0:
            return
        for left in self.folder.glob(".checkpoint.*"):
            if (left / "old").exists() and not (self.folder / "checkpoint").exists():
                (left / "old").rename(self.folder / "checkpoint")
            shutil.rmtree(left)
        for left in [*self.folder.glob(".*.part"), *self.folder.glob("*/.*.part")]:
            left.unlink()

    def _is_empty(self) -> bool:
        """Whether no state and no checkpoint was kept, as by a run that failed at its first step."""
        states = [path for path in (self.folder / "states").glob("*") if path.name.isdigit()]
        return not [*states, *self.folder.glob("checkpoint"), *self.folder.glob(".checkpoint.*/old")]

    def _claim(self, asked: dict[str, Any]) -> None:
        """Make the folder this run's, or see that it is."""
        path, asked = self.folder / "recipe.json", json.loads(json.dumps(asked))
        if jax.process_index() == 0 and (not path.exists() or (self._is_empty() and _is_whole(path))):
            with writing(self.folder, path.name), whole_file(path) as file:
                file.write((json.dumps(asked, indent=1) + "\n").encode())
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("run claimed")
        try:
            # What an older version had no field for, it did as the defaults do.
            before = {**json.loads(json.dumps(asdict(Recipe()))), **json.loads(path.read_text(encoding="utf-8"))}
        except (ValueError, TypeError) as error:
            raise ValueError(f"out: {path} is damaged ({error}); give another folder") from None
        keys = [key for key in sorted(asked) if before.get(key) != asked[key]]
        if keys:
            differing = "; ".join(f"{key} was {before.get(key)}, is {asked[key]}" for key in keys)
            raise ValueError(f"out: {self.folder} holds another run ({differing}); give another folder")


def _is_whole(path: Path) -> bool:
    """Whether a claim can be read; one that is damaged stays, and is told of."""
    with suppress(ValueError):
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    return False


@contextmanager
def writing(folder: Path, what: str, *, errors: type[Exception] = OSError) -> Iterator[None]:
    """An error of a write to a run's folder as a ValueError that says what is safe."""
    try:
        yield
    except errors as error:
        raise ValueError(
            f"out: {what} could not be written to {folder} ({_reason(error)}); "
            "what was kept before is whole: once this is mended, the same command goes on"
        ) from error


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Its thousand lines on one write that fails, or on a state that is damaged, are told in one."""
    return "orbax" not in Path(record.pathname).parts


def _reason(error: BaseException) -> str:
    """What an error of Orbax's began with, in a line."""
    while not isinstance(error, OSError) and (
        before := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ):
        error = before
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text.split(" [tensorstore_spec=")[0][:300]


def _all_hosts(holds: bool) -> bool:
    """Whether something holds on every host."""
    return holds if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.array(holds)).all())


def _digest(dataset: Dataset) -> str:
    """A hash of which images a data set has, in which order, as what."""
    lines = [f"{example.path.name} {example.label}" for example in dataset.examples]
    return hashlib.sha256("\n".join([*dataset.classes, *lines]).encode()).hexdigest()
