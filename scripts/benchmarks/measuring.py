"""Ways to do the same work, timed by turns in one process; the peak memory of each in a process of its own."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.agreement import close
from tqdm import tqdm

MEBIBYTE = 2**20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of what getrusage tells


@dataclass(frozen=True)
class Contender:
    """A way to do a piece of work.

    Attributes:
        name: of the library.
        where: "module:function", imported only where it is run: `function(**options)` gives the function that does the
            work once and waits for its result.
        options: that can be pickled.
        needs: modules without which there is nothing to compare with.
        goal: our speed by this one's, to reach.
        agree: `agree(our result, its result)` says how well they agree, and raises a ValueError where they do not.
    """

    name: str
    where: str
    options: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    goal: float | None = None
    agree: Callable[[Any, Any], str] = close

    def prepare(self) -> Callable[[], Any]:
        module, function = self.where.split(":")
        return getattr(import_module(module), function)(**self.options)

    def missing(self) -> list[str]:
        return [name for name in self.needs if find_spec(name) is None]


@dataclass(frozen=True)
class Work:
    """What is measured.

    Attributes:
        title: what is done.
        amount: how much of it one run of each contender does.
        unit: of the amount ("images", "maps").
        ours: jaxcam.
        peers: what it is compared with.
        warm: runs before those that are timed; the results of the last of them are compared.
    """

    title: str
    amount: int
    unit: str
    ours: Contender
    peers: tuple[Contender, ...]
    warm: int = 1


@dataclass(frozen=True)
class Row:
    """A line of the table: jaxcam beside one peer; what could not be measured is None, and `note` says why."""

    work: str
    unit: str
    peer: str
    goal: float | None
    ratio: float | None = None
    ours: float | None = None  # units a second, at the median
    theirs: float | None = None
    note: str = ""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)  # MiB

    @property
    def memory(self) -> float | None:
        """Our peak by theirs."""
        if not self.peaks:
            return None
        ours, theirs = self.peaks.values()
        return ours / theirs


def measure(work: Work, *, rounds: int, memory: bool = True) -> list[Row]:
    """A row a peer. Results are compared first, which also compiles and warms; each round then runs all by turns."""
    present = [work.ours, *(peer for peer in work.peers if not peer.missing())]
    runs = {contender.name: contender.prepare() for contender in present}
    results = {name: [run() for _ in range(work.warm)][-1] for name, run in runs.items()}
    notes = {peer.name: peer.agree(results[work.ours.name], results[peer.name]) for peer in present[1:]}
    del results
    seconds = by_turns(runs, rounds=rounds, title=work.title)
    del runs
    peaks = {contender.name: peak_memory(contender) for contender in present} if memory else {}
    speeds = {name: work.amount / median(times) for name, times in seconds.items()}
    rows = []
    for peer in work.peers:
        line = Row(work.title, work.unit, peer.name, peer.goal)
        if peer.name in notes:
            pair = (work.ours.name, peer.name)
            ours, theirs = (speeds[name] for name in pair)
            line = replace(line, ours=ours, theirs=theirs, ratio=ours / theirs, note=notes[peer.name])
            line = replace(line, seconds={name: seconds[name] for name in pair})
            line = replace(line, peaks={name: peaks[name] for name in pair}) if peaks else line
        else:
            line = replace(line, note=f"needs {', '.join(peer.missing())}: pip install '.[peers]'")
        rows.append(line)
    return rows


def by_turns(runs: Mapping[str, Callable[[], Any]], *, rounds: int, title: str) -> dict[str, list[float]]:
    """Seconds of each run, one after the other in each round, which each begins in its turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for number in tqdm(range(rounds), title, unit=" rounds", disable=None):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def medians(parts: Mapping[str, Callable[[], Any]], *, rounds: int, title: str) -> dict[str, float]:
    """Median seconds of each part of a path, after a run that is not counted."""
    for run in parts.values():
        run()
    return {name: median(times) for name, times in by_turns(parts, rounds=rounds, title=title).items()}


def peak_memory(contender: Contender) -> float:
    """MiB that a process which does nothing but this work, twice, takes at most: of a GPU's memory, if it uses one."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.SimpleQueue()
    process = context.Process(target=_tell_peak, args=(contender, told))
    process.start()
    process.join()
    if process.exitcode:
        raise ValueError(f"{contender.name}: its process ended with {process.exitcode}; see what it printed above")
    return told.get()


def _tell_peak(contender: Contender, told: Any) -> None:
    run = contender.prepare()
    for _ in range(2):
        run()
    del run  # with the worker processes that it kept: only those that have ended are counted
    in_memory = max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * RSS_UNIT
    told.put((_peak_of_gpu() or in_memory) / MEBIBYTE)


def _peak_of_gpu() -> int:
    """Bytes of a GPU's memory that were in use at once, by whichever library computed there; 0 for none."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    statistics = jax.local_devices()[0].memory_stats() if jax is not None else None
    return (statistics or {}).get("peak_bytes_in_use", 0)


def _own_peak() -> int:
    """In getrusage's unit, whose own figure is on Linux that of the process which started this one, if that is more."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def table(rows: Sequence[Row], *, heading: bool = True) -> str:
    """The rows for a terminal, a ratio a line."""
    names = f"{'work':58} {'peer':17} {'ratio':>6} {'goal':>5} {'ours':>9} {'theirs':>9} {'memory':>7}  agreement"
    lines = [names] if heading else []
    for row in rows:
        figures = [_shown(value, digits) for value, digits in ((row.ratio, 2), (row.goal, 2))]
        speeds = [_shown(value, 4 if value and value < 1 else 1) for value in (row.ours, row.theirs)]
        name = f"{row.work}, {row.unit}/s"
        lines.append(
            f"{name:58} {row.peer:17} {figures[0]:>6} {figures[1]:>5} {speeds[0]:>9} {speeds[1]:>9} "
            f"{_shown(row.memory, 2):>7}  {row.note}"
        )
    return "\n".join(lines)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
