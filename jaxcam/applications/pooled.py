"""What a network makes of the images of a data set: pooled features, and boxes of maps by another linear layer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from jaxcam.batches import Batch, batches
from jaxcam.box_rules import boxes
from jaxcam.compilation import jit_network
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_network
from jaxcam.evaluation.passes import in_file
from jaxcam.evaluation.protocol import Protocol
from jaxcam.forward import features, forward
from jaxcam.geometry import resize
from jaxcam.methods.activation import cam_from_features
from jaxcam.params import Params

LAYERS = ("gap", "average_pool", "fc7")


def layer_width(params: Params, layer: str) -> int:
    """The number k of features that a layer of a network has; a ValueError where it has no such layer.

    "gap" is the mean over the cells of the last feature map of a network that ends in global average pooling and a
    linear layer; "average_pool" is that mean of any network with cells; "fc7" is the second fully connected layer of
    AlexNet and VGG.

    >>> import jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images[:, ::32, ::32], lambda _, cells: cells.mean((1, 2)))
    >>> layer_width(params, "average_pool")
    3
    >>> layer_width(params, "fc7")
    Traceback (most recent call last):
    ValueError: layer: got fc7, but this network has no stage fc7, as alexnet and vgg16 have; use gap or average_pool
    """
    if layer not in LAYERS:
        raise ValueError(f"layer: got {layer!r}; use one of {', '.join(LAYERS)}")
    if layer == "fc7" and "fc7" not in params.network.stages:
        raise ValueError(
            "layer: got fc7, but this network has no stage fc7, as alexnet and vgg16 have; use gap or average_pool"
        )
    if layer == "gap" and not params.network.averages_cells:
        raise ValueError(
            "layer: got gap, but this network does not end in global average pooling and a linear layer, as "
            "googlenet_gap does; use average_pool"
        )
    check_network(params, Protocol(), localize=False)
    images = jax.ShapeDtypeStruct((1, *params.card.image_size, 3), jnp.uint8)
    return jax.eval_shape(partial(_pool, layer=layer), params, images).shape[1]


def feature_rows(
    params: Params,
    dataset: Dataset,
    *,
    layer: str = "average_pool",
    crops: Float[np.ndarray, "n 4"] | None = None,
    batch_size: int = 64,
    on_error: str = "stop",
    progress: bool = True,
) -> Iterator[Float[np.ndarray, "b k"]]:
    """Features of a data set's images in order, a batch at a time; see `pooled_features` and `layer_width`.

    Args:
        params: a network's.
        dataset: which images.
        layer: one of LAYERS.
        crops: as for `pooled_features`.
        batch_size: images a step.
        on_error: "stop" at an image that cannot be read, or "skip" it: its row is NaN.
        progress: show it on stderr.

    Yields:
        float32 (b, k), less rows in the last one.

    Raises:
        ValueError: as `pooled_features`.
    """
    for batch in _batches(params, dataset, batch_size, progress, "features", crops, on_error):
        found = np.asarray(_pool(params, batch.images, layer=layer))
        if not np.isfinite(found[batch.mask]).all():
            raise ValueError("params: got features with NaN or infinity; are the network's weights in order?")
        pooled = np.where(batch.mask[:, None], found, np.nan)
        yield pooled[batch.index >= 0].astype(np.float32)


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
        ValueError: for a network that takes no photos or has no cells, or whose features are not finite, another number
            of crops, or an unreadable image.

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
    rows = feature_rows(params, dataset, crops=crops, batch_size=batch_size, on_error=on_error, progress=progress)
    return np.concatenate(list(rows))


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
    how: dict[str, Any] = {"threshold": threshold, "batch_size": batch_size, "progress": progress}
    return np.concatenate(list(box_rows(params, dataset, kernel, columns, **how)))


def box_rows(
    params: Params,
    dataset: Dataset,
    kernel: Float[np.ndarray, "k c"],
    columns: Int[np.ndarray, " n"],
    *,
    threshold: float,
    batch_size: int = 64,
    progress: bool = True,
) -> Iterator[Float[np.ndarray, "b 4"]]:
    """`cam_boxes` of a data set's images in order, a batch at a time."""
    for batch, _, found in _localized(params, dataset, kernel, columns, threshold, batch_size, progress):
        yield found[batch.mask]


def cam_cells(
    params: Params,
    dataset: Dataset,
    kernel: Float[np.ndarray, "k c"],
    columns: Int[np.ndarray, " n"],
    *,
    threshold: float,
    batch_size: int = 64,
) -> tuple[Float[np.ndarray, "n y x"], Float[np.ndarray, "n 4"]]:
    """The maps themselves, as they are before upsampling, with their boxes: of a few images, to look at.

    Args: as for `cam_boxes`.

    Returns:
        Maps of the cells, and half-open (x0, y0, x1, y1) in pixels of the files.
    """
    rows = list(_localized(params, dataset, kernel, columns, threshold, batch_size, progress=False))
    maps = np.concatenate([np.asarray(cells)[batch.mask] for batch, cells, _ in rows])
    return maps, np.concatenate([found[batch.mask] for batch, _, found in rows])


def _localized(params, dataset, kernel, columns, threshold, batch_size, progress):
    """Each batch with the maps of its cells, on the device, and with the boxes of its files."""
    kernel = kernel.astype(np.float32)
    for batch in _batches(params, dataset, batch_size, progress, "boxes", None, "stop"):
        cells, maps = _maps(params, batch.images, kernel, columns[batch.index])
        on_grid = np.asarray(boxes(maps, threshold=threshold))
        yield batch, cells, in_file(on_grid, batch.sizes, params.card.image_size)


def _batches(params, dataset, batch_size, progress, task, crops, on_error) -> Iterator[Batch]:
    """An ordered pass over the images, as the network expects them."""
    check_network(params, Protocol(), localize=False)
    card = params.card
    how = card.preprocessing.interpolation
    rows = batches(
        dataset,
        batch_size=batch_size,
        image_size=card.image_size,
        interpolation=how,
        crops=crops,
        on_error=on_error,
    )
    with tqdm(total=len(dataset), desc=task, unit=" images", disable=not progress) as bar:
        for batch in rows:
            yield batch
            bar.update(int((batch.index >= 0).sum()))


@partial(jit_network, static_argnames="layer")
def _pool(params: Params, images: Array, layer: str) -> Float[Array, "b k"]:
    if layer == "fc7":
        return features(params, images, stage=layer)
    return _cells(params, images).mean(axis=(1, 2))


@jit_network
def _maps(
    params: Params, images: Array, kernel: Array, columns: Array
) -> tuple[Float[Array, "b y x"], Float[Array, "b h w"]]:
    maps = cam_from_features(_cells(params, images), kernel, columns)
    return maps, resize(maps, params.card.image_size, axis=1)


def _cells(params: Params, images: Array) -> Float[Array, "b y x k"]:
    cells, _ = forward(params, images)
    if cells.ndim != 4:
        raise ValueError(f"params: got a network with features {cells.shape}; maps need those of cells (b, y, x, k)")
    return cells
