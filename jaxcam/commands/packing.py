"""`jaxcam pack`: a data set in few large files."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxcam.commands.data import DATASET, find_layout, read_dataset


def pack(
    dataset: Annotated[tyro.conf.Positional[str], DATASET],
    *,
    data_dir: Path,
    out: Path,
    split: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    blacklist: Path | None = None,
    annotations: Path | None = None,
    shard_size: int = 256,
    on_error: Literal["stop", "skip"] = "stop",
) -> int:
    """Pack a data set into shards for fast random access: `jaxcam evaluate packed --data-dir OUT` reads them.

    Args:
        dataset: the layout of the data.
        data_dir: the data set's folder, as it is distributed.
        out: a folder that does not exist yet.
        split: part of the data set; by default the one that `jaxcam evaluate` takes.
        images: with wsol: the folder that the lists' paths start from; DATA_DIR by default.
        masks: with wsol: the folder that the paths of the masks start from; that of the images by default.
        blacklist: with ilsvrc: the development kit's list of validation images whose boxes are not to be scored.
        annotations: with tfds:imagenet2012: the folder Annotations/CLS-LOC, whose boxes TFDS does not have.
        shard_size: of a file, in MiB.
        on_error: at a missing or damaged file, stop, or leave it out and say how many there were. Pixels are not
            looked at.
    """
    from jaxcam.datasets.packed import check_free, packed
    from jaxcam.datasets.packed import pack as pack_dataset

    check_free(out)
    if shard_size < 1:
        raise ValueError(f"--shard-size: got {shard_size}; give at least 1 MiB")
    split = find_layout(dataset).test if split is None else split
    given: dict[str, Any] = {"images": images, "masks": masks, "blacklist": blacklist, "annotations": annotations}
    given["on_error"] = on_error if "on_error" in find_layout(dataset).options else None
    examples = read_dataset(dataset, data_dir, split, **given)
    pack_dataset(examples, out, shard_bytes=shard_size * 2**20, on_error=on_error)
    written = packed(out)
    print(f"in {out}: {written}")
    if written.skipped:
        print(f"left out, and listed in its index: {len(written.skipped)}, such as {written.skipped[0]}")
    return 0
