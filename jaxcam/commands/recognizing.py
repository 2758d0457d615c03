"""`jaxcam recognize`: what a crop to the box of a class map adds to recognition."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxcam.commands.pools import POOL, read_pool


def recognize(
    dataset: Annotated[tyro.conf.Positional[str], POOL] = "cub",
    *,
    data_dir: Path,
    checkpoint: str = "tiny_imagenet",
    boxes: Path | None = None,
    split: str | None = None,
    train: float | None = None,
    test: int | None = None,
    threshold: float | None = None,
    limit: int | None = None,
    batch_size: int = 64,
    pictures: int = 24,
    on_error: Literal["stop", "skip"] = "stop",
    out: Path = Path("out"),
) -> int:
    """Recognize classes by linear SVMs on features: of full images, of crops to CAM boxes, and of crops to true boxes.

    Interrupted, the same command goes on. The SVM of full images makes the maps whose boxes the images are cropped to.
    Where images have no true boxes, their figures are left out.

    Args:
        dataset: with training and test images, such as those of DATA_DIR/train and DATA_DIR/test, or with a rule that
            draws them; see `jaxcam features`.
        data_dir: the data set's folder, as it is distributed.
        checkpoint: a bundled name, or a folder (with a separator: ./mine); its own classes are not used.
        boxes: a list of "photo,x0,y0,x1,y1" lines, 0-based and inclusive, the photos' paths from DATA_DIR: one an
            image.
        split: take this part of the data set alone, and draw images from it.
        train: where images are drawn at random (with seed 0): of each class to train on; below 1, the share of them.
        test: at most so many of the others to test on.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        limit: use only so many images of each of the two parts, evenly spaced.
        batch_size: images a step.
        pictures: how many test images heatmaps.png shows, with the map that each was cropped by; 0 for none.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were. Pixels are not looked at.
        out: folder for recognition.json and heatmaps.png; until these are written, for features and boxes too.
    """
    from jaxcam.applications.fine_grained import recognize as measure
    from jaxcam.checkpoints import load
    from jaxcam.datasets.box_list import with_boxes

    params = load(checkpoint)
    pool = read_pool(dataset, data_dir, split=split, train=train, test=test, on_error=on_error)
    pool = replace(pool, lists=pool.lists[:1], rule=pool.rule and replace(pool.rule, splits=1))
    if boxes is not None:
        pool = replace(pool, dataset=with_boxes(pool.dataset, boxes, root=data_dir))
    parts = [_check(pool.take(places), limit, on_error) for places in pool.split(0)]
    keep = out / ".recognition"
    found = measure(params, *parts, threshold=threshold, batch_size=batch_size, keep=keep)
    data = {"dataset": dataset, "data_dir": str(data_dir), "splits": pool.told(), "limit": limit}
    data |= {"boxes": boxes and str(boxes), "on_error": on_error, "train": len(parts[0]), "test": len(parts[1])}
    _write(params, parts[1], found, out, checkpoint, data, pictures)
    shutil.rmtree(keep)
    return 0


def _write(params, test, found, out, checkpoint, data, pictures):
    """Write the files, and print the table."""
    from jaxcam.applications.fine_grained import save_recognition, show_recognition
    from jaxcam.report.contact_sheet import save_contact_sheet
    from jaxcam.report.published import CUB_RECOGNITION, recognition_table

    save_recognition(found, out / "recognition.json", checkpoint=checkpoint, data=data)
    files = ["recognition.json"]
    if pictures > 0:
        save_contact_sheet(out / "heatmaps.png", show_recognition(params, test, found, count=pictures))
        files.append("heatmaps.png")
    print("{dataset}: {train} images to train on, {test} to test on; {splits}".format(**data))
    print(found.heading())
    print(recognition_table(found.figures, published=CUB_RECOGNITION if data["dataset"] == "cub" else {}))
    print(f"in {out}: {', '.join(files)}")


def _check(part, limit, on_error):
    """The images to use, every file of which was looked at."""
    from jaxcam.datasets import inspect

    part = part if limit is None else part.spread(limit)
    findings = inspect(part)
    if findings.unreadable and on_error == "stop":
        raise ValueError(f"{findings}; --on-error skip leaves out what cannot be read")
    if findings.unreadable or findings.outside:
        print(f"warning: {replace(findings, empty_classes=())}", file=sys.stderr)
    return part.without(findings.unreadable)
