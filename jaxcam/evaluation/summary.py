"""From the lines of an evaluation to its report: counts, figures with intervals, baselines, classes and curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcam.box_rules.wsol_sweep import THRESHOLDS
from jaxcam.datasets import Dataset
from jaxcam.evaluation.outcomes import Line, flags_of_runs
from jaxcam.metrics import (
    OVERLAPS,
    LocalizationCounts,
    MaxBoxCounts,
    PixelCounts,
    best_share_interval,
    bootstrap_interval,
    localization_flags,
    localized,
    max_box_acc,
    max_box_acc_v2,
    pixel_average_precision,
)
from jaxcam.metrics.pixel_precision import LIMB
from jaxcam.report.page import Curve
from jaxcam.report.table import Baselines, Figure, share_of

SHARES = tuple(percent / 100 for percent in range(1, 101))  # sides of the centred boxes, the last the whole image
AT_ONCE = 4096  # images of which the centred boxes are judged together


def summarize(lines: Sequence[Line], dataset: Dataset, names: Sequence[str]) -> dict[str, Any]:
    """The arguments of a `Report` that the lines give.

    Args:
        lines: of the images that were read, in the order of the data set.
        dataset: the whole.
        names: of the network's classes, all different.
    """
    examples = [dataset[line["index"]] for line in lines]
    targets, mask = padded_boxes([example.boxes for example in examples])
    flags = _flags(lines, targets, mask)
    boxed = bool(np.any(flags.boxed))
    found: dict[str, Any] = {
        "counts": LocalizationCounts(*(int(np.sum(flag)) for flag in flags)),
        "classes": _by_class(flags, np.array([line["label"] for line in lines]), names),
    }
    if boxed:
        found["baselines"] = _baselines(lines, targets, mask)
        found |= _swept(lines)
    if any("pixels" in line for line in lines):
        found["further"] = {**found.get("further", {}), "pxap": _pixel_precision(lines)}
    return found


def padded_boxes(boxes: Sequence[Sequence[Sequence[float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Ground-truth boxes of n images as (n, m, 4), and a mask (n, m) of those that there are."""
    most = max(map(len, boxes), default=0) or 1
    corners, mask = np.zeros((len(boxes), most, 4), np.float32), np.zeros((len(boxes), most), bool)
    for row, of_image in enumerate(boxes):
        corners[row, : len(of_image)] = np.array(of_image, np.float32).reshape(-1, 4)
        mask[row, : len(of_image)] = True
    return corners, mask


def _flags(lines: Sequence[Line], targets: np.ndarray, mask: np.ndarray) -> LocalizationCounts:
    top = np.array([line["top5"] for line in lines], np.int32)
    localize = "guesses" in lines[0]
    guesses = [[guess["label"] for guess in line["guesses"]] for line in lines] if localize else top
    boxes = [[guess["box"] for guess in line["guesses"]] for line in lines] if localize else np.zeros((*top.shape, 4))
    true = [line["true_class"]["box"] for line in lines] if localize else np.zeros((len(lines), 4))
    nothing = [line["true_class"]["nothing"] for line in lines] if localize else [False] * len(lines)
    return localization_flags(
        np.array([line["label"] for line in lines], np.int32),
        np.array(guesses, np.int32),
        _corners(boxes),
        _corners(true),
        targets=targets,
        target_mask=mask,
        mask=np.ones(len(lines), bool),
        whole_image=np.array(nothing),
        classes=top,
    )


def _corners(boxes: Any) -> np.ndarray:
    """Boxes from JSON; null becomes NaN."""
    return np.array(boxes, np.float32)


def _by_class(flags: LocalizationCounts, labels: np.ndarray, names: Sequence[str]) -> dict[str, LocalizationCounts]:
    """The counts of each class that has images."""
    sums = [np.bincount(labels[np.asarray(flag)], minlength=len(names)) for flag in flags]
    rows = np.stack(sums, axis=1).tolist()
    return {name: LocalizationCounts(*row) for name, row in zip(names, rows, strict=True) if row[0]}


def _baselines(lines: Sequence[Line], targets: np.ndarray, mask: np.ndarray) -> Baselines:
    sizes = np.array([line["size"] for line in lines])
    shares = np.array(SHARES, np.float32)
    corners = np.stack([1 - shares, 1 - shares, 1 + shares, 1 + shares], axis=-1) / 2
    right = np.zeros((len(lines), len(SHARES)), bool)
    for start in range(0, len(lines), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        boxes = corners * np.tile(sizes[part, None, ::-1], 2).astype(np.float32)
        right[part] = localized(boxes, targets[part], mask[part])
    sums = right.sum(axis=0)
    best = int(sums.argmax())
    random = _corners([line["random_map"]["box"] for line in lines])[:, None]
    return Baselines(
        whole_image=int(sums[-1]),
        centred_box=int(sums[best]),
        centred_share=SHARES[best],
        centred_interval=best_share_interval(right[mask.any(axis=1)]),
        random_map=int(localized(random, targets, mask).sum()),
    )


def _swept(lines: Sequence[Line]) -> dict[str, Any]:
    """MaxBoxAcc, MaxBoxAccV2 and the pointing game, and the curves that the first two are the best points of."""
    boxed = [line for line in lines if "max_box" in line]
    count = len(boxed)
    right = {kind: np.zeros((count, len(OVERLAPS), len(THRESHOLDS)), bool) for kind in ("largest", "contours")}
    for row, line in enumerate(boxed):
        for kind, flags in right.items():
            flags[row] = [flags_of_runs(runs, len(THRESHOLDS)) for runs in line["max_box"][kind]]
    counts = MaxBoxCounts(count, *(right[kind].sum(axis=0) for kind in ("largest", "contours")))
    first, second = max_box_acc(counts, THRESHOLDS), max_box_acc_v2(counts, THRESHOLDS)
    further = {
        "max_box_acc": Figure(first.percent, *best_share_interval(right["largest"][:, 1]), count),
        "max_box_acc_v2": Figure(second.percent, *best_share_interval(np.moveaxis(right["contours"], 0, 1)), count),
        "pointing_game": share_of(sum(line["pointing_game"] for line in boxed), count),
    }
    curves = {"largest contour, IoU 0.5": counts.largest[1]}
    curves |= {f"any contour, IoU {least}": row for least, row in zip(OVERLAPS, counts.contours, strict=True)}
    return {
        "further": further,
        "best_thresholds": {"max_box_acc": first.thresholds, "max_box_acc_v2": second.thresholds},
        "curves": {name: Curve(THRESHOLDS, tuple((100 * row / count).tolist())) for name, row in curves.items()},
    }


def _pixel_precision(lines: Sequence[Line]) -> Figure:
    masked = [line["pixels"] for line in lines if "pixels" in line]
    rows = np.array([[*pixels["foreground"], *pixels["background"]] for pixels in masked])

    def figure(sums: np.ndarray) -> float:
        whole = sums.astype(np.int64).reshape(2, -1)
        counts = PixelCounts(*np.stack([whole % LIMB, whole // LIMB], axis=-1))
        return pixel_average_precision(counts) if whole[0].any() else np.nan

    if not any(any(pixels["foreground"]) for pixels in masked):
        raise ValueError("masks: none of them shows a pixel of its object; give masks that are not 0 there")
    return Figure(figure(rows.sum(axis=0)), *bootstrap_interval(rows, figure), len(masked))
