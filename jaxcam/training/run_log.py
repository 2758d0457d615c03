"""The figures of a training run: lines of JSON, and on request event files for TensorBoard."""

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from jaxcam.whole_files import whole_file

FILE, EVENTS = "metrics.jsonl", "tensorboard"
FLUSH_EVENTS = 5  # seconds that the last figures may take to be seen in TensorBoard

Figures = Mapping[str, float | int | str | None]


class RunLog:
    """Appends figures to a run's `metrics.jsonl`, a line a call; a context manager.

    A run that is resumed at a step loses the lines of later ones, which it writes again, and a last line that was cut
    off. JSON knows no NaN and no infinity: they are null, as what was not measured.

    Args:
        folder: the run's.
        since: the step that the run starts after; 0 for a fresh one.
        tensorboard: write the numbers to `folder/tensorboard` too, over the step, for TensorBoard.

    Raises:
        ValueError: for a file with damaged lines (when entered), or without the extra that TensorBoard takes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     with RunLog(Path(home), since=0) as log:
    ...         log.write({"step": 50, "loss": 2.5})
    ...         log.write({"step": 100, "loss": 2.0})
    ...     with RunLog(Path(home), since=50) as log:
    ...         log.write({"step": 100, "loss": 1.9})
    ...     read_log(Path(home))
    [{'step': 50, 'loss': 2.5}, {'step': 100, 'loss': 1.9}]
    """

    def __init__(self, folder: Path, *, since: int, tensorboard: bool = False):
        self.folder, self.since = folder, since
        self._writer = summary_writer() if tensorboard else None
        self._open = ExitStack()
        self._lines: BinaryIO
        self._events: Any = None

    def __enter__(self) -> "RunLog":
        path = self.folder / FILE
        kept = [line for line in read_log(self.folder) if line["step"] <= self.since]
        with whole_file(path) as file:
            file.writelines(map(_line, kept))
        self._lines = self._open.enter_context(path.open("ab"))
        if self._writer is not None:
            # TensorBoard forgets what earlier files have from that step on. Their names count whole seconds, so that
            # those of a run resumed at once would be the same.
            events = self._writer(
                str(self.folder / EVENTS),
                purge_step=self.since + 1,
                flush_secs=FLUSH_EVENTS,
                filename_suffix=f".{self.since}",
            )
            self._events = self._open.enter_context(events)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def write(self, figures: Figures) -> None:
        """Append a line, at once.

        Args:
            figures: by name, "step" among them; None for what was not measured.

        Raises:
            ValueError: without a step.
        """
        step = figures.get("step")
        if not isinstance(step, int):
            raise ValueError(f"figures: got step {step!r}; give the number of steps done, as 'step'")
        self._lines.write(_line(figures))
        self._lines.flush()
        if self._events is not None:
            for name, value in figures.items():
                if name != "step" and isinstance(value, int | float):
                    self._events.add_scalar(name, value, step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's `metrics.jsonl`, less a last one that was cut off; none where there is no file.

    Raises:
        ValueError: for a file with damaged lines.
    """
    path = folder / FILE
    if not path.exists():
        return []
    *whole, _ = path.read_bytes().split(b"\n")  # behind the last end of a line there is nothing, or half a line
    lines = []
    for number, text in enumerate(whole, start=1):
        try:
            line = dict(json.loads(text))
            line["step"] = int(line["step"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}: line {number} is damaged ({error}); delete it, or move the file away") from None
        lines.append(line)
    return lines


def _line(figures: Figures) -> bytes:
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }
    return json.dumps(finite, allow_nan=False).encode() + b"\n"


def summary_writer() -> Any:
    """The class of tensorboardX that writes event files; a ValueError without the extra that has it."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f"tensorboard: its files are written by tensorboardX, which cannot be imported ({error}): "
            "pip install 'jaxcam[tensorboard]'"
        ) from None
    return SummaryWriter
