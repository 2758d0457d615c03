"""A whole evaluation: figures, samples and all files, gone on with where it was cut off."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from jaxcam.checkpoints import checkpoint_hash
from jaxcam.datasets import Dataset
from jaxcam.evaluation.figures import evaluate
from jaxcam.evaluation.files import save_report
from jaxcam.evaluation.inputs import has_maps
from jaxcam.evaluation.origin import origin
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.samples import samples
from jaxcam.params import Params
from jaxcam.report.table import Report


def measure(
    params: Params,
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    name: str = "",
    checkpoint: str = "",
    protocol: Protocol = Protocol(),
    threshold: float | None = None,
    batch_size: int = 64,
    on_error: str = "stop",
    gallery: int = 96,
    options: Mapping[str, Any] | None = None,
) -> tuple[Report, list[str]]:
    """Evaluate, and write everything down; interrupted, the same call goes on where it stopped.

    Args:
        params: a network's.
        dataset: what to evaluate on.
        out: folder of the files; of several hosts, the first one writes them.
        name: of the data set, for the report.
        checkpoint: where the params are from, for the report; "" for none.
        protocol: how maps and boxes are made.
        threshold: as for `evaluate`.
        batch_size: images a step.
        on_error: "stop" at an unreadable image, or "skip" and count it.
        gallery: how many images the page shows.
        options: what else the report shall tell of how it was made, as JSON values.

    Returns:
        The report, and the names of the files in `out`.

    Raises:
        ValueError: for what `evaluate` refuses.
    """
    started, journal = origin(), Path(out, f"predictions.jsonl.{jax.process_index()}.part")
    hashes = {"checkpoint_sha256": checkpoint_hash(checkpoint)} if checkpoint else {}
    how: dict[str, Any] = {"protocol": protocol, "threshold": threshold, "batch_size": batch_size}
    report = evaluate(params, dataset, journal=journal, on_error=on_error, **how)
    told = {"options": {**(options or {}), "batch_size": batch_size, "on_error": on_error}}
    report = replace(report, dataset=name, checkpoint=checkpoint, origin={**hashes, **started, **told})
    files = []
    if jax.process_index() == 0:
        shown = gallery > 0 and has_maps(params, protocol)
        drawn = samples(params, dataset, count=gallery, **how) if shown else ()
        files = save_report(report, dataset, out, samples=drawn)
    if jax.process_count() > 1:  # what the others found is kept until it is in the files
        multihost_utils.sync_global_devices("saved")
    journal.unlink(missing_ok=True)
    return report, files
