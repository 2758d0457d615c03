"""What the first host of a run writes for people to look at: figures, curves, heatmaps, a trace."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcam.datasets import Dataset
from jaxcam.params import Params
from jaxcam.report.curves import save_curves
from jaxcam.training.emergence import choose_examples, no_heatmaps, save_emergence, save_heatmaps
from jaxcam.training.run_folder import writing
from jaxcam.training.run_log import FILE, RunLog, read_log

TRACED = (10, 20)  # steps of this start: the first ones compile


class Showing:
    """Keeps a run's log and pictures; a context manager. On other hosts than the first it does nothing.

    Args:
        folder: the run's.
        since: the step that the run goes on from.
        held_out: images, of some of which heatmaps are drawn.
        tensorboard: write for TensorBoard too.
        profile: trace some steps into `folder/profile`.
    """

    def __init__(self, folder: Path, *, since: int, held_out: Dataset, tensorboard: bool, profile: bool):
        self.folder, self.first = folder, jax.process_index() == 0
        self.examples, self.profile = choose_examples(held_out), profile and self.first
        self.log = RunLog(folder, since=since, tensorboard=tensorboard) if self.first else None
        self.trace, self.steps = ExitStack(), 0

    def __enter__(self) -> "Showing":
        if self.log is not None:
            with writing(self.folder, FILE):
                self.log.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # there is a worse one to tell of
                self._close(kind, error, trace)
            return
        with writing(self.folder, "the log or the pictures of the end"):
            self._close(kind, error, trace)
            if self.first:
                save_curves(self.folder / "curves.png", read_log(self.folder), title=self.folder.name)
                save_emergence(self.folder)
        if self.profile and self.steps <= TRACED[0]:
            told = f"this start had {self.steps} steps, and the first {TRACED[0]}, among which are those that compile,"
            print(f"profile: no step is traced; {told} are left out", file=sys.stderr)

    def step(self, number: int) -> None:
        """Begin or end the trace behind a step of this start, counted from 1."""
        self.steps = number
        if self.profile and number == TRACED[0]:
            self.trace.enter_context(jax.profiler.trace(str(self.folder / "profile")))
        elif self.profile and number == TRACED[1]:
            self.trace.close()

    def line(self, figures: dict[str, Any]) -> None:
        """A line of figures."""
        if self.log is not None:
            with writing(self.folder, FILE):
                self.log.write(figures)

    def lacks(self, step: int) -> bool:
        """Whether the log has no line of a step; all hosts are told."""
        lacking = self.first and all(line["step"] != step for line in read_log(self.folder))
        return lacking if jax.process_count() == 1 else bool(multihost_utils.broadcast_one_to_all(np.array(lacking)))

    def epoch(self, params: Params, epoch: float) -> str:
        """Heatmaps as they are behind an epoch; says why, where there can be none."""
        if self.first:
            with writing(self.folder, "heatmaps"):
                save_heatmaps(params, self.examples, self.folder, epoch)
        return no_heatmaps(params)

    def _close(self, kind, error, trace):
        self.trace.close()
        if self.log is not None:
            self.log.__exit__(kind, error, trace)
