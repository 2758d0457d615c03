"""From a data set's files to batches: decoded and squashed to one size by worker threads, padded and masked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import grain
import numpy as np
from absl import flags
from jaxtyping import Bool, Float, Int32, UInt8
from tqdm import tqdm

from jaxcam.card import Card
from jaxcam.datasets import Dataset
from jaxcam.datasets.damage import check_on_error
from jaxcam.image_files import RESAMPLING, read_image, resize_image

THREADS = 4


class Batch(NamedTuple):
    """What one compiled step is given.

    Attributes:
        images: squashed to one size.
        labels: the class of each image.
        mask: False for the rows that count for nothing: skipped images, and those that only fill up the last batch.
        index: position in the data set; -1 where the row only fills up, so that `~mask & (index >= 0)` are the images
            that were skipped.
        sizes: (height, width) of each image file, in pixels; (1, 1) for a skipped one, whose pixels are 0.
    """

    images: UInt8[np.ndarray, "b h w 3"]
    labels: Int32[np.ndarray, " b"]
    mask: Bool[np.ndarray, " b"]
    index: Int32[np.ndarray, " b"]  # type: ignore[assignment]  # hides tuple.index
    sizes: Int32[np.ndarray, "b 2"]


def batches(
    dataset: Dataset,
    *,
    batch_size: int,
    image_size: tuple[int, ...],
    interpolation: str = "bilinear",
    shuffle_seed: int | None = None,
    start: int = 0,
    cache: bool = False,
    crops: Float[np.ndarray, "n 4"] | None = None,
    on_error: str = "stop",
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """The data set in batches: once in order, or endlessly shuffled.

    Args:
        dataset: which files.
        batch_size: rows of every batch; the last one of an ordered pass is padded and masked.
        image_size: (height, width) that images are squashed to, in pixels, antialiased.
        interpolation: "bilinear" or "catmull_rom"; see `jaxcam.image_files.resize_image`.
        shuffle_seed: None for one ordered pass; a seed for an endless stream, shuffled anew each epoch. The order
            depends on the seed alone.
        start: number of batches to skip, without reading them.
        cache: decode every image once, now, and keep it in memory: n * height * width * 3 bytes.
        crops: half-open (x0, y0, x1, y1) in pixels of each image file, of which only what they hold is squashed. They
            are rounded outwards to whole pixels, and one pixel at least remains.
        on_error: "stop" at an unreadable image, or "skip" it: its row is masked and keeps its index. Reading it again
            with `jaxcam.image_files.read_image` says why.
        share: (i, n): the i-th n-th of the rows of each batch of a shuffled stream, for host i of n; no other is read.

    Returns:
        An iterator of `Batch`.

    Raises:
        ValueError: for an empty data set, a batch size below 1 or one that cannot be shared, a start outside the pass,
            another `on_error`, another number of crops, or (while iterating) an unreadable image that is not to be
            skipped.

    >>> from jaxcam.datasets import Dataset
    >>> batches(Dataset((), ("cat",)), batch_size=8, image_size=(64, 64))
    Traceback (most recent call last):
    ValueError: dataset: got no images
    """
    if len(dataset) == 0:
        raise ValueError("dataset: got no images")
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; give at least 1")
    if crops is not None and len(crops) != len(dataset):
        raise ValueError(f"crops: got {len(crops)} for {len(dataset)} images; give one an image")
    check_on_error(on_error)
    files = _Files(dataset, image_size, interpolation, on_error, crops)
    source = _decode_all(files) if cache else files
    part, parts = share
    if batch_size % parts or (parts > 1 and shuffle_seed is None):
        raise ValueError(f"share: got {parts} parts of {batch_size} rows; give a divisor, and a shuffle_seed")
    size = batch_size // parts
    rows = _order(len(dataset), shuffle_seed).map(source.read)
    rows = rows.batch(size, drop_remainder=False, batch_fn=lambda rows: _collate(rows, size))[part::parts]
    if not 0 <= start <= len(rows):
        raise ValueError(f"start: got {start} of {len(rows)} batches; give how many to skip")
    iterator = iter(rows.to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=8)))
    grain.experimental.set_next_index(iterator, start)
    return iterator


def batch_indices(count: int, *, batch_size: int, shuffle_seed: int, number: int) -> list[int]:
    """Which images of a data set of `count` are in a batch of the stream of `batches`, the first being number 0.

    >>> batch_indices(4, batch_size=3, shuffle_seed=0, number=0)
    [0, 3, 1]
    """
    order = _order(count, shuffle_seed)
    return [int(order[number * batch_size + row]) for row in range(batch_size)]


def _order(count, shuffle_seed):
    """Places in a data set: once in order, or endlessly shuffled."""
    if not flags.FLAGS.is_parsed():  # Grain reads absl flags, which only absl's own main parses
        flags.FLAGS.mark_as_parsed()
    order = grain.MapDataset.range(count)
    return order if shuffle_seed is None else order.shuffle(seed=shuffle_seed).repeat()


def check_squash(card: Card) -> None:
    """Refuse a card whose network expects images resized in another way than `batches` squashes them."""
    how = card.preprocessing
    if how.interpolation not in RESAMPLING or not how.antialias:
        raise ValueError(
            f"card: got {how.interpolation!r} interpolation with antialias={how.antialias}; "
            f"data sets are squashed with {' or '.join(map(repr, RESAMPLING))} and antialias=True"
        )


class _Files:
    """Reads an example of a data set from its file."""

    def __init__(self, dataset, image_size, interpolation, on_error, crops):
        self.dataset, self.image_size, self.interpolation = dataset, image_size, interpolation
        self.on_error, self.crops = on_error, crops

    def read(self, index):
        example = self.dataset[int(index)]
        try:
            image = read_image(example.path)
        except ValueError:
            if self.on_error == "stop":
                raise
            return np.zeros((*self.image_size, 3), np.uint8), example.label, False, index, (1, 1)
        shown = image if self.crops is None else _cropped(image, self.crops[int(index)])
        resized = resize_image(shown, self.image_size, interpolation=self.interpolation)
        return resized, example.label, True, index, image.shape[:2]


def _cropped(image, box):
    """The pixels that a box touches."""
    size = np.array([image.shape[1], image.shape[0]])
    x0, y0 = np.clip(np.floor(box[:2]), 0, size - 1).astype(int)
    x1, y1 = np.clip(np.ceil(box[2:]), (x0 + 1, y0 + 1), size).astype(int)
    return image[y0:y1, x0:x1]


class _Decoded:
    """Every example of a data set, decoded."""

    def __init__(self, images, labels, mask, sizes):
        self.images, self.labels, self.mask, self.sizes = images, labels, mask, sizes

    def read(self, index):
        return self.images[index], self.labels[index], self.mask[index], index, self.sizes[index]


def _decode_all(files):
    count = len(files.dataset)
    decoded = _Decoded(
        np.empty((count, *files.image_size, 3), np.uint8),
        np.empty(count, np.int32),
        np.empty(count, bool),
        np.empty((count, 2), np.int32),
    )
    with ThreadPoolExecutor(THREADS) as pool:
        progress = tqdm(pool.map(files.read, range(count)), "decoding", count, unit=" images")
        for image, label, mask, index, size in progress:
            decoded.images[index], decoded.labels[index] = image, label
            decoded.mask[index], decoded.sizes[index] = mask, size
    return decoded


def _collate(rows, batch_size):
    image, label, _, _, size = rows[0]
    padding = (image, label, False, -1, size)
    rows = [*rows, *[padding] * (batch_size - len(rows))]
    images, labels, mask, index, sizes = zip(*rows, strict=True)
    return Batch(
        np.stack(images),
        np.asarray(labels, np.int32),
        np.asarray(mask, bool),
        np.asarray(index, np.int32),
        np.asarray(sizes, np.int32),
    )
