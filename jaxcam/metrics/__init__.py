"""Scores as mergeable counts; they know arrays, and no network."""

from jaxcam.metrics.localization import LocalizationCounts, localization_counts, localized, rates

__all__ = ["LocalizationCounts", "localization_counts", "localized", "rates"]
