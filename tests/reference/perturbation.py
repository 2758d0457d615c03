"""Map methods by perturbation in NumPy, float64, of one image and one label, one variant after another.

`score(pixels)` and `score(cells)` are the score of one image's pixels (*space, channels), of its cells (*cells, k).
"""

import itertools

import numpy as np

from tests.reference.resizing import resize


def softmax(x):
    parts = np.exp(x - np.max(x))
    return parts / parts.sum()


def resized(array, size):
    for axis, length in enumerate(size):
        array = np.moveaxis(resize(np.moveaxis(array, axis, 0), length, "bilinear"), 0, axis)
    return array


def blended(pixels, mask, background):
    return background + mask[..., None] * (pixels - background)


def score_cam(pixels, cells, score, changes, *, background=0.0, use_softmax=True):
    """`changes` (one function of a mask and a channel a sample) make the masks whose scores are averaged."""
    gains = {}
    for k in range(cells.shape[-1]):
        mask = resized(cells[..., k], pixels.shape[:-1])
        if np.ptp(mask) < 1e-9:
            continue
        mask = (mask - mask.min()) / np.ptp(mask)
        scores = [score(blended(pixels, change(mask, k), background)) for change in changes]
        gains[k] = np.mean(scores) - score(np.full_like(pixels, background))
    weights = softmax(np.array(list(gains.values()))) if use_softmax else np.array(list(gains.values()))
    return sum(weight * cells[..., k] for k, weight in zip(gains, weights, strict=True))


def ablation_cam(cells, score):
    total = 0
    for k in range(cells.shape[-1]):
        without = cells.copy()
        without[..., k] = 0
        total = total + (score(cells) - score(without)) / score(cells) * cells[..., k]
    return total


def rise(pixels, score, grids, shifts, visible, *, background=0.0):
    """Of masks from grids of cells and shifts in pixels."""
    space = pixels.shape[:-1]
    total = np.zeros(space)
    for grid, shift in zip(grids, shifts, strict=True):
        size = [(cells + 1) * int(np.ceil(length / cells)) for cells, length in zip(grid.shape, space, strict=True)]
        crop = tuple(slice(start, start + length) for start, length in zip(shift, space, strict=True))
        mask = resized(np.asarray(grid, np.float64), size)[crop]
        total += score(blended(pixels, mask, background)) * mask
    return total / (len(grids) * visible)


def occlusion(pixels, score, starts, sides, *, background=0.0):
    """Of windows that start at every combination of `starts` along each axis."""
    drops, covered = np.zeros(pixels.shape[:-1]), np.zeros(pixels.shape[:-1])
    for corner in itertools.product(*starts):
        window = tuple(slice(start, start + side) for start, side in zip(corner, sides, strict=True))
        hidden = pixels.copy()
        hidden[window] = background
        drops[window] += score(pixels) - score(hidden)
        covered[window] += 1
    return drops / covered
