"""What is known of a run while it goes on: its metrics, its speed and how long it waited for data."""

import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar

import jax
import numpy as np
from tqdm import tqdm

from jaxcam.training.step import TrainState

WINDOW = 50  # steps that metrics are means over
IN_FLIGHT = 2  # steps that the host may be ahead of the devices: more would only fill their memory with batches
Item = TypeVar("Item")


class Watch:
    """Follows a run from step to step; a context manager, with a bar of progress on the terminal of the first host."""

    def __init__(self, state: TrainState):
        recipe = state.recipe
        self.batch_size, self.steps_an_epoch = recipe.batch_size, state.steps_an_epoch
        self.known: deque[dict[str, Any]] = deque(maxlen=WINDOW)
        self.compiled, self.steps = False, 0
        self._restart()
        # In a log file a line every half minute is enough.
        pause = 0.5 if sys.stderr.isatty() else 30.0
        total, first = state.steps * self.batch_size, int(state.step) * self.batch_size
        options: dict[str, Any] = {"unit": " images", "unit_scale": True, "mininterval": pause, "desc": "training"}
        self.bar = tqdm(total=total, initial=first, disable=jax.process_index() > 0, **options)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def wait_for(self, stream: Iterator[Item]) -> Item:
        """The next batch, and how long it took."""
        began = time.perf_counter()
        batch = next(stream)
        self.waited += time.perf_counter() - began
        return batch

    def count(self, measured: dict[str, Any]) -> None:
        """A step was given to the devices; waits where it is too far ahead of them."""
        self.pending.append(measured)
        self.steps += 1
        if not self.compiled:  # the first step takes much longer than the others
            jax.block_until_ready(measured)
            self.compiled, self.steps, self.waited, self.since = True, 0, 0.0, time.perf_counter()
        if len(self.pending) > IN_FLIGHT:
            jax.block_until_ready(self.pending[-1 - IN_FLIGHT]["loss"])
        self.bar.update(self.batch_size)

    def look(self, step: int) -> tuple[dict[str, Any], int]:
        """Figures of the last steps, and the first step that failed, -1 for none; waits for the devices."""
        self.known += jax.device_get(self.pending)
        failed_at = int(np.max(self.known[-1]["failed_at"]))
        took = time.perf_counter() - self.since
        figures: dict[str, Any] = {"step": step, "epoch": round(step / self.steps_an_epoch, 4)}
        for name in ("loss", "accuracy", "gradient_norm"):
            figures[name] = _rounded(np.mean([one[name] for one in self.known], dtype=np.float64))
        figures["learning_rate"] = _rounded(np.mean(self.known[-1]["learning_rate"]))
        if self.steps:
            figures["images_per_second"] = _rounded(self.steps * self.batch_size / took)
            figures["data_wait"] = round(self.waited / took, 4)
            self.bar.set_postfix(loss=figures["loss"], accuracy=figures["accuracy"], data_wait=figures["data_wait"])
        self._restart()
        return figures, failed_at

    def begin_anew(self) -> None:
        """Behind a state kept, which is not training time; means begin anew, as they do in a run that is resumed."""
        self.known.clear()
        self._restart()

    def say(self, line: str) -> None:
        """A line above the bar."""
        if not self.bar.disable:
            self.bar.write(line)

    def _restart(self) -> None:
        self.pending: list[dict[str, Any]] = []
        self.steps, self.waited, self.since = 0, 0.0, time.perf_counter()


def _rounded(value: Any) -> float:
    """A figure of a log, of five digits."""
    value = float(value)
    return float(f"{value:.5g}") if math.isfinite(value) else value
