"""`jaxcam compare`: map methods on the same images."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.data import DATASET, check_dataset, read_split

DEFAULT = "cam,grad_cam,grad_cam_plus_plus,layer_cam,eigen_cam,saliency"


def compare(
    dataset: Annotated[tyro.conf.Positional[str], DATASET] = "tiny_imagenet",
    *,
    data_dir: Path,
    methods: Annotated[str, tyro.conf.arg(metavar="NAME[:STAGE],...")] = DEFAULT,
    checkpoint: str = "tiny_imagenet",
    split: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    blacklist: Path | None = None,
    annotations: Path | None = None,
    threshold: float | None = None,
    limit: int = 200,
    batch_size: int = 16,
    pictures: int = 12,
    metrics: Annotated[str, tyro.conf.arg(metavar="quick|all|none|NAME,...")] = "quick",
    on_error: Literal["stop", "skip"] = "stop",
    out: Path = Path("out"),
) -> int:
    """Compare map methods: how well they find objects, how faithful they are to the network, how fast they are.

    Prints a table, and writes it as JSON and as a web page with the methods' maps of some images.

    Args:
        dataset: the layout of the data.
        data_dir: the data set's folder, as it is distributed.
        methods: names that `jaxcam methods` lists, with commas between; layer_cam:layer2 is that of another stage.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        split: part of the data set; this and the next four as for `jaxcam evaluate`.
        images: with wsol: the folder that the lists' paths start from.
        masks: with wsol: the folder that the masks' paths start from.
        blacklist: with ilsvrc: the list of images whose boxes are not to be scored.
        annotations: with tfds:imagenet2012: the folder Annotations/CLS-LOC.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step.
        pictures: how many images the page shows.
        metrics: of faithfulness: quick are those that take no longer than a few dozen forward passes an image.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were.
        out: folder for comparison.json and comparison.html.
    """
    from jaxcam.checkpoints import load
    from jaxcam.comparison import compare, save_comparison

    chosen = _chosen(methods)
    params = load(checkpoint)
    given: dict[str, Any] = {"images": images, "masks": masks, "blacklist": blacklist, "annotations": annotations}
    examples = read_split(dataset, data_dir, split, on_error, given)
    examples = check_dataset(params, examples, limit, on_error)
    how: dict[str, Any] = {"threshold": threshold, "batch_size": batch_size, "pictures": pictures, "on_error": on_error}
    found = compare(params, examples, chosen, metrics=_metrics(metrics), **how)
    name = " ".join(filter(None, (dataset, examples.split)))
    files = save_comparison(found, out, dataset=name, checkpoint=checkpoint)
    print(found, f"in {out}: {', '.join(files)}", sep="\n\n")
    return 0


def _chosen(methods):
    """Name -> method, from the names and stages asked for.

    >>> list(_chosen("cam, layer_cam:layer2"))
    ['cam', 'layer_cam:layer2']
    """
    from jaxcam.methods.table import find_method

    chosen = {}
    for name in _names(methods):
        method, _, stage = name.partition(":")
        found = find_method(method, stage=stage or None)
        chosen[name] = partial(found, stage=stage) if stage else found
    return chosen


def _metrics(named):
    from jaxcam.comparison import ALL, QUICK

    groups = {"quick": QUICK, "all": ALL, "none": ()}
    return groups[named] if named in groups else _names(named)


def _names(listed):
    return tuple(filter(None, map(str.strip, listed.split(","))))
