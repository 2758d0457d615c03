"""What an evaluation finds in each image, as a line of JSON: guesses, boxes and their IoU, and what sweeps count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxcam.box_rules.release import five_box_guesses
from jaxcam.box_rules.wsol_sweep import sweep_boxes
from jaxcam.datasets import Example
from jaxcam.datasets.masks import truth_mask
from jaxcam.evaluation._steps import Found, Seen
from jaxcam.evaluation.passes import in_file
from jaxcam.evaluation.protocol import Protocol
from jaxcam.geometry import iou, resize_matrix
from jaxcam.image_files import read_image
from jaxcam.metrics import FRAME, benchmark_targets, max_box_counts, pixel_counts, pointed
from jaxcam.metrics.pixel_precision import whole_counts

Line = dict[str, Any]


def outcome(index: int, example: Example, size: np.ndarray, seen: Seen, *, protocol: Protocol, grid: Any) -> Line:
    """The line of one image.

    Args:
        index: its place in the data set.
        example: the image.
        size: (height, width) of its file, in pixels.
        seen: what the step found in it, without the batch axis, on the host.
        protocol: of the evaluation.
        grid: (height, width) that maps were boxed at; None for the file's own.

    Returns:
        A dict of JSON values. Boxes are half-open (x0, y0, x1, y1) in the file's pixels, null where they are unknown;
        numbers have the nine digits that tell float32 apart. Where the example has boxes: `max_box` has the runs
        [first, last] of the benchmark's thresholds, in thousandths, at which a box has an IoU of .3, .5 and .7. Where
        it has masks: `pixels` has the histograms of scores.
    """
    line: Line = {"index": index, **_named(example), "size": size.tolist(), "top5": seen.top.tolist()}
    line["probabilities"] = _numbers(np.asarray(seen.probabilities))
    if seen.found is None:
        return line
    found, top = _in_file(seen.found, size, grid), np.asarray(seen.top)
    if protocol.rule == "release":
        guesses, boxes = (part[0] for part in five_box_guesses(top[None], found.boxes[None]))
        # Of the two boxes of a map, the loose one stands for it.
        true_box, random_box = found.true_box[0], found.random_box[0]
    else:
        guesses, boxes, true_box, random_box = top, found.boxes, found.true_box, found.random_box
    truth = np.array(example.boxes, np.float32).reshape(-1, 4)
    line["guesses"] = [{"label": int(label), **_judged(box, truth)} for label, box in zip(guesses, boxes, strict=True)]
    line["true_class"] = {**_judged(true_box, truth), "nothing": bool(found.highest <= 0)}
    line["random_map"] = _judged(random_box, truth)
    line["point"] = _numbers(found.point)
    if example.boxes:
        line["pointing_game"] = bool(pointed(found.point[None], truth[None], np.ones((1, len(truth)), bool))[0])
    return {**line, **_swept(example, size, found.maps[1])}


def skipped(index: int, example: Example) -> Line:
    """The line of an image that, or a mask of which, could not be read: why not, which reading it again tells."""
    try:
        read_image(example.path)
        if example.masks:
            truth_mask(example)
    except ValueError as error:
        return {"index": index, **_named(example), "skipped": str(error)}
    # A network's file system may fail for a moment.
    return {"index": index, **_named(example), "skipped": f"{example.path}: it could not be read in its turn"}


def runs(flags: Bool[np.ndarray, "n"]) -> list[list[int]]:
    """The first and the last index of each run of True.

    >>> runs(np.array([True, True, False, True]))
    [[0, 1], [3, 3]]
    """
    changes = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return [[int(first), int(end) - 1] for first, end in changes.reshape(-1, 2)]


def flags_of_runs(found: Sequence[Sequence[int]], length: int) -> Bool[np.ndarray, "n"]:
    """The flags that `runs` was given.

    >>> flags_of_runs([[0, 1], [3, 3]], 4).tolist()
    [True, True, False, True]
    """
    flags = np.zeros(length, bool)
    for first, last in found:
        flags[first : last + 1] = True
    return flags


def _named(example: Example) -> Line:
    return {"image": str(example.path), "label": example.label}


def _in_file(found: Found, size: np.ndarray, grid: Any) -> Any:
    """Boxes and the point in the file's pixels."""

    def scaled(corners: np.ndarray) -> np.ndarray:
        return in_file(corners[None], size[None], grid)[0]

    boxes = {name: scaled(getattr(found, name)) for name in ("boxes", "true_box", "random_box")}
    # A point scales as a corner does.
    return found._replace(**boxes, point=scaled(np.tile(found.point, 2))[:2])


def _judged(box: np.ndarray, truth: np.ndarray) -> Line:
    """A box, and the IoU with the ground truth that it fits best."""
    best = iou(np.broadcast_to(box, truth.shape), truth).max() if len(truth) else None
    return {"box": _numbers(box), "iou": None if best is None else _number(best)}


def _swept(example: Example, size: np.ndarray, cells: Float[np.ndarray, "y x"]) -> Line:
    """What depends on all thresholds at once, in the WSOL benchmark's frame."""
    line: Line = {}
    rows, columns = (
        resize_matrix(length, wanted, "bicubic") for length, wanted in zip(cells.shape, FRAME, strict=True)
    )
    # In float64, as the benchmark: rounded down to 8 bits, a difference in the last digit shows.
    resized = rows.astype(np.float64) @ cells.astype(np.float64) @ columns.astype(np.float64).T
    if example.boxes:
        targets = benchmark_targets(np.array(example.boxes), tuple(size.tolist()))
        counts = max_box_counts(*sweep_boxes(_grey(resized)), targets=targets)
        line["max_box"] = {
            "largest": [runs(np.asarray(right) > 0) for right in counts.largest],
            "contours": [runs(np.asarray(right) > 0) for right in counts.contours],
        }
    if example.masks:
        mask = truth_mask(example, size=FRAME)
        histograms = pixel_counts(resized[None], mask[None], mask=np.array([True]))
        line["pixels"] = {name: whole_counts(limbs).tolist() for name, limbs in histograms._asdict().items()}
    return line


def _grey(resized: Float[np.ndarray, "h w"]) -> np.ndarray:
    """A map in 8 bits, rounded down; 0 where it is constant or not finite, as `grey_maps` on the device."""
    heights = resized - resized.min()
    if not (np.isfinite(resized).all() and heights.max() > 0):
        return np.zeros(resized.shape, np.uint8)
    return np.floor(255 * (heights / heights.max())).astype(np.uint8)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: Any) -> float | None:
    return float(f"{value:.9g}") if np.isfinite(value) else None
