"""`jaxcam evaluate`: a network on a data set."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from jaxcam.commands.data import read_dataset


def evaluate(
    dataset: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="{ilsvrc,cub,tiny_imagenet,wsol,folder}")],
    *,
    data_dir: Path,
    checkpoint: str | None = None,
    split: str | None = None,
    images: Path | None = None,
    blacklist: Path | None = None,
    threshold: float | None = None,
    choose_threshold: bool = False,
    limit: int | None = None,
    batch_size: int = 64,
    out: Path = Path("out"),
) -> int:
    """Measure a network on a data set: a table, its JSON and a sheet of samples.

    Args:
        dataset: the layout of the data.
        data_dir: the data set's folder, as it is distributed.
        checkpoint: a bundled name, or a folder (with a separator: ./mine); tiny_imagenet by default.
        split: part of the data set: by default val, cub's test, and for wsol and folder what lies in DATA_DIR itself.
        images: with wsol: the folder that the lists' paths start from; DATA_DIR by default.
        blacklist: with ilsvrc: the development kit's list of validation images whose boxes are not to be scored.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        choose_threshold: with --split train: measure every threshold on these images instead, and write the best one
            into the checkpoint.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step.
        out: folder for the results.
    """
    from jaxcam import evaluation
    from jaxcam.checkpoints import load
    from jaxcam.datasets import DATASETS
    from jaxcam.report.contact_sheet import save_contact_sheet
    from jaxcam.report.table import save_table

    if dataset not in DATASETS:
        raise ValueError(f"dataset: got {dataset!r}; known are {', '.join(DATASETS)}")
    if choose_threshold and (split != "train" or threshold is not None or checkpoint is None):
        needs = "--split train, where it is chosen, --checkpoint, whose card it is written into, and no --threshold"
        raise ValueError(f"--choose-threshold: it needs {needs}")
    checkpoint = checkpoint or "tiny_imagenet"
    out.mkdir(parents=True, exist_ok=True)
    split = DATASETS[dataset].test if split is None else split
    examples, params = read_dataset(dataset, data_dir, split, images=images, blacklist=blacklist), load(checkpoint)
    _check(params, examples if limit is None else examples.spread(limit))
    name = dataset if split is None else f"{dataset} {split}"
    if choose_threshold:
        curve = evaluation.choose_threshold(params, examples, batch_size=batch_size, limit=limit)
        return _keep_threshold(curve, params, checkpoint, name, out)
    report = evaluation.evaluate(params, examples, batch_size=batch_size, threshold=threshold, limit=limit)
    report = replace(report, dataset=name, checkpoint=checkpoint)
    save_table(report, out)
    save_contact_sheet(out / "samples.png", evaluation.samples(params, examples, threshold=threshold))
    print(report, f"in {out}: report.json, report.txt, samples.png", sep="\n")
    return 0


def _keep_threshold(curve, params, checkpoint, name, out):
    """Write what was measured, and the best threshold into the checkpoint's card."""
    from jaxcam.evaluation import write_threshold
    from jaxcam.report.table import save_table

    write_threshold(checkpoint, params.card, curve, dataset=name)
    save_table(curve, out, name="thresholds")
    print(curve, f"threshold {curve.best:g} written into the card of {checkpoint}", sep="\n")
    return 0


def _check(params, examples):
    """Before the long work: the classes, and one look at every file."""
    from jaxcam.datasets import inspect
    from jaxcam.evaluation import check_classes

    check_classes(params.card, examples)
    findings = inspect(examples)
    if findings.unreadable:
        raise ValueError(str(findings))
    if findings.outside:
        print(f"warning: {findings}", file=sys.stderr)
