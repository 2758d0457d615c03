"""The files of a finished evaluation: report, predictions, the development kit's file, pictures and the web page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcam.class_names import class_names
from jaxcam.datasets import Dataset
from jaxcam.evaluation.journal import write_lines
from jaxcam.evaluation.outcomes import Line
from jaxcam.metrics import rates
from jaxcam.report.contact_sheet import Sample, save_contact_sheet
from jaxcam.report.devkit_files import write_predictions
from jaxcam.report.page import ClassRow, save_page
from jaxcam.report.table import Report, save_table

SHEET = 12  # samples on the contact sheet


def save_report(
    report: Report,
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    samples: Sequence[Sample] = (),
    name: str = "report",
) -> list[str]:
    """Write all files of an evaluation, each there whole or not at all.

    Args:
        report: of `evaluate`.
        dataset: that it is of; of ILSVRC's validation images, all of them, there is a file for the development kit.
        out: their folder.
        samples: of `jaxcam.evaluation.samples`, for the page's gallery and the contact sheet.
        name: of the report's files.

    Returns:
        The names of the files.
    """
    out = Path(out)
    save_table(report, out, name=name)
    write_lines(out / "predictions.jsonl", report.predictions)
    files = [f"{name}.json", f"{name}.txt", f"{name}.html", "predictions.jsonl"]
    if lines := _devkit_lines(report, dataset):
        guesses = [[guess["label"] for guess in line["guesses"]] for line in lines]
        boxes = [[guess["box"] for guess in line["guesses"]] for line in lines]
        files.append(f"{name}.pred.loc.txt")
        write_predictions(out / files[-1], np.array(guesses), np.array(boxes, np.float32), class_ids=dataset.class_ids)
    # A map with a NaN cannot be drawn.
    drawn = [sample for sample in samples if np.isfinite(sample.map).all() and np.isfinite(sample.box).all()]
    if drawn:
        files.append("samples.png")
        save_contact_sheet(out / "samples.png", drawn[:: -(-len(drawn) // SHEET)])
    # Of an evaluation before this one, in the same folder.
    for stale in {f"{name}.pred.loc.txt", "samples.png"} - set(files):
        (out / stale).unlink(missing_ok=True)
    save_page(
        out / f"{name}.html",
        title=" · ".join(filter(None, [report.dataset, report.checkpoint])) or "evaluation",
        settings=_settings(report),
        figures=report.figures,
        notes=report.notes(),
        curves=report.curves,
        classes=[ClassRow(key, int(counts.images), *_rates(counts)) for key, counts in report.classes.items()],
        samples=drawn,
    )
    return files


def _devkit_lines(report: Report, dataset: Dataset) -> list[Line]:
    """The lines of ILSVRC's validation images by their numbers, from 1; [] where one is missing, or of other images.

    The kit's scripts count lines, and know an image by nothing else.
    """
    known = bool(dataset.class_ids) and set(dataset.class_ids) <= set(class_names(1000)[1])
    whole = len(report.predictions) == len(dataset)  # else their indices are of a part of it
    if not (known and whole and all("guesses" in line for line in report.predictions)):
        return []
    lines = {Path(dataset[line["index"]].path.name).stem: line for line in report.predictions}
    names = [f"ILSVRC2012_val_{number:08}" for number in range(1, len(report.predictions) + 1)]
    return [lines[name] for name in names] if lines.keys() == {*names} else []


def _rates(counts):
    shares = rates(counts)
    return [shares.get(name) for name in ("top1", "gt_known", "top1_loc")]


def _settings(report: Report) -> dict[str, str]:
    told = report.as_json()
    left_out = ("figures", "counts", "baselines", "classes", "skipped", "best_thresholds")
    settings: dict[str, Any] = {}
    for key, value in told.items():
        if key not in left_out:
            settings |= value if isinstance(value, dict) else {key: value}
    return {key.replace("_", " "): _text(value) for key, value in settings.items()}


def _text(value):
    return "x".join(map(str, value)) if isinstance(value, list) else "-" if value is None else str(value)
