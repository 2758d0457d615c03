"""Pooled features of photos, kept as they are made: an interrupted pass goes on, and a repeated one has them."""

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxcam.applications.feature_files import files_hash, write_features
from jaxcam.applications.pooled import feature_rows, layer_width, pooled_features
from jaxcam.applications.pools import Pool
from jaxcam.datasets import Dataset
from jaxcam.evaluation.figures import dataset_hash, params_hash
from jaxcam.params import Params


def kept_features(
    params: Params,
    photos: Dataset,
    keep: str | os.PathLike[str] | None,
    *,
    batch_size: int = 64,
    on_error: str = "stop",
    progress: bool = True,
) -> Float[np.ndarray, "n k"]:
    """`pooled_features`, from the folder where they are kept, as far as they are there.

    Args:
        params: a network's.
        photos: image files.
        keep: a folder, in which each set of photos has one of its own, named by the hash of all that its features
            depend on: the network with its card and weights, and the photos with their files' sizes and times. None
            to keep nothing.
        batch_size: photos a step.
        on_error: "stop" at an unreadable photo, or "skip" it: its row is NaN.
        progress: show it on stderr.

    Returns:
        float32 (n, k), a row a photo.

    Raises:
        ValueError: as `pooled_features`, or for a folder that is damaged.

    >>> import tempfile
    >>> import jaxcam
    >>> from PIL import Image
    >>> from jaxcam.datasets import Example
    >>> params = jaxcam.from_functions(lambda _, images: images[:, ::32, ::32], lambda _, cells: cells.mean((1, 2)))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Image.new("RGB", (50, 40)).save(f"{home}/cat.png")
    ...     photos = Dataset((Example(Path(home, "cat.png"), 0),), ("cat",))
    ...     [kept_features(params, photos, home, progress=False).shape for _ in range(2)]
    [(1, 3), (1, 3)]
    """
    how: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error, "progress": progress}
    if keep is None:
        return pooled_features(params, photos, **how)
    of = params_hash(params), dataset_hash(photos), files_hash(photo.path for photo in photos)
    folder = Path(keep, hashlib.sha256(" ".join(of).encode()).hexdigest()[:32])
    width = layer_width(params, "average_pool")
    return np.array(write_features(folder, Pool(photos), width, partial(feature_rows, params, **how), about={}).values)
