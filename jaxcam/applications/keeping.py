"""What a network makes of photos, kept as it is made: an interrupted pass goes on, and a repeated one has it."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from jaxcam.applications.feature_files import files_hash, write_features
from jaxcam.applications.pooled import box_rows, feature_rows, layer_width
from jaxcam.applications.pools import Pool
from jaxcam.datasets import Dataset
from jaxcam.evaluation.figures import dataset_hash, params_hash
from jaxcam.image_files import why_unreadable
from jaxcam.params import Params


def kept_features(
    params: Params,
    photos: Dataset,
    keep: str | os.PathLike[str] | None,
    *,
    crops: Float[np.ndarray, "n 4"] | None = None,
    batch_size: int = 64,
    on_error: str = "stop",
    progress: bool = True,
) -> Float[np.ndarray, "n k"]:
    """`pooled_features`, from the folder where they are kept, as far as they are there.

    Args:
        params: a network's.
        photos: image files.
        keep: a folder, in which each set of photos has one of its own, named by the hash of all that its features
            depend on: the network with its card and weights, the photos with their files' sizes and times, and the
            crops. None to keep nothing: of `jaxcam.from_functions`, the hash knows names and weights, not what the
            functions do.
        crops: as for `pooled_features`.
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

    def rows(rest: Dataset) -> Iterator[np.ndarray]:
        left = None if crops is None else crops[len(photos) - len(rest) :]
        return feature_rows(params, rest, crops=left, batch_size=batch_size, on_error=on_error, progress=progress)

    depend = () if crops is None else (crops,)
    return _kept(params, photos, keep, lambda: layer_width(params, "average_pool"), rows, *depend)


def unread_photos(features: Float[np.ndarray, "n k"], photos: Dataset) -> dict[int, str]:
    """Why photos without features have none, by their row; they may well be readable by now.

    Args:
        features: of `kept_features`.
        photos: a row each.

    >>> from jaxcam.datasets import Example
    >>> photos = Dataset((Example(Path("a.png"), 0), Example(Path("b.png"), 0)), ("any",))
    >>> unread_photos(np.array([[0.5], [np.nan]]), photos)
    {1: 'b.png: cannot be read: no such file or directory'}
    """
    without = map(int, np.flatnonzero(~np.isfinite(features).all(axis=1)))
    paths = {row: photos[row].path for row in without}
    return {
        row: why_unreadable(path) or f"{path}: could not be read when features were made" for row, path in paths.items()
    }


def kept_boxes(
    params: Params,
    photos: Dataset,
    keep: str | os.PathLike[str] | None,
    kernel: Float[np.ndarray, "k c"],
    columns: Int[np.ndarray, " n"],
    *,
    threshold: float,
    batch_size: int = 64,
    progress: bool = True,
) -> Float[np.ndarray, "n 4"]:
    """`cam_boxes`, from the folder where they are kept, as far as they are there.

    Args:
        params: a network's.
        photos: image files.
        keep: as for `kept_features`; boxes depend on the kernel, the columns and the threshold too.
        kernel: (k, c), a column a class.
        columns: the class of each photo's map.
        threshold: share of the map's maximum.
        batch_size: photos a step.
        progress: show it on stderr.

    Returns:
        Half-open (x0, y0, x1, y1) in pixels of the files; the whole photo where its map has nothing above zero.

    Raises:
        ValueError: as `cam_boxes`, or for a folder that is damaged.
    """

    def rows(rest: Dataset) -> Iterator[np.ndarray]:
        left = columns[len(photos) - len(rest) :]
        return box_rows(params, rest, kernel, left, threshold=threshold, batch_size=batch_size, progress=progress)

    return _kept(params, photos, keep, lambda: 4, rows, kernel, columns, np.float64(threshold))


def _kept(
    params: Params,
    photos: Dataset,
    keep: str | os.PathLike[str] | None,
    width: Callable[[], int],
    rows: Callable[[Dataset], Iterator[np.ndarray]],
    *depend: np.ndarray | np.float64,
) -> Float[np.ndarray, "n k"]:
    """The rows of all photos, from the folder named by all that they depend on."""
    if keep is None:
        return np.concatenate(list(rows(photos)))
    of = [params_hash(params), dataset_hash(photos), files_hash(photo.path for photo in photos)]
    of += [hashlib.sha256(array.tobytes()).hexdigest() for array in depend]
    folder = Path(keep, hashlib.sha256(" ".join(of).encode()).hexdigest()[:32])
    return np.array(write_features(folder, Pool(photos), width(), rows, about={}).values)
