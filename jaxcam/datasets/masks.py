"""Which pixels of an example show its object, by the mask files that come with it.

Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, arXiv 2001.07437, whose masks
of Open Images these are: Benenson, Popov and Ferrari, "Large-Scale Interactive Object Segmentation with Human
Annotators", CVPR 2019, arXiv 1903.10830.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from jaxcam.datasets.example import Example
from jaxcam.image_files import read_mask
from jaxcam.records import Record

OBJECT, IGNORED = 1, 255


def truth_mask(example: Example, *, size: tuple[int, int] = (224, 224)) -> UInt8[np.ndarray, "h w"]:
    """What PxAP scores each pixel against: 1 on any of the object's masks, 255 on the rest of the ignored, else 0.

    Each file is resized by itself to the nearest pixel, as OpenCV does: pixel i of n is pixel floor(i / (n / m)) of the
    file's m.

    Args:
        example: with at least one mask; their sizes may differ.
        size: (height, width) wanted, in pixels; the benchmark's is 224 x 224.

    Returns:
        uint8 (h, w).

    Raises:
        ValueError: for an example without masks, a size below 1, or a file that cannot be read: which one, and why.

    >>> truth_mask(Example(Path("cat.jpg"), 0))
    Traceback (most recent call last):
    ValueError: cat.jpg: got no masks; give an example with the masks of its object

    Source: https://github.com/clovaai/wsolevaluation
    """
    if not example.masks:
        raise ValueError(f"{example.path}: got no masks; give an example with the masks of its object")
    if min(size) < 1:
        raise ValueError(f"size: got {size}; give a height and a width of at least 1")
    shown = np.logical_or.reduce([_resized(path, size) for path in example.masks])
    truth = np.where(shown, OBJECT, 0).astype(np.uint8)
    if example.ignored is not None:
        truth[_resized(example.ignored, size) & ~shown] = IGNORED
    return truth


def _resized(path: Path | Record, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    mask = read_mask(path)
    rows, columns = (_nearest(source, target) for source, target in zip(mask.shape, size, strict=True))
    return mask[rows[:, None], columns]


def _nearest(source, target):
    # In OpenCV's order: its two divisions in float64 differ from i * source // target at some sizes, 36 -> 224 say.
    return np.minimum((np.arange(target) * (1 / (target / source))).astype(int), source - 1)
