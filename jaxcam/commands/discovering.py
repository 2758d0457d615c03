"""`jaxcam scenes`: the objects that tell a scene from others."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

SHOWN = 5  # of what is left out


def scenes(
    layout: Annotated[tyro.conf.Positional[Literal["folder", "ade20k", "sun"]], tyro.conf.arg(name="layout")],
    *,
    data_dir: Path,
    masks: Path | None = None,
    split: str | None = None,
    category: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = (),
    least: int = 2,
    checkpoint: str = "tiny_imagenet",
    threshold: float = 0.5,
    overlap: float = 0.5,
    top: int = 6,
    pictures: int = 3,
    batch_size: int = 32,
    on_error: Literal["stop", "skip"] = "stop",
    out: Path = Path("out"),
) -> int:
    """Find the objects that lie where a linear SVM on a network's features sees each scene category.

    Writes scenes.json, the table as scenes.txt, a line a photo as photos.jsonl, and a picture a category. What was
    found in each photo is kept at once: interrupted, the same command goes on where it stopped.

    Args:
        layout: of the data: ade20k (the full data set, of 2016, 2017 or 2021), sun (SUN2012, or any Images beside
            Annotations of LabelMe's), or folder: DATA_DIR/<scene>/<photo>.jpg beside
            MASKS/<scene>/<photo>/<object>[.N].png.
        data_dir: the data set's folder; with folder: that of the photos.
        masks: with folder: that of the masks, one a file, of their photo's size, black where the object is not.
        split: with ade20k: training, the default, or validation; with folder: a folder of both.
        category: a scene category to use; may be given several times; all by default.
        least: leave out categories with fewer annotated photos; the paper's ten have 200 or more.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        threshold: share of a map's maximum from which a pixel is under high activation.
        overlap: share of its pixels under high activation from which an object overlaps.
        top: how many objects a category.
        pictures: how many photos a category's picture shows, with heatmap and outlines; 0 for no pictures.
        batch_size: photos a step.
        on_error: at a file without a readable header, or a mask of another size than its photo, stop, or skip the photo
            and say so. Photos without masks are always skipped, and counted.
        out: folder for the results.
    """
    _check_counts(least, top, pictures)
    import shutil

    from jaxcam.applications.scene_counts import save_scene_objects
    from jaxcam.applications.scene_objects import FEATURES, LINES, find_scene_objects
    from jaxcam.applications.scene_pictures import save_scene_sheets
    from jaxcam.checkpoints import load

    params = load(checkpoint)
    known = _read(layout, data_dir, masks, split).of(category, least=1).checked(on_error=on_error).of(least=least)
    _warn(known.dataset.skipped)
    how: dict[str, Any] = {"threshold": threshold, "overlap": overlap, "batch_size": batch_size}
    found = find_scene_objects(params, known, keep=out, **how)
    options: dict[str, Any] = {"data_dir": str(data_dir), "layout": layout, "split": split, "least": least}
    options |= {"masks": masks and str(masks), "category": category, "on_error": on_error}
    files = save_scene_objects(found, out, checkpoint=checkpoint, top=top, options=options)
    sheets = save_scene_sheets(params, known, found, out, pictures=pictures, top=top) if pictures else []
    shutil.rmtree(out / FEATURES)
    (out / LINES).unlink()
    print(found.text(top=top), f"in {out}: {', '.join([*files, *sheets])}", sep="\n\n")
    return 0


def _read(layout, data_dir, masks, split):
    """Photos with their objects, of any layout."""
    from jaxcam.datasets.ade20k import ade20k
    from jaxcam.datasets.scenes import scene_folder
    from jaxcam.datasets.sun import sun

    if (layout == "folder") != (masks is not None):
        raise ValueError(
            f"--masks: got {masks} for the layout {layout}; folder needs the folder of masks, the others have theirs"
        )
    if layout == "folder":
        return scene_folder(data_dir, masks=masks, split=split)
    return ade20k(data_dir, split=split) if layout == "ade20k" else sun(data_dir, split=split)


def _check_counts(least, top, pictures):
    if least < 2 or top < 1 or pictures < 0:
        raise ValueError(
            f"--least, --top, --pictures: got {least}, {top} and {pictures}; give at least 2, 1 and 0 of them"
        )


def _warn(skipped):
    if skipped:
        shown = "; ".join(skipped[:SHOWN]) + ("; ..." if len(skipped) > SHOWN else "")
        print(f"warning: left out {len(skipped)} photos or scene categories: {shown}", file=sys.stderr)
