"""Evaluation of whole data sets: figures, the choice of a threshold, and a sample to look at."""

from jaxcam.evaluation.figures import evaluate
from jaxcam.evaluation.inputs import check_classes
from jaxcam.evaluation.samples import samples
from jaxcam.evaluation.thresholds import choose_threshold, write_threshold

__all__ = ["check_classes", "choose_threshold", "evaluate", "samples", "write_threshold"]
