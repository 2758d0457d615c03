"""GT-known at each threshold, as a curve to read and as JSON to keep."""

from dataclasses import asdict, dataclass
from typing import Any

ROWS = 20  # of a printed curve, about


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
