"""A run's folder: what was asked for, the states to resume from, the checkpoint so far and the log."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from jaxcam.checkpoints import save
from jaxcam.recipes import Recipe
from jaxcam.training.step import TrainState

KEPT = 2  # states to resume from: the newest, and one in reserve
LEAVES = ("step", "variables", "optimizer", "average")


class RunFolder:
    """Keeps and finds the states of one run; a context manager, which waits for pending writes at its end."""

    def __init__(
        self, folder: Path, recipe: Recipe, initial: str | os.PathLike | None, images: int, record: dict[str, Any]
    ):
        self.folder, self.record = folder.absolute(), {**record, "recipe": asdict(recipe)}
        self._claim({"recipe": asdict(recipe), "initial": str(initial) if initial else None, "images": images})
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
        """Write the state, the checkpoint of its averaged weights, and a line of the log."""
        self.states.save_checkpointables(
            int(state.step), {"state": {name: getattr(state, name) for name in LEAVES}}, force=True
        )
        record = {**self.record, "training": figures}
        save(state.params, self.folder / "checkpoint", record=record, overwrite=True)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(figures) + "\n")

    def _claim(self, asked: dict[str, Any]) -> None:
        """Make the folder this run's, or see that it is."""
        text = json.dumps(asked, indent=1) + "\n"
        path = self.folder / "recipe.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        before = _flat(json.loads(path.read_text(encoding="utf-8")))
        now = _flat(json.loads(text))
        differing = [
            f"{key} was {before.get(key)}, is {now.get(key)}" for key in sorted(now) if before.get(key) != now[key]
        ]
        if differing:
            raise ValueError(f"out: {self.folder} holds another run ({'; '.join(differing)}); give another folder")


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in tree.items() if key != "recipe"}, **tree["recipe"]}
