"""From weights made elsewhere to a checkpoint folder, and what to say of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxcam.checkpoints import check_place, save
from jaxcam.class_names.name_file import read_class_names
from jaxcam.params import Params
from jaxcam.weights.importing import import_weights

SHOWN = 6  # names in a line


def make_checkpoint(
    source: str,
    network: str,
    folder: Path,
    *,
    origin: str | None = None,
    classes: Path | None = None,
    num_classes: int | None = None,
    options: dict[str, Any] | None = None,
    overwrite: bool = False,
    record: dict[str, Any] | None = None,
) -> tuple[Params, dict[str, Any]]:
    """Import weights and save them: a folder that is there whole or not at all.

    Args:
        source: as `import_weights` has it; so are network, origin and num_classes.
        network: a name of `jaxcam.networks.NETWORKS`.
        folder: where the checkpoint goes.
        origin: whose names the arrays have.
        classes: a file of class names, see `read_class_names`.
        num_classes: number of classes.
        options: of the network.
        overwrite: replace an existing checkpoint.
        record: what else its `card.json` shall tell.

    Returns:
        What `import_weights` returns.

    Raises:
        ValueError: as `import_weights` and `save` do; for a folder that is in the way, before the work.
    """
    check_place(folder, overwrite=overwrite)
    names, ids = read_class_names(classes) if classes else ((), ())
    given: dict[str, Any] = {"origin": origin, "num_classes": num_classes, "classes": names}
    foreign = sorted((options or {}).keys() & {*given, "source", "network", "key"})
    if foreign:
        raise ValueError(f"options: got {', '.join(foreign)}, which no network has as an option")
    params, report = import_weights(source, network, **given, **(options or {}))
    if ids:
        params = params.replace(card=replace(params.card, class_ids=ids))
    save(params, folder, record={**report, **(record or {})}, overwrite=overwrite)
    return params, report


def summarize(params: Params, report: dict[str, Any], folder: Path) -> str:
    """What was read, what is left out on either side, what was written, and what to do with it."""
    counts = f"{report['arrays']:,} arrays, {report['parameters']:,} parameters of the network"
    lines = [f"read {report['source']}, named as {report['origin']}'s: {counts}"]
    if report["network_options"]:
        given = [f"{name}={value}" for name, value in report["network_options"].items()]
        lines.append(f"options of the network: {_listed(given)}")
    if report["ignored"]:
        lines.append(f"ignored: {_listed(report['ignored'])}")
    if report["overridden"]:
        lines.append(f"not as {report['origin']} has it: {', '.join(report['overridden'])}")
    if report["fresh"]:
        lines.append(f"fresh, to be trained: {_listed(report['fresh'])}")
    size = "x".join(map(str, params.card.image_size))
    lines.append(f"written to {folder}: {_classes(params)}, images squashed to {size}")
    checkpoint = folder if len(folder.parts) > 1 else f"./{folder}"
    lines.append(f"next: {_next(params, report, checkpoint)}")
    return "\n".join(lines)


def _classes(params):
    names = params.card.classes
    return f"{len(names):,} classes ({', '.join(names[:2])}, ...)" if len(names) > 2 else ", ".join(names)


def _next(params, report, checkpoint):
    if report["fresh"]:
        return f"jaxcam train folder --data-dir FOLDER --init {checkpoint} --out runs/mine"
    if hasattr(params.network.head, "kernel"):
        return f"jaxcam explain PHOTO --checkpoint {checkpoint}"
    return f'jaxcam.logits(jaxcam.load("{checkpoint}"), images) in Python, since this network has no class maps'


def _listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
