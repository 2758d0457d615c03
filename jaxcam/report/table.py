"""The figures of an evaluation as a table to read and as JSON to keep."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jaxcam.metrics import LocalizationCounts, rates, share_interval
from jaxcam.report._page_curves import Curve
from jaxcam.report.thresholds import Thresholds
from jaxcam.whole_files import whole_file

# Name of a figure -> its row in the table.
NAMES = {
    "top1_accuracy": "classification  top-1",
    "top5_accuracy": "                top-5",
    "gt_known": "localization    GT-known",
    "top1_localization": "                top-1 Loc",
    "top5_localization": "                top-5 Loc",
    "max_box_acc": "best threshold  MaxBoxAcc",
    "max_box_acc_v2": "                MaxBoxAccV2",
    "pointing_game": "highest pixel   pointing game",
    "pxap": "pixels          PxAP",
    "gt_known_whole_image": "GT-known of     whole image",
    "gt_known_centered_box": "                centred box",
    "gt_known_random_map": "                random map",
}


# Name of a rate -> that of the figure which it is.
SAME = {
    "top1": "top1_accuracy",
    "top5": "top5_accuracy",
    "top1_loc": "top1_localization",
    "top5_loc": "top5_localization",
}
RELEASE = (
    "The five guesses are two boxes of the first class, two of the second and one of the third; GT-known takes the "
    "larger box of the true class."
)


class Figure(NamedTuple):
    """A share of n images in percent, or a mean of such shares, and its 95% bootstrap interval."""

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
        centred_interval: 95% bootstrap interval of its share of right boxes, in percent, each resample with its own
            sides; None for that of these sides.
        random_map: of noise in place of the network's cells, upsampled and boxed as the maps are.
    """

    whole_image: int
    centred_box: int
    centred_share: float
    random_map: int
    centred_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Report:
    """What an evaluation found, and with which settings; `print` shows the table.

    Attributes:
        counts: sums over the images.
        num_classes: of the network.
        image_size: (height, width) of the network's images, in pixels.
        canvas: (height, width) that images were squashed to, if not that: what ten crops were cut from.
        rule: of the boxes.
        threshold: of the boxes, as a share of the map's maximum; None for the rule "release".
        baselines: None for a data set without boxes.
        dataset: its name, "" where the caller gave none.
        checkpoint: its name, likewise.
        method: of the maps.
        stage: that the method looked at; None for its own.
        views: "single" or "ten_crop".
        box_grid: "network", or "image" where maps were thresholded in the image files' own pixels.
        further: figures of another kind than shares of `counts`, by their names in `report.json`.
        best_thresholds: of each such figure that is the best over thresholds.
        curves: what it is the best point of: accuracy in percent at each of these.
        classes: name -> counts, of the classes that have images.
        skipped: files that could not be read, and why.
        predictions: a line of JSON values an image, in the order of the data set, and then what its reader left out.
        origin: versions, hashes and whatever else the caller wants kept.

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
    threshold: float | None
    baselines: Baselines | None = None
    dataset: str = ""
    checkpoint: str = ""
    method: str = "cam"
    stage: str | None = None
    views: str = "single"
    box_grid: str = "network"
    canvas: tuple[int, ...] | None = None
    further: Mapping[str, Figure] = field(default_factory=dict)
    best_thresholds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict, repr=False)
    classes: Mapping[str, LocalizationCounts] = field(default_factory=dict, repr=False)
    skipped: tuple[str, ...] = ()
    predictions: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its name in `report.json`: of all images, or of those with boxes or masks."""
        counts, baselines = self.counts, self.baselines
        right = {"top1_accuracy": counts.top1, "top5_accuracy": counts.top5}
        figures = {name: share_of(number, counts.images) for name, number in right.items()}
        if counts.boxed:
            right = {"gt_known": counts.gt_known, "top1_localization": counts.top1_loc}
            right |= {"top5_localization": counts.top5_loc}
            figures |= {name: share_of(number, counts.boxed) for name, number in right.items()}
        figures |= self.further
        if baselines is not None:
            right = {"gt_known_whole_image": baselines.whole_image, "gt_known_centered_box": baselines.centred_box}
            right |= {"gt_known_random_map": baselines.random_map}
            figures |= {name: share_of(number, counts.boxed) for name, number in right.items()}
            if baselines.centred_interval is not None:
                low, high = baselines.centred_interval
                figures["gt_known_centered_box"] = figures["gt_known_centered_box"]._replace(low=low, high=high)
        return figures

    def __str__(self) -> str:
        lines = []
        for name, (value, low, high, _) in self.figures.items():
            interval = f"{low:.2f}..{high:.2f}"
            lines.append(f"{NAMES[name]:<30}{value:>8.2f}{interval:>16}{100 - value:>10.2f}")
        heading = f"{'':<28}accuracy %    95% interval   error %"
        return "\n".join([*self.heading(), "", heading, *lines, "", *self.notes()]).rstrip()

    def as_json(self) -> dict[str, Any]:
        """Everything but the predictions and curves as JSON values: settings, figures in percent, counts, classes."""
        return {
            "dataset": self.dataset,
            "checkpoint": self.checkpoint,
            "num_classes": self.num_classes,
            "image_size": list(self.image_size),
            "canvas": list(self.canvas or self.image_size),
            "method": self.method,
            "stage": self.stage,
            "views": self.views,
            "box_rule": self.rule,
            "box_grid": self.box_grid,
            "threshold": self.threshold,
            "iou": 0.5,
            **self.origin,
            "figures": {name: figure._asdict() for name, figure in self.figures.items()},
            "best_thresholds": {name: list(values) for name, values in self.best_thresholds.items()},
            "counts": self.counts._asdict(),
            "baselines": None if self.baselines is None else asdict(self.baselines),
            "classes": {name: _shares(counts) for name, counts in self.classes.items()},
            "skipped": list(self.skipped),
        }

    def heading(self) -> list[str]:
        """What was evaluated, and how; sizes are height x width."""
        names = " · ".join(filter(None, [self.dataset, self.checkpoint]))
        total = f"{self.counts.images} images, {self.num_classes} classes"
        crop, canvas = ("x".join(map(str, size)) for size in (self.image_size, self.canvas or self.image_size))
        how = f"images squashed to {canvas}"
        how += f"; ten crops of {crop}" if self.views == "ten_crop" else ""
        how += f"; maps by {self.method}" if self.method != "cam" else ""
        how += f" of {self.stage}" if self.stage is not None else ""
        if self.baselines:
            how += f'; box rule "{self.rule}"'
            how += f" at threshold {self.threshold:g}" if self.threshold is not None else ""
            how += " in the image's own pixels" if self.box_grid == "image" else ""
            how += ", right from IoU 0.5"
        return [f"{names}: {total}" if names else total, how]

    def notes(self) -> list[str]:
        """What a reader must know about the figures."""
        notes, (images, boxed, nothing) = [], (self.counts.images, self.counts.boxed, self.counts.whole_image)
        if self.skipped:
            notes.append(f"Files that could not be read, and count for nothing: {len(self.skipped)}.")
        if self.num_classes < 5:
            notes.append(f"Top-5 counts all {self.num_classes} classes.")
        if self.baselines is None:
            return [*notes, "The data set has no ground-truth boxes, so their localization is not measured."]
        for name, values in self.best_thresholds.items():
            chosen = f"threshold{'s' * (len(values) > 1)} {', '.join(f'{value:g}' for value in values)}"
            notes.append(f"{NAMES[name].split()[-1]} is at the {chosen}, the best on these very images.")
        if self.baselines.centred_box:
            share = self.baselines.centred_share
            notes.append(f"The centred box has {share:.2f} of the image's sides, the best share on these very images.")
        if nothing and self.rule != "wsol":  # which stretches maps, and so finds something below zero too
            notes.append(f"Class maps with nothing above zero, whose box is the whole image: {nothing}.")
        if self.rule == "release":
            notes.append(RELEASE)
        if boxed < images:
            notes.append(f"{images - boxed} of the images have no ground-truth box and count for classification alone.")
        return notes


def _shares(counts: LocalizationCounts) -> dict[str, Any]:
    """Accuracies of a class in percent, under the names of the figures."""
    shares = {SAME.get(name, name): share for name, share in rates(counts).items()}
    return {"images": counts.images, **shares}


def share_of(right: Any, images: Any) -> Figure:
    """The share of images that are right, with its interval.

    >>> share_of(40, 100)
    Figure(value=40.0, low=31.0, high=50.0, n=100)
    """
    right, images = int(right), int(images)
    return Figure(100 * right / images, *share_interval(right, images), images)


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
