"""`jaxcam units`: what the units detect that a class is made of."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.data import DATASET, check_files, read_split

STATE = "units.part.npz"


def units(
    dataset: Annotated[tyro.conf.Positional[str], DATASET] = "tiny_imagenet",
    *,
    classes: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="class", metavar="NAME|INDEX")
    ] = (),
    data_dir: Path,
    checkpoint: str = "tiny_imagenet",
    split: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    blacklist: Path | None = None,
    annotations: Path | None = None,
    num_units: int = 6,
    num_images: int = 8,
    top_share: float = 0.005,
    on_error: Literal["stop", "skip"] = "stop",
    limit: int | None = None,
    batch_size: int = 64,
    out: Path = Path("out"),
) -> int:
    """Show what the units detect that classes are made of: channels of the last feature map, by their weight.

    Of each unit the images that activate it most, segmented where they do: a PNG a class, a web page and JSON. What the
    pass has found is kept now and then: interrupted, the same command goes on where it stopped.

    Args:
        dataset: the layout of the data, whose classes need not be the network's.
        classes: a class of the network, by name or index; may be given several times.
        data_dir: the data set's folder, as it is distributed.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        split: part of the data set; this and the next four as for `jaxcam evaluate`.
        images: with wsol: the folder that the lists' paths start from.
        masks: with wsol: the folder that the masks' paths start from.
        blacklist: with ilsvrc: the list of images whose boxes are not to be scored.
        annotations: with tfds:imagenet2012: the folder Annotations/CLS-LOC.
        num_units: units a class, those with the largest weights.
        num_images: images a unit, those with the highest activations.
        top_share: a segment is where the activation is above that of all but this share of the unit's cells.
        on_error: at a missing or damaged file, stop, or skip it and say how many there were.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step, shared among the devices.
        out: folder for the pictures, units.html and units.json.
    """
    if not classes:
        raise ValueError("class: got none; give --class NAME, once or several times")
    from jaxcam.applications.class_units import find_units
    from jaxcam.applications.unit_files import save_units
    from jaxcam.checkpoints import load
    from jaxcam.photo_reports import find_label

    params = load(checkpoint)
    labels = [find_label(params.card, wanted) for wanted in classes]
    given: dict[str, Any] = {"images": images, "masks": masks, "blacklist": blacklist, "annotations": annotations}
    examples = check_files(read_split(dataset, data_dir, split, on_error, given), limit, on_error)
    how: dict[str, Any] = {"num_units": num_units, "num_images": num_images, "top_share": top_share}
    how |= {"batch_size": batch_size, "on_error": on_error}
    found = find_units(params, examples, labels, state=out / STATE, **how)
    name, options = f"{dataset} {examples.split}".strip(), {"data_dir": str(data_dir), "limit": limit, **how}
    files = save_units(found, out, dataset=name, checkpoint=checkpoint, options=options)
    (out / STATE).unlink(missing_ok=True)
    print(found, f"in {out}: {', '.join(files)}", sep="\n\n")
    return 0
