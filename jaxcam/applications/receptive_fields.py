"""Theoretical receptive fields: which pixels a cell of a feature map can depend on, from the network alone."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jaxtyping import Int

from jaxcam.applications._dependence import positions, propagate
from jaxcam.methods.cut import cells_of
from jaxcam.params import Params

# Lengths of image to look at cells in, as multiples of the network's own: fields of most end within the first, and of
# the largest known (DenseNet-201's, 3863 pixels) within the second.
MANY, LARGEST = 4, 4608


class ReceptiveField(NamedTuple):
    """The pixels that cell i depends on along an axis: those from offset + stride * i, `size` of them.

    Attributes:
        size: in pixels of the network's image, a number an axis of space; the image's own where it is all of it.
        stride: pixels from a cell to the next; 0 where each sees the whole image.
        offset: the first pixel of cell 0; below 0 where that lies in the padding.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: tuple[int, ...]

    @property
    def whole_image(self) -> bool:
        """Whether every cell depends on every pixel, however large the image is."""
        return not any(self.stride)

    def box(self, cell: Sequence[int]) -> tuple[int, int, int, int]:
        """The field of cell (y, x), half-open (x0, y0, x1, y1) in pixels of the network's image, which it may exceed.

        >>> ReceptiveField(size=(7, 7), stride=(2, 2), offset=(-3, -3)).box((0, 5))
        (7, -3, 14, 4)
        """
        y, x = (first + step * int(at) for first, step, at in zip(self.offset, self.stride, cell, strict=True))
        return x, y, x + self.size[1], y + self.size[0]

    def __str__(self) -> str:
        """In words: width before height."""
        size = " x ".join(map(str, reversed(self.size)))
        return f"the whole image ({size} pixels)" if self.whole_image else f"{size} pixels"


def receptive_field(params: Params, *, stage: str | None = None) -> ReceptiveField:
    """The theoretical receptive field of a stage's cells, exact for any network of convolutions, pooling and the like.

    Along an axis, of a chain of layers with windows of k_l pixels, strides s_l and padding p_l in front:

        size = 1 + sum_l (k_l - 1) j_l,  stride = prod_l s_l,  offset = -sum_l p_l j_l,  j_l = prod_(m < l) s_m

    The network is traced and not run: through each of its operations goes which rows (then, columns) of the image an
    element can depend on, from the first to the last, so branches and shortcuts are covered. Any weight counts as other
    than 0, those of constant matrices too. Where channels see differently much, as those of branches that are
    concatenated, it is what any of them sees. A network with a global operation, such as squeeze-and-excitation or
    attention, sees the whole image with every cell.

    Args:
        params: a network's.
        stage: a name of the network's `stages`; None for the last features.

    Returns:
        A ReceptiveField, in pixels of images as the network is fed them.

    Raises:
        ValueError: for a stage without cells, an operation that is not known, or fields that no regular grid describes.

    Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.

    >>> import jaxcam
    >>> blocks = lambda _, images: images.reshape(-1, images.shape[1] // 4, 4, images.shape[2] // 4, 4, 3).mean((2, 4))
    >>> receptive_field(jaxcam.from_functions(blocks, lambda _, cells: cells.mean((1, 2))))
    ReceptiveField(size=(4, 4), stride=(4, 4), offset=(0, 0))
    """
    own = params.card.image_size
    try:
        found = _fields(params, stage, tuple(MANY * length for length in own))
    except (TypeError, ValueError, ArithmeticError, LookupError, FlaxError):  # a user's may take images of one size
        fields = [_regular(*ends, length) for ends, length in zip(_fields(params, stage, own), own, strict=True)]
        return _joined(fields, own, "in images of its own size, the only one that it takes")
    fields = [_regular(*ends, MANY * length) for ends, length in zip(found, own, strict=True)]
    for axis, field in enumerate(fields):
        if field is None or not field[1]:
            # One axis alone: attention's table of all pairs of cells would not fit if all grew.
            length = math.ceil(LARGEST / own[axis]) * own[axis]
            ends = _fields(params, stage, (*own[:axis], length, *own[axis + 1 :]))[axis]
            fields[axis] = _regular(*ends, length)
    return _joined(fields, own, f"of up to {LARGEST} pixels")


def _fields(params: Params, stage: str | None, size: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each axis the first and the last position that its cells depend on, in an image of that size."""

    def cells(variables: Any, pixels: Any) -> Any:
        features: Any = params.network.apply(variables, pixels, stage, method="features")
        return cells_of(features, params.network.token_grid)

    image = jax.ShapeDtypeStruct((1, *size, params.card.channels), jnp.float32)
    program, shape = jax.make_jaxpr(cells, return_shape=True)(params.variables, image)
    if len(shape.shape) != len(image.shape):
        raise ValueError(f"stage: {stage or 'the last'} gives {shape.shape[1:]}, which has no cells to see anything")
    weights = [None] * (len(program.jaxpr.invars) - 1)
    found = []
    for axis in range(1, len(size) + 1):
        (spans,) = propagate(program, [*weights, positions(image.shape, axis)])
        low, high = spans.min(axis=tuple(other for other in range(1, spans.ndim) if other != 1 + axis))
        length = shape.shape[axis]
        found.append((np.broadcast_to(low, length), np.broadcast_to(-high, length)))
    return found


def _regular(low: Int[np.ndarray, " y"], high: Int[np.ndarray, " y"], length: int) -> tuple[int, int, int] | None:
    """Size, stride and offset of fields that the image's borders do not cut off; None if there are none.

    A stride of 0 and the image's length where every cell sees all of it.
    """
    if (low > high).any():
        raise ValueError("network: it has cells that depend on no pixel, and so no receptive field")
    sizes = high - low + 1
    # Moved by a cell, a field keeps its size only where nothing cuts it off, be it the border of an inner layer.
    full = np.flatnonzero((low > 0) & (high < length - 1) & (sizes == sizes.max()))
    if len(full) < 2 or not np.ptp(low):
        return None if np.ptp(low) or np.ptp(high) or sizes.min() < length else (length, 0, 0)
    strides = np.diff(low[full])
    if np.ptp(strides) or np.ptp(full) >= len(full):
        raise ValueError(
            f"network: its cells see {sizes[full[0] : full[-1] + 1].min()} to {sizes.max()} pixels, {strides.min()} to "
            f"{strides.max()} apart; only cells on a regular grid have a receptive field"
        )
    return int(sizes.max()), int(strides[0]), int(low[full[0]] - strides[0] * full[0])


def _joined(fields: Sequence[tuple[int, int, int] | None], own: tuple[int, ...], looked: str) -> ReceptiveField:
    """Of all axes; where the whole image is seen, it is as large as the network's."""
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        raise ValueError(f"network: every cell's receptive field is cut off by the border {looked}, so it is not known")
    whole = [(length, 0, 0) if field[1] == 0 else field for field, length in zip(known, own, strict=True)]
    return ReceptiveField(*map(tuple, zip(*whole, strict=True)))
