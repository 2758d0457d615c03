"""A run's folder: what was asked for, the states to resume from, the checkpoint so far and the log."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from jaxcam.checkpoints import save
from jaxcam.datasets import Dataset
from jaxcam.training.recipes import Recipe
from jaxcam.training.step import TrainState
from jaxcam.whole_files import whole_file

KEPT = 2  # states to resume from: the newest, and one in reserve
LEAVES = ("step", "variables", "optimizer", "average")


class RunFolder:
    """Keeps and finds the states of one run; a context manager, which waits for pending writes at its end."""

    def __init__(
        self, folder: Path, recipe: Recipe, initial: str | os.PathLike | None, dataset: Dataset, record: dict[str, Any]
    ):
        self.folder, values = folder.absolute(), asdict(recipe)
        self._claim({**values, "initial": str(initial) if initial else None, "data": _digest(dataset)})
        if initial:  # its network is used, and not the recipe's
            values = {name: value for name, value in values.items() if name not in ("network", "options")}
            record = {**record, "initial": str(initial)}
        self.record = {**record, "recipe": values}
        policy = ocp.training.preservation_policies.LatestN(KEPT)
        self.states = ocp.training.Checkpointer(self.folder / "states", preservation_policy=policy)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: Any) -> None:
        self.states.close()

    def resume(self, state: TrainState) -> TrainState:
        """The newest state kept, or the one given where there is none."""
        if self.states.latest is None:
            return state
        tree = {name: getattr(state, name) for name in LEAVES}
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), tree)
        step = self.states.latest.step
        kept = self.states.load_checkpointables(step, {"state": expected})["state"]
        return replace(state, **kept)

    def keep(self, state: TrainState, figures: dict[str, Any]) -> None:
        """Write the checkpoint of the averaged weights, a line of the log, and the state.

        The state comes last: a run cut off in between does this epoch again, and writes the same again.
        """
        record = {**self.record, "training": figures}
        save(state.params, self.folder / "checkpoint", record=record, overwrite=True)
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        lines = [line for line in lines if json.loads(line)["step"] < figures["step"]]
        with whole_file(log) as file:
            file.write("".join(f"{line}\n" for line in [*lines, json.dumps(figures)]).encode())
        self.states.save_checkpointables(
            int(state.step), {"state": {name: getattr(state, name) for name in LEAVES}}, force=True
        )

    def _claim(self, asked: dict[str, Any]) -> None:
        """Make the folder this run's, or see that it is."""
        path, asked = self.folder / "recipe.json", json.loads(json.dumps(asked))
        if not path.exists():
            with whole_file(path) as file:
                file.write((json.dumps(asked, indent=1) + "\n").encode())
            return
        try:
            before = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(f"out: {path} is damaged ({error}); give another folder") from None
        keys = [key for key in sorted(asked) if before.get(key) != asked[key]]
        if keys:
            differing = "; ".join(f"{key} was {before.get(key)}, is {asked[key]}" for key in keys)
            raise ValueError(f"out: {self.folder} holds another run ({differing}); give another folder")


def _digest(dataset: Dataset) -> str:
    """A hash of which images a data set has, in which order, as what."""
    lines = [f"{example.path.name} {example.label}" for example in dataset.examples]
    return hashlib.sha256("\n".join([*dataset.classes, *lines]).encode()).hexdigest()
