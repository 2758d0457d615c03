"""`jaxcam evaluate`: a network on a data set."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.data import DATASET, check_dataset, read_split
from jaxcam.commands.hosts import Hosts


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
    method: str = "cam",
    stage: str | None = None,
    views: Literal["single", "ten_crop"] = "single",
    image_size: tuple[int, int] | None = None,
    box_grid: Literal["network", "image"] = "network",
    choose_threshold: bool = False,
    on_error: Literal["stop", "skip"] = "stop",
    limit: int | None = None,
    batch_size: int = 64,
    bfloat16: bool = False,
    gallery: int = 96,
    hosts: Annotated[Hosts, tyro.conf.arg(name="")] = Hosts(),  # noqa: B008 (a constant)
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
        method: of the maps, one of those that `jaxcam methods` lists; saliency is the paper's Backprop.
        stage: of the network, that the method looks at; by default the last one with cells.
        views: maps of the squashed image, or merged from ten crops.
        image_size: height and width that images are squashed to; the checkpoint's own by default.
        box_grid: threshold maps at the size of the squashed image (the rule wsol at 224 x 224) and scale the boxes, or
            at each image's own size.
        choose_threshold: with --split train: measure every threshold on these images instead, and write the best one
            into the checkpoint.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were, which is no failure.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step, shared among the devices.
        bfloat16: compute the network in bfloat16; maps and boxes are float32.
        gallery: how many images the page shows.
        hosts: the processes of the run.
        out: folder for the results, which all processes see.
    """
    checkpoint = _checkpoint(checkpoint, choose_threshold, split, threshold, bfloat16)
    hosts.join()
    from jaxcam.evaluation import Protocol

    given: dict[str, Any] = {"images": images, "masks": masks, "blacklist": blacklist, "annotations": annotations}
    params = _load(checkpoint, bfloat16)
    examples = check_dataset(params, read_split(dataset, data_dir, split, on_error, given), limit, on_error)
    how: dict[str, Any] = {"protocol": Protocol(method, views, rule, box_grid, image_size, stage), "on_error": on_error}
    how |= {"name": f"{dataset} {examples.split}".strip(), "checkpoint": checkpoint, "batch_size": batch_size}
    if choose_threshold:
        return _keep_threshold(params, examples, out, **how)
    told = {"data_dir": data_dir, "limit": limit, "blacklist": blacklist, "bfloat16": bfloat16}
    return _measure(params, examples, out, options=told, threshold=threshold, gallery=gallery, **how)


def _load(checkpoint, bfloat16):
    from jaxcam.checkpoints import load

    params = load(checkpoint)
    return params.astype("bfloat16") if bfloat16 else params


def _measure(params, examples, out, *, options, **how):
    """Evaluate, write everything down, and print the table."""
    from jaxcam.evaluation import measure

    options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    report, files = measure(params, examples, out, options=options, **how)
    if files:
        print(report, f"in {out}: {', '.join(files)}", sep="\n")
    return 0


def _keep_threshold(params, examples, out, *, name, checkpoint, **how):
    """Measure all thresholds, and write the best one into the checkpoint's card."""
    import jax

    from jaxcam.evaluation import Protocol, choose_threshold, write_threshold
    from jaxcam.report.table import save_table

    protocol, curve = how["protocol"], choose_threshold(params, examples, **how)
    if jax.process_index() > 0:
        return 0
    write_threshold(checkpoint, params.card, curve, dataset=name, protocol=protocol)
    save_table(curve, out, name="thresholds")
    print(curve, f"threshold {curve.best:g} written into the card of {checkpoint}", sep="\n")
    if protocol != Protocol():
        print("warning: it suits these options, and is from now on the card's for all others too", file=sys.stderr)
    return 0


def _checkpoint(checkpoint, choose_threshold, split, threshold, bfloat16):
    """The checkpoint that was given, or the bundled one, into which no threshold is to be written by default."""
    training = split is not None and split.partition("[")[0] == "train"
    if choose_threshold and (not training or threshold is not None or checkpoint is None or bfloat16):
        needs = "--split train, where it is chosen, --checkpoint, whose card it is written into"
        needs += ", and neither --threshold nor --bfloat16"
        raise ValueError(f"--choose-threshold: it needs {needs}")
    return checkpoint or "tiny_imagenet"
