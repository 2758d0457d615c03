"""Scores as mergeable counts; they know arrays, and no network."""

from jaxcam.metrics.answers import plain_answer, vqa_accuracy
from jaxcam.metrics.bootstrap import best_share_interval, bootstrap_interval, share_interval
from jaxcam.metrics.localization import (
    LocalizationCounts,
    localization_counts,
    localization_flags,
    localized,
    rates,
)
from jaxcam.metrics.max_box_accuracy import (
    FRAME,
    OVERLAPS,
    BestAccuracy,
    MaxBoxCounts,
    benchmark_targets,
    max_box_acc,
    max_box_acc_v2,
    max_box_counts,
)
from jaxcam.metrics.pixel_precision import PixelCounts, pixel_average_precision, pixel_counts
from jaxcam.metrics.pointing import PointingCounts, highest_points, pointed, pointing_accuracy, pointing_counts
from jaxcam.metrics.ranking import average_precision

__all__ = [
    "FRAME",
    "OVERLAPS",
    "BestAccuracy",
    "LocalizationCounts",
    "MaxBoxCounts",
    "PixelCounts",
    "PointingCounts",
    "average_precision",
    "benchmark_targets",
    "best_share_interval",
    "bootstrap_interval",
    "highest_points",
    "localization_counts",
    "localization_flags",
    "localized",
    "max_box_acc",
    "max_box_acc_v2",
    "max_box_counts",
    "pixel_average_precision",
    "pixel_counts",
    "plain_answer",
    "pointed",
    "pointing_accuracy",
    "pointing_counts",
    "rates",
    "share_interval",
    "vqa_accuracy",
]
