"""What a benchmark leaves behind: JSON with every time, and a picture of ratios and growth."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.growth import Line
from benchmarks.measuring import Row
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcam.whole_files import whole_file

LIBRARIES = (
    "jaxcam",
    "jax",
    "torch",
    "torchvision",
    "torchcam",
    "grad-cam",
    "opencv-python-headless",
    "scikit-image",
)
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6b6b6b"


def save(
    out: Path,
    name: str,
    rows: Sequence[Row],
    *,
    lines: Sequence[Line] = (),
    stages: Mapping[str, Mapping[str, float]] | None = None,
    limits: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write `<name>.json` and `<name>.png`.

    Args:
        out: the folder.
        name: of the benchmark.
        rows: of the table.
        lines: of growth.
        stages: seconds of each part of a path, by the path's name.
        limits: how near programs come to what the device can do.
        options: that it was called with.
    """
    found = {
        "hardware": hardware(),
        "versions": {library: _version(library) for library in LIBRARIES},
        "options": options or {},
        "rows": [{**asdict(row), "memory": row.memory} for row in rows],
        "stages": stages or {},
        "limits": limits or {},
        "growth": [asdict(line) for line in lines],
    }
    with whole_file(out / f"{name}.json") as file:
        file.write(json.dumps(found, indent=1).encode())
    with whole_file(out / f"{name}.png") as file:
        draw(rows, lines).savefig(file, format="png", dpi=120)


def hardware() -> dict[str, Any]:
    """The machine, in words and numbers."""
    import jax

    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def draw(rows: Sequence[Row], lines: Sequence[Line]) -> Figure:
    """Ratios as bars, with their goals; below, a small plot for each thing that grows."""
    measured = [row for row in rows if row.ratio is not None]
    grown = list(dict.fromkeys(line.axis for line in lines))
    bars = 0.8 + 0.3 * len(measured)
    figure = Figure(figsize=(11, bars + (3.2 if grown else 0)), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(2 if grown else 1, max(1, len(grown)), height_ratios=(bars, 3.2) if grown else (1,))
    _draw_ratios(figure.add_subplot(grid[0, :]), measured)
    for place, name in enumerate(grown):
        _draw_growth(figure.add_subplot(grid[1, place]), name, [line for line in lines if line.axis == name])
    return figure


def _draw_ratios(axes: Axes, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    axes.barh(places, [row.ratio or 0 for row in rows], color=BLUE, height=0.6)
    for place, row in zip(places, rows, strict=True):
        # Behind the goal's mark, where that lies further out.
        axes.text(max(row.ratio or 0, row.goal or 0) * 1.05, place, f"{row.ratio:.2f}", va="center", fontsize=8)
        if row.goal is not None:
            axes.plot([row.goal] * 2, [place - 0.4, place + 0.4], color=VERMILION, linewidth=2)
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set(xscale="log", yticks=places, xlabel="speed of jaxcam by the peer's; red: the goal")
    axes.set_yticklabels([f"{row.work}, beside {row.peer}" for row in rows], fontsize=8)
    axes.margins(x=0.1)
    axes.invert_yaxis()


def _draw_growth(axes: Axes, name: str, lines: Sequence[Line]) -> None:
    for line in lines:
        axes.plot(line.steps, line.milliseconds, marker="o", label=line.title)
    steps = lines[0].steps
    axes.set(xscale="log", yscale="log", xlabel=name, xticks=steps, xticklabels=[str(step) for step in steps])
    axes.minorticks_off()
    axes.set_ylabel("ms an image", fontsize=8)
    axes.legend(fontsize=7, frameon=False)
