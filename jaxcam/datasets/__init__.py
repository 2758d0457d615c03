"""Image sets as they are distributed: one function a file, each returning a `Dataset`."""

from collections.abc import Callable

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.folder import folder
from jaxcam.datasets.tiny_imagenet import tiny_imagenet

# A data set of your own: one function (data_dir, *, split=...) -> Dataset, and its line here for the command line.
DATASETS: dict[str, Callable[..., Dataset]] = {
    "tiny_imagenet": tiny_imagenet,
    "folder": folder,
}

__all__ = ["DATASETS", "Dataset", "Example", "folder", "tiny_imagenet"]
