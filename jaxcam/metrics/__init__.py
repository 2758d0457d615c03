"""Scores as mergeable counts; they know arrays, and no network."""

from jaxcam.metrics.bootstrap import best_share_interval, bootstrap_interval, share_interval
from jaxcam.metrics.localization import LocalizationCounts, localization_counts, localized, rates
from jaxcam.metrics.pixel_precision import PixelCounts, pixel_average_precision, pixel_counts
from jaxcam.metrics.pointing import PointingCounts, highest_points, pointed, pointing_accuracy, pointing_counts

__all__ = [
    "LocalizationCounts",
    "PixelCounts",
    "PointingCounts",
    "best_share_interval",
    "bootstrap_interval",
    "highest_points",
    "localization_counts",
    "localized",
    "pixel_average_precision",
    "pixel_counts",
    "pointed",
    "pointing_accuracy",
    "pointing_counts",
    "rates",
    "share_interval",
]
