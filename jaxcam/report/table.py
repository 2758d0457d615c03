"""The figures of an evaluation as a table to read and as JSON to keep."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jaxcam.metrics import LocalizationCounts, share_interval
from jaxcam.whole_files import whole_file

ROWS = 20  # of a printed curve, about

# Name of a figure -> its row in the table.
NAMES = {
    "top1_accuracy": "classification  top-1",
    "top5_accuracy": "                top-5",
    "gt_known": "localization    GT-known",
    "top1_localization": "                top-1 Loc",
    "top5_localization": "                top-5 Loc",
    "gt_known_whole_image": "GT-known of     whole image",
    "gt_known_centered_box": "                centred box",
    "gt_known_random_map": "                random map",
}


class Figure(NamedTuple):
    """A share of n images in percent, and its 95% bootstrap interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Baselines:
    """Of how many images boxes are right that no network was asked for.

    Attributes:
        whole_image: of the whole image.
        centred_box: of a box in the middle, with the sides that are best on these very images.
        centred_share: those sides, as a share of the image's.
        random_map: of noise in place of the network's cells, upsampled and boxed as the maps are.
    """

    whole_image: int
    centred_box: int
    centred_share: float
    random_map: int


@dataclass(frozen=True)
class Report:
    """What an evaluation found, and with which settings; `print` shows the table.

    Attributes:
        counts: sums over the images.
        num_classes: of the network.
        image_size: (height, width) that images were squashed to and boxes taken at, in pixels.
        rule: of the boxes.
        threshold: of the boxes, as a share of the map's maximum.
        baselines: None for a data set without boxes.
        dataset: its name, "" where the caller gave none.
        checkpoint: its name, likewise.

    >>> counts = LocalizationCounts(4, 4, top1=2, top5=3, gt_known=3, top1_loc=1, top5_loc=2, whole_image=1)
    >>> print(Report(counts, 200, (64, 64), "paper", 0.2, Baselines(2, 3, 0.8, 1), "tiny_imagenet val"))
    tiny_imagenet val: 4 images, 200 classes
    images squashed to 64x64; box rule "paper" at threshold 0.2, right from IoU 0.5
    <BLANKLINE>
                                accuracy %    95% interval   error %
    classification  top-1            50.00    0.00..100.00     50.00
                    top-5            75.00   25.00..100.00     25.00
    localization    GT-known         75.00   25.00..100.00     25.00
                    top-1 Loc        25.00     0.00..75.00     75.00
                    top-5 Loc        50.00    0.00..100.00     50.00
    GT-known of     whole image      50.00    0.00..100.00     50.00
                    centred box      75.00   25.00..100.00     25.00
                    random map       25.00     0.00..75.00     75.00
    <BLANKLINE>
    The centred box has 0.80 of the image's sides, the best share on these very images.
    Class maps with nothing above zero, whose box is the whole image: 1.
    """

    counts: LocalizationCounts
    num_classes: int
    image_size: tuple[int, ...]
    rule: str
    threshold: float
    baselines: Baselines | None = None
    dataset: str = ""
    checkpoint: str = ""

    @property
    def figures(self) -> dict[str, Figure]:
        """Every share that was counted, by its name in `report.json`: of all images, or of those with boxes."""
        counts, baselines = self.counts, self.baselines
        right = {"top1_accuracy": counts.top1, "top5_accuracy": counts.top5}
        totals = dict.fromkeys(right, counts.images)
        if counts.boxed:
            right |= {"gt_known": counts.gt_known}
            right |= {"top1_localization": counts.top1_loc, "top5_localization": counts.top5_loc}
        if baselines is not None:
            right |= {"gt_known_whole_image": baselines.whole_image, "gt_known_centered_box": baselines.centred_box}
            right |= {"gt_known_random_map": baselines.random_map}
        return {name: _figure(int(number), int(totals.get(name, counts.boxed))) for name, number in right.items()}

    def __str__(self) -> str:
        lines = []
        for name, (value, low, high, _) in self.figures.items():
            interval = f"{low:.2f}..{high:.2f}"
            lines.append(f"{NAMES[name]:<30}{value:>8.2f}{interval:>16}{100 - value:>10.2f}")
        heading = f"{'':<28}accuracy %    95% interval   error %"
        return "\n".join([*self._heading(), "", heading, *lines, "", *self._notes()]).rstrip()

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values: settings, figures in percent, counts and baselines."""
        return {
            "dataset": self.dataset,
            "checkpoint": self.checkpoint,
            "num_classes": self.num_classes,
            "image_size": list(self.image_size),
            "box_rule": self.rule,
            "threshold": self.threshold,
            "iou": 0.5,
            "figures": {name: figure._asdict() for name, figure in self.figures.items()},
            "counts": self.counts._asdict(),
            "baselines": None if self.baselines is None else asdict(self.baselines),
        }

    def _heading(self) -> list[str]:
        names = " · ".join(filter(None, [self.dataset, self.checkpoint]))
        total = f"{self.counts.images} images, {self.num_classes} classes"
        size = "x".join(map(str, reversed(self.image_size)))
        boxes = f'; box rule "{self.rule}" at threshold {self.threshold:g}, right from IoU 0.5'
        return [f"{names}: {total}" if names else total, f"images squashed to {size}{boxes if self.baselines else ''}"]

    def _notes(self) -> list[str]:
        notes, (images, boxed, nothing) = [], (self.counts.images, self.counts.boxed, self.counts.whole_image)
        if self.baselines is None:
            return ["The data set has no ground-truth boxes, so localization is not measured."]
        if self.num_classes < 5:
            notes.append(f"Top-5 counts all {self.num_classes} classes.")
        share = self.baselines.centred_share
        notes.append(f"The centred box has {share:.2f} of the image's sides, the best share on these very images.")
        if nothing:
            notes.append(f"Class maps with nothing above zero, whose box is the whole image: {nothing}.")
        if boxed < images:
            notes.append(f"{images - boxed} of the images have no ground-truth box and count for classification alone.")
        return notes


def _figure(right: int, images: int) -> Figure:
    return Figure(100 * right / images, *share_interval(right, images), images)


@dataclass(frozen=True)
class Thresholds:
    """GT-known at each threshold; `print` shows the curve.

    Attributes:
        values: thresholds, ascending.
        gt_known: accuracy at each, in percent.
        images: how many images that is over.

    >>> curve = Thresholds(values=(0.1, 0.2, 0.3), gt_known=(40.0, 60.0, 60.0), images=5)
    >>> curve.best
    0.2
    >>> print(curve)
    threshold  GT-known %, 5 images
         0.10   40.00  ########################
         0.20   60.00  ####################################  best
         0.30   60.00  ####################################
    """

    values: tuple[float, ...]
    gt_known: tuple[float, ...]
    images: int

    @property
    def best(self) -> float:
        """The threshold with the highest GT-known, the smallest of several."""
        return self.values[self.gt_known.index(max(self.gt_known))]

    def __str__(self) -> str:
        step = 1 + len(self.values) // ROWS
        lines = [
            f"{value:>9.2f}{accuracy:>8.2f}  {'#' * round(0.6 * accuracy)}{'  best' * (value == self.best)}"
            for row, (value, accuracy) in enumerate(zip(self.values, self.gt_known, strict=True))
            if row % step == 0 or value == self.best
        ]
        return "\n".join([f"threshold  GT-known %, {self.images} images", *lines])

    def as_json(self) -> dict[str, Any]:
        """The curve and its best point as JSON values."""
        return {"best": self.best, **asdict(self)}


def save_table(result: Report | Thresholds, folder: str | os.PathLike[str], *, name: str = "report") -> None:
    """Write `name`.json and `name`.txt, each there whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     save_table(Thresholds((0.2,), (50.0,), 4), home, name="thresholds")
    ...     sorted(file.name for file in Path(home).iterdir())
    ['thresholds.json', 'thresholds.txt']
    """
    for suffix, text in (("json", json.dumps(result.as_json(), indent=1)), ("txt", str(result))):
        with whole_file(Path(folder, f"{name}.{suffix}")) as file:
            file.write(f"{text}\n".encode())
