"""Image sets as they are distributed: one function a file, each returning a `Dataset`."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxcam.datasets.cub import cub
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.folder import folder
from jaxcam.datasets.ilsvrc import ilsvrc
from jaxcam.datasets.inspection import Findings, inspect
from jaxcam.datasets.masks import truth_mask
from jaxcam.datasets.packed import pack, packed
from jaxcam.datasets.tfds import tfds
from jaxcam.datasets.tiny_imagenet import tiny_imagenet
from jaxcam.datasets.wsol import wsol


@dataclass(frozen=True)
class Layout:
    """A line of the table.

    Attributes:
        read: `read(data_dir, *, split=...)` gives the Dataset.
        train: the split to train on, None where the images lie in `data_dir` itself.
        test: the split to evaluate on.
        options: what else `read` may be told.
    """

    read: Callable[..., Dataset]
    train: str | None = None
    test: str | None = None
    options: tuple[str, ...] = ()


# A data set of your own: one function (data_dir, *, split=...) -> Dataset, and its line here for the command line.
DATASETS: dict[str, Layout] = {
    "ilsvrc": Layout(ilsvrc, "train", "val", options=("blacklist", "on_error")),
    "cub": Layout(cub, "train", "test"),
    "tiny_imagenet": Layout(tiny_imagenet, "train", "val", options=("on_error",)),
    "wsol": Layout(wsol, options=("images", "masks")),
    "folder": Layout(folder),
    "tfds:NAME": Layout(tfds, "train", options=("annotations", "on_error")),
    "packed": Layout(packed),
}

__all__ = [
    "DATASETS",
    "Dataset",
    "Example",
    "Findings",
    "Layout",
    "cub",
    "folder",
    "ilsvrc",
    "inspect",
    "pack",
    "packed",
    "tfds",
    "tiny_imagenet",
    "truth_mask",
    "wsol",
]
