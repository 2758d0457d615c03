"""What an import did, in a few lines."""

from pathlib import Path
from typing import Any

from jaxcam.params import Params

SHOWN = 6  # names in a line


def summarize_import(params: Params, report: dict[str, Any], folder: Path) -> str:
    """What was read, what is left out on either side, what was written, and what to do with it."""
    counts = f"{report['arrays']:,} arrays, {report['parameters']:,} parameters of the network"
    lines = [f"read {report['source']}, named as {report['origin']}'s: {counts}"]
    if report["ignored"]:
        lines.append(f"ignored: {_listed(report['ignored'])}")
    if report["overridden"]:
        lines.append(f"not as {report['origin']} has it: {', '.join(report['overridden'])}")
    if report["fresh"]:
        lines.append(f"fresh, to be trained: {_listed(report['fresh'])}")
    size = "x".join(map(str, params.card.image_size))
    lines.append(f"written to {folder}: {len(params.card.classes):,} classes, images squashed to {size}")
    checkpoint = folder if len(folder.parts) > 1 else f"./{folder}"
    lines.append(f"next: {_next(params, report, checkpoint)}")
    return "\n".join(lines)


def _next(params, report, checkpoint):
    if report["fresh"]:
        return f"jaxcam train folder --data-dir FOLDER --init {checkpoint} --out runs/mine"
    if hasattr(params.network.head, "kernel"):
        return f"jaxcam explain PHOTO --checkpoint {checkpoint}"
    return f'jaxcam.logits(jaxcam.load("{checkpoint}"), images) in Python, since this network has no class maps'


def _listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
