"""What a measurement gives: sums over images that merge, and the table of what each of them means."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxcam.arrays import type_of_array

Total = type_of_array | np.generic | float | int


class Sums(NamedTuple):
    """One measure of a batch.

    Attributes:
        total: the sum over its images.
        count: how many images that are, without those that are padding or have no such figure.
    """

    total: Total
    count: Total  # type: ignore[assignment]  # hides tuple.count


# Sums by the names of `METRICS`.
Record = dict[str, Sums]


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    Attributes:
        higher_is_better: which way a faithful map goes.
        meaning: one line.
        source: the paper, with its arXiv number.
        unit: "%" for shares, which a record holds as 0 to 1; else what the figure is in, "" for a pure number.
    """

    higher_is_better: bool
    meaning: str
    source: str
    unit: str = ""


RISE = "Petsiuk et al., BMVC 2018, arXiv 1806.07421"
GRAD_CAM_PLUS_PLUS = "Chattopadhyay et al., WACV 2018, arXiv 1710.11063"
OPTI_CAM = "Zhang et al., CVIU 2024, arXiv 2301.07002"
ROAD = "Rong et al., ICML 2022, arXiv 2202.00449"
ADCC = "Poppi et al., CVPR workshops 2021, arXiv 2104.10252"
INFIDELITY = "Yeh et al., NeurIPS 2019, arXiv 1901.09392"
GINI = "Chalasani et al., ICML 2020, arXiv 1810.06583"
SANITY = "Adebayo et al., NeurIPS 2018, arXiv 1810.03292"
POINTING = "Zhang et al., ECCV 2016, arXiv 1608.00507"
CAM = "Zhou et al., CVPR 2016, arXiv 1512.04150"

METRICS: dict[str, Metric] = {
    "insertion": Metric(True, "mean probability while the map's best pixels come into a blurred image", RISE),
    "deletion": Metric(False, "mean probability while the map's best pixels are taken from the image", RISE),
    "average_drop": Metric(
        False, "share of the probability lost when the image is dimmed by its map", GRAD_CAM_PLUS_PLUS, "%"
    ),
    "average_increase": Metric(True, "images that are more probable when dimmed by their map", GRAD_CAM_PLUS_PLUS, "%"),
    "average_gain": Metric(True, "share of the missing probability won by dimming by the map", OPTI_CAM, "%"),
    "road_most_relevant": Metric(
        False, "mean probability when the map's best pixels are replaced by what lies around", ROAD
    ),
    "road_least_relevant": Metric(True, "the same for the map's worst pixels", ROAD),
    "road": Metric(True, "half of least relevant minus most relevant, as pytorch-grad-cam combines them", ROAD),
    "coherency": Metric(True, "correlation of the map with that of the image dimmed by it", ADCC, "%"),
    "complexity": Metric(False, "mean of the map scaled to [0, 1]", ADCC, "%"),
    "adcc": Metric(True, "harmonic mean of coherency, 100 - complexity and 100 - average drop", ADCC, "%"),
    "infidelity": Metric(
        False, "squared error of the map's sum over a square as the drop of the score without it", INFIDELITY
    ),
    "max_sensitivity": Metric(False, "largest relative change of the map under noise on the image", INFIDELITY),
    "sparseness": Metric(True, "Gini index of the map: 0 if all pixels are equal, 1 if one has all", GINI),
    "randomized_spearman": Metric(
        False, "rank correlation of the map with that of a random network; 0 for no resemblance", SANITY
    ),
    "randomized_ssim": Metric(False, "structural similarity of the same two maps", SANITY),
    "pointing_game": Metric(True, "images whose map is highest inside a box", POINTING, "%"),
    "box_iou": Metric(True, "IoU of the box around the map with the best of the image's boxes", CAM),
    "mask_iou": Metric(True, "IoU of the map's pixels above the threshold with the object's mask", CAM),
}


def sums(values: Float[type_of_array, "b"], mask: Bool[type_of_array, "b"] | None = None) -> Sums:
    """The sums of a figure of each image.

    Args:
        values: (b,). One that is NaN makes the total NaN, so that it is seen.
        mask: (b,) False where the row counts for nothing; None if all count.

    >>> sums(np.array([1.0, 5.0, np.nan]), np.array([True, True, False]))
    Sums(total=Array(6., dtype=float32), count=Array(2., dtype=float32))
    """
    return _sums(jnp.asarray(values, jnp.float32), np.ones(len(values), bool) if mask is None else mask)


@jax.jit
def _sums(values: Array, mask: Array) -> Sums:
    return Sums(jnp.where(mask, values, 0).sum(), mask.sum(dtype=jnp.float32))


def merge(first: Record, second: Record) -> Record:
    """The record of two batches together: of those names that both have.

    Raises:
        ValueError: for records of different names.

    >>> both = merge({"road": Sums(1.0, 2)}, {"road": Sums(2.0, 2)})
    >>> both["road"].total, both["road"].count
    (3.0, 4)
    """
    if first.keys() != second.keys():
        raise ValueError(
            f"records: got {', '.join(sorted(first))} and {', '.join(sorted(second))}; merge those of the same metrics"
        )
    return jax.tree.map(lambda one, other: one + other, first, second)


def figures(record: Record) -> dict[str, float]:
    """The mean over images by name, in the unit of `METRICS`; NaN where no image was counted.

    >>> figures({"average_drop": Sums(1.0, 4), "sparseness": Sums(1.5, 3)})
    {'average_drop': 25.0, 'sparseness': 0.5}
    """
    return {name: (100 if METRICS[name].unit == "%" else 1) * _mean(*value) for name, value in record.items()}


def _mean(total: Any, count: Any) -> float:
    return float(total) / float(count) if float(count) else float("nan")
