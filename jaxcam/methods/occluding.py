"""Maps from hidden pixels: what the score of the label is while parts of the image cannot be seen.

I is the image as the network is given it, S the score. All labels of an image share the forward passes.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.forward import whole_lengths
from jaxcam.geometry import resize_matrix
from jaxcam.methods.chunks import (
    baseline_pixels,
    check_counts,
    map_in_chunks,
    masked,
    pixel_scores,
    scored,
    sum_in_chunks,
)
from jaxcam.methods.cut import Cut, RawMaps, Targets
from jaxcam.methods.map_method import map_method


@map_method(on_pixels=True, takes_stage=False)
def rise(
    cut: Cut,
    targets: Targets,
    *,
    key: Array | None = None,
    num_masks: int = 4000,
    cells: int = 7,
    visible: float = 0.5,
    score: str = "probability",
    baseline: float | Array | None = None,
    chunk: int = 32,
) -> RawMaps:
    """RISE: the mean score of randomly masked images in which a pixel is seen.

    M(p) = sum_i S(I M_i) M_i(p) / (n P), with n masks M_i from 0 to 1 that are P on average.

    A mask is a grid of cells, each 1 with probability P, resized bilinearly so that one more cell would fit in and
    moved by a random part of a cell. Cells are as many pixels as the image's share, rounded up as in the authors' code:
    rounded down, as in the paper, masks may not cover the image.

    Args:
        key: a `jax.random.key` of the masks, the same for every image; None for that of 0.
        num_masks: number n of masks: 4000 in the paper for VGG16, 8000 for ResNet50.
        cells: of a mask along each side.
        visible: probability P of a cell to be seen.
        score: "probability", as in the paper, or "logit".
        baseline: what masked-out pixels show: a grey from 0 (black) to 1, or None for the network's 0, the mean colour,
            as in the authors' code, which multiplies preprocessed pixels.
        chunk: number of masks an image that go through the network at once.

    Source: Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    arXiv 1806.07421.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.rise(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1]), num_masks=8, chunk=4).shape
    (2, 32, 24)
    """
    check_counts(num_masks=num_masks, cells=cells, chunk=chunk)
    if not 0 < visible <= 1:
        raise ValueError(f"visible: got {visible}; give a probability above 0, at most 1")
    background = baseline_pixels(cut, baseline)
    key = jax.random.key(0) if key is None else key

    def seen(index: Array) -> Array:
        mask = _random_mask(jax.random.fold_in(key, index), cut.pixels.shape[1:-1], cells, visible)
        scores = pixel_scores(cut, masked(cut, mask[None], background), targets, score)
        return jnp.expand_dims(scores, _space(cut)) * mask[None, None]

    return sum_in_chunks(seen, num_masks, chunk) / (num_masks * visible)


@map_method(on_pixels=True, takes_stage=False)
def occlusion(
    cut: Cut,
    targets: Targets,
    *,
    window: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] | None = None,
    score: str = "probability",
    baseline: float | Array | None = None,
    chunk: int = 32,
) -> RawMaps:
    """Occlusion maps: what the score loses, on average, to the windows that hide a pixel.

    M(p) = mean over windows W that cover p of S(I) - S(I without W).

    Windows begin every `stride` pixels, and the last one where it ends with the image, so that every pixel is covered.
    The paper shows the score itself at each window's place.

    Args:
        window: its side, or sides, in pixels of the network's input; None for a seventh of the image's, 32 of 224.
        stride: from window to window, at most a window; None for half a window.
        score: "probability", as in the paper, or "logit".
        baseline: what the window shows: a grey from 0 (black) to 1, or None for the network's 0, the mean colour.
        chunk: number of windows an image that go through the network at once.

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv 1311.2901.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.occlusion(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1]), window=64, stride=40).shape
    (2, 32, 24)
    """
    check_counts(chunk=chunk)
    background = baseline_pixels(cut, baseline)
    space = cut.pixels.shape[1:-1]
    windows = tuple(-(-length // 7) for length in space) if window is None else _sides(window, space)
    strides = tuple(-(-side // 2) for side in windows) if stride is None else _sides(stride, space)
    covers = _covers(space, windows, strides)
    counts = tuple(len(cover) for cover in covers)
    whole = scored(cut.params, cut.logits, targets, score)

    def drop(index: Array) -> Array:
        hidden = jnp.ones((), jnp.float32)
        for cover, place in zip(covers, jnp.unravel_index(index, counts), strict=True):
            hidden = hidden[..., None] * jnp.expand_dims(jnp.asarray(cover)[place], range(hidden.ndim))
        return whole - pixel_scores(cut, masked(cut, 1 - hidden[None], background), targets, score)

    drops = jnp.moveaxis(map_in_chunks(drop, math.prod(counts), chunk), 0, -1).reshape(*whole.shape, *counts)
    # How many windows cover a pixel is a product over the axes, so a mean along each is the mean over all.
    for cover in covers:
        drops = jnp.tensordot(drops, cover / cover.sum(axis=0), axes=(2, 0), precision=jax.lax.Precision.HIGHEST)
    return drops


def _space(cut: Cut) -> tuple[int, ...]:
    """The axes of the pixels' space where labels stand before them."""
    return tuple(range(2, cut.pixels.ndim))


def _random_mask(key: Array, space: tuple[int, ...], cells: int, visible: float) -> Array:
    """One of RISE's masks (*space)."""
    # One draw for cells and shifts: each more would take as long to compile as a small network.
    draws = jax.random.uniform(key, (cells ** len(space) + len(space),), jnp.float32)
    mask = (draws[: -len(space)] < visible).astype(jnp.float32).reshape((cells,) * len(space))
    for length, draw in zip(space, draws[-len(space) :], strict=True):
        cell = -(-length // cells)
        matrix = jnp.asarray(resize_matrix(cells, (cells + 1) * cell))
        rows = jax.lax.dynamic_slice_in_dim(matrix, (draw * cell).astype(int), length)
        # Each product turns the axes on by one, so that after the last they stand as before.
        mask = jnp.tensordot(mask, rows, axes=(0, 1), precision=jax.lax.Precision.HIGHEST)
    return mask


def _sides(given: int | tuple[int, ...], space: tuple[int, ...]) -> tuple[int, ...]:
    return (given,) * len(space) if isinstance(given, int) else tuple(given)


def _covers(space: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> list[np.ndarray]:
    """Along each axis (windows, length): 1 where a window lies, else 0."""
    rank = len(space)
    windows, strides = whole_lengths(window, rank), whole_lengths(stride, rank)
    if windows is None or any(side > length for side, length in zip(windows, space, strict=True)):
        raise ValueError(f"window: got {window} for images of {space}; give a side, or {rank}, of 1 to theirs")
    if strides is None or any(step > side for step, side in zip(strides, windows, strict=True)):
        raise ValueError(f"stride: got {stride} with windows of {windows}; give 1 to theirs, so that all is covered")
    covers = []
    for length, side, step in zip(space, windows, strides, strict=True):
        starts = np.array([*range(0, length - side, step), length - side])[:, None]
        pixels = np.arange(length)[None]
        covers.append(((starts <= pixels) & (pixels < starts + side)).astype(np.float32))
    return covers
