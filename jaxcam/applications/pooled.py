"""What a network makes of the images of a data set: pooled features, and boxes of maps by another linear layer."""

import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from jaxcam.batches import batches
from jaxcam.box_rules import boxes
from jaxcam.compilation import jit_network
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_network
from jaxcam.evaluation.passes import in_file
from jaxcam.evaluation.protocol import Protocol
from jaxcam.forward import forward
from jaxcam.methods.activation import cam_from_features
from jaxcam.params import Params


def pooled_features(
    params: Params,
    dataset: Dataset,
    *,
    crops: Float[np.ndarray, "n 4"] | None = None,
    batch_size: int = 64,
    progress: bool = True,
    on_error: str = "stop",
) -> Float[np.ndarray, "n k"]:
    """The mean over the cells of the last feature map, for every image of a data set.

    Args:
        params: a network's.
        dataset: which images.
        crops: boxes that the images are cropped to, half-open (x0, y0, x1, y1) in pixels of the files; see
            `jaxcam.batches.batches`.
        batch_size: images a step.
        progress: show it on stderr.
        on_error: "stop" at an unreadable image, or "skip" it: its row is NaN.

    Returns:
        float32 (n, k), a row an image, in the data set's order.

    Raises:
        ValueError: for a network that takes no photos or has no cells, another number of crops, or an unreadable image.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import jax
    >>> import jaxcam
    >>> from jaxcam.datasets import Example
    >>> from PIL import Image
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=2, width=8, stem="small")
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Image.new("RGB", (50, 40)).save(f"{home}/cat.png")
    ...     photos = Dataset((Example(Path(home, "cat.png"), 0),), ("cat", "dog"))
    ...     pooled_features(params, photos, batch_size=1, progress=False).shape
    (1, 64)
    """
    pooled = []
    for batch in _batches(params, dataset, batch_size, progress, "features", crops, on_error):
        rows = np.where(batch.mask[:, None], np.asarray(_pool(params, batch.images)), np.float32(np.nan))
        pooled.append(rows[batch.index >= 0])
    return np.concatenate(pooled)


def cam_boxes(
    params: Params,
    dataset: Dataset,
    kernel: Float[np.ndarray, "k c"],
    columns: Int[np.ndarray, " n"],
    *,
    threshold: float,
    batch_size: int = 64,
    progress: bool = True,
) -> Float[np.ndarray, "n 4"]:
    """Boxes by the paper's rule, of maps that anyone's linear layer makes of a network's features.

    Args:
        params: a network's.
        dataset: which images.
        kernel: (k, c), a column a class.
        columns: the class of each image's map.
        threshold: share of the map's maximum.
        batch_size: images a step.
        progress: show it on stderr.

    Returns:
        Half-open (x0, y0, x1, y1) in pixels of the files; the whole image where its map has nothing above zero.
    """
    kernel, found = kernel.astype(np.float32), []
    for batch in _batches(params, dataset, batch_size, progress, "boxes", None):
        maps = _maps(params, batch.images, kernel, columns[batch.index])
        on_grid = np.asarray(boxes(maps, threshold=threshold))
        found.append(in_file(on_grid, batch.sizes, params.card.image_size)[batch.mask])
    return np.concatenate(found)


def _batches(params, dataset, batch_size, progress, task, crops, on_error="stop"):
    """An ordered pass over the images, as the network expects them."""
    check_network(params, Protocol(), localize=False)
    card = params.card
    rows = batches(
        dataset,
        batch_size=batch_size,
        image_size=card.image_size,
        interpolation=card.preprocessing.interpolation,
        crops=crops,
        on_error=on_error,
    )
    with tqdm(total=len(dataset), desc=task, unit=" images", disable=not progress) as bar:
        for batch in rows:
            yield batch
            bar.update(int((batch.index >= 0).sum()))


@jit_network
def _pool(params: Params, images: Array) -> Float[Array, "b k"]:
    return _cells(params, images).mean(axis=(1, 2))


@jit_network
def _maps(params: Params, images: Array, kernel: Array, columns: Array) -> Float[Array, "b h w"]:
    return cam_from_features(_cells(params, images), kernel, columns, size=params.card.image_size)


def _cells(params: Params, images: Array) -> Float[Array, "b y x k"]:
    features, _ = forward(params, images)
    if features.ndim != 4:
        raise ValueError(f"params: got a network with features {features.shape}; maps need those of cells (b, y, x, k)")
    return features
