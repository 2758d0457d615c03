"""One pass over a data set: batches through the compiled step, their results read on the host a batch later."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Integer

from jaxcam.arrays import type_of_array
from jaxcam.batches import Batch, batches
from jaxcam.datasets import Dataset
from jaxcam.evaluation._steps import Frames, Rows, map_shape, on_devices, shardings
from jaxcam.evaluation.protocol import Protocol
from jaxcam.geometry import resize_matrix
from jaxcam.params import Params

BUCKET = 128  # pixels: images' own grids are padded to a multiple of it, so that few programs are compiled


def steps(
    params: Params,
    dataset: Dataset,
    step: Callable[..., Any],
    values: type_of_array,
    *,
    protocol: Protocol,
    batch_size: int,
    index: np.ndarray | None = None,
    on_error: str = "stop",
    **static: Any,
) -> Iterator[tuple[Batch, Any]]:
    """Each batch with what the step found in it, as NumPy arrays.

    Args:
        params: a network's.
        dataset: this host's part.
        step: `look` or `sweep`.
        values: its thresholds.
        protocol: of the evaluation.
        batch_size: images a step, rounded up to a multiple of this host's devices.
        index: (n,) the images' places in the whole data set; None where this is the whole.
        on_error: as for `jaxcam.batches.batches`.
        static: further arguments of the step.
    """
    size = params.card.image_size
    devices = jax.local_device_count()
    run, (whole, split) = on_devices(step, protocol=protocol, **static), shardings()
    params, values = jax.device_put((params, values), whole)
    # Where only classes are asked for, no map is made, and the network need have none.
    own_grids = protocol.grid(size) is None and static.get("localize", True)
    shape = map_shape(params, protocol) if own_grids else None
    rows = batches(
        dataset,
        batch_size=-(-batch_size // devices) * devices,
        image_size=protocol.canvas(size),
        interpolation=params.card.preprocessing.interpolation,
        on_error=on_error,
    )
    waiting = None
    for batch in rows:
        places = batch.index if index is None else np.where(batch.index < 0, -1, index[batch.index]).astype(np.int32)
        frames = None if shape is None else _frames(batch.sizes, shape, protocol)
        # Placed by hand: one host of several may not leave rows that are its own to jit.
        given = jax.device_put(Rows(batch.images, batch.labels, places, frames), split)
        # The device works on this batch while the host reads what it found in the one before.
        running = batch, run(params, given, values)
        if waiting is not None:
            yield waiting[0], jax.device_get(waiting[1])
        waiting = running
    if waiting is not None:
        yield waiting[0], jax.device_get(waiting[1])


def in_file(
    boxes: Float[np.ndarray, "b *n 4"], sizes: Integer[np.ndarray, "b 2"], grid: tuple[int, ...] | None
) -> Float[np.ndarray, "b *n 4"]:
    """Boxes in the pixels of image files of (height, width) `sizes`, from those of the `grid` that maps were boxed at.

    Scaled by (W/S, H/S), without rounding; as they are where the grid is None, the files' own.
    """
    if grid is None:
        return boxes
    of_files, of_grid = np.tile(sizes[:, ::-1], 2), np.tile(grid[::-1], 2)
    # In float64, and multiplied first: so a whole map becomes a whole image.
    scaled = boxes.astype(np.float64) * of_files.reshape(len(boxes), *[1] * (boxes.ndim - 2), 4) / of_grid
    return scaled.astype(np.float32)


def _frames(sizes: np.ndarray, shape: tuple[int, int], protocol: Protocol) -> Frames:
    rows, columns = (_matrices(sizes[:, axis], shape[axis], protocol) for axis in (0, 1))
    return Frames(rows, columns, sizes)


def _matrices(lengths: np.ndarray, source: int, protocol: Protocol) -> np.ndarray:
    padded = np.zeros((len(lengths), -(-lengths.max() // BUCKET) * BUCKET, source), np.float32)
    for matrix, length in zip(padded, lengths.tolist(), strict=True):
        shrinks = protocol.antialias and length < source
        matrix[:length] = resize_matrix(source, length, protocol.upsample, shrinks)
    return padded
