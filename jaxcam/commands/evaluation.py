"""`jaxcam evaluate`: a network on a data set."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.data import DATASET, find_layout, read_dataset


def evaluate(
    dataset: Annotated[tyro.conf.Positional[str], DATASET],
    *,
    data_dir: Path,
    checkpoint: str | None = None,
    split: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    blacklist: Path | None = None,
    annotations: Path | None = None,
    rule: Literal["paper", "release", "wsol"] = "paper",
    threshold: float | None = None,
    method: Literal["cam", "saliency"] = "cam",
    views: Literal["single", "ten_crop"] = "single",
    image_size: tuple[int, int] | None = None,
    box_grid: Literal["network", "image"] = "network",
    choose_threshold: bool = False,
    on_error: Literal["stop", "skip"] = "stop",
    limit: int | None = None,
    batch_size: int = 64,
    gallery: int = 96,
    out: Path = Path("out"),
) -> int:
    """Measure a network on a data set: a table, JSON, a line for each image, and a page to look at.

    What was found in each image is kept at once: interrupted, the same command goes on where it stopped.

    Args:
        dataset: the layout of the data.
        data_dir: the data set's folder, as it is distributed.
        checkpoint: a bundled name, or a folder (with a separator: ./mine); tiny_imagenet by default.
        split: part of the data set: by default val; test for cub; for tfds:NAME test, or else validation; for wsol,
            folder and packed what lies in DATA_DIR itself.
        images: with wsol: the folder that the lists' paths start from; DATA_DIR by default.
        masks: with wsol: the folder that the masks' paths start from; that of the images by default.
        blacklist: with ilsvrc: the development kit's list of validation images whose boxes are not to be scored.
        annotations: with tfds:imagenet2012: the folder Annotations/CLS-LOC, for the boxes that TFDS does not have.
        rule: of the boxes: the paper's; the released code's, with two boxes for each of the first two classes and one
            for the third; or that of the WSOL benchmark.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        method: of the maps: class activation, or the gradient at each pixel (the paper's Backprop).
        views: maps of the squashed image, or merged from ten crops.
        image_size: height and width that images are squashed to; the checkpoint's own by default.
        box_grid: threshold maps at the size of the squashed image (the rule wsol at 224 x 224) and scale the boxes, or
            at each image's own size.
        choose_threshold: with --split train: measure every threshold on these images instead, and write the best one
            into the checkpoint.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were, which is no failure.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step, shared among the devices.
        gallery: how many images the page shows.
        out: folder for the results.
    """
    from jaxcam.checkpoints import load
    from jaxcam.evaluation import Protocol

    if choose_threshold and (split != "train" or threshold is not None or checkpoint is None):
        needs = "--split train, where it is chosen, --checkpoint, whose card it is written into, and no --threshold"
        raise ValueError(f"--choose-threshold: it needs {needs}")
    protocol, checkpoint = Protocol(method, views, rule, box_grid, image_size), checkpoint or "tiny_imagenet"
    given: dict[str, Any] = {"images": images, "masks": masks, "blacklist": blacklist, "annotations": annotations}
    given["on_error"] = on_error if "on_error" in find_layout(dataset).options else None
    split = find_layout(dataset).test if split is None else split
    examples, params = read_dataset(dataset, data_dir, split, **given), load(checkpoint)
    examples = _checked(params, examples if limit is None else examples.spread(limit), on_error)
    names = {"dataset": f"{dataset} {split}" if split else dataset, "checkpoint": checkpoint, "on_error": on_error}
    how = {"protocol": protocol, "batch_size": batch_size}
    if choose_threshold:
        return _keep_threshold(params, examples, out, **names, how=how)
    return _report(params, examples, out, gallery, **names, how={**how, "threshold": threshold})


def _report(params, examples, out, gallery, *, dataset, checkpoint, on_error, how):
    """Evaluate, and write everything down: of several hosts, the first one does."""
    import jax

    from jaxcam import evaluation

    journal = out / f"predictions.jsonl.{jax.process_index()}.part"
    report = evaluation.evaluate(params, examples, journal=journal, on_error=on_error, **how)
    if jax.process_index() == 0:
        origin = {"checkpoint_sha256": evaluation.params_hash(params), **evaluation.origin()}
        report = replace(report, dataset=dataset, checkpoint=checkpoint, origin=origin)
        shown = gallery > 0 and evaluation.has_maps(params, how["protocol"])
        samples = evaluation.samples(params, examples, count=gallery, **how) if shown else ()
        files = evaluation.save_report(report, examples, out, samples=samples)
        print(report, f"in {out}: {', '.join(files)}", sep="\n")
    journal.unlink()
    return 0


def _keep_threshold(params, examples, out, *, dataset, checkpoint, on_error, how):
    """Measure all thresholds, and write the best one into the checkpoint's card."""
    from jaxcam.evaluation import choose_threshold, write_threshold
    from jaxcam.report.table import save_table

    curve = choose_threshold(params, examples, on_error=on_error, **how)
    write_threshold(checkpoint, params.card, curve, dataset=dataset, rule=how["protocol"].rule)
    save_table(curve, out, name="thresholds")
    print(curve, f"threshold {curve.best:g} written into the card of {checkpoint}", sep="\n")
    return 0


def _checked(params, examples, on_error):
    """Before the long work: the classes, and one look at every file. What cannot be read is an error, or a warning."""
    from jaxcam.datasets import inspect
    from jaxcam.evaluation import check_classes

    check_classes(params.card, examples)
    findings = inspect(examples)
    if findings.unreadable and on_error == "stop":
        raise ValueError(f"{findings}; --on-error skip leaves out what cannot be read")
    if findings:
        print(f"warning: {findings}", file=sys.stderr)
    return examples
