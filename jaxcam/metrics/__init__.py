"""Scores as mergeable counts; they know arrays, and no network."""

from jaxcam.metrics.localization import LocalizationCounts, localization_counts, localized, rates
from jaxcam.metrics.pixel_precision import PixelCounts, pixel_average_precision, pixel_counts
from jaxcam.metrics.pointing import PointingCounts, highest_points, pointed, pointing_accuracy, pointing_counts

__all__ = [
    "LocalizationCounts",
    "PixelCounts",
    "PointingCounts",
    "highest_points",
    "localization_counts",
    "localized",
    "pixel_average_precision",
    "pixel_counts",
    "pointed",
    "pointing_accuracy",
    "pointing_counts",
    "rates",
]
