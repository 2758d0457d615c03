"""Evaluation of whole data sets: figures, the choice of a threshold, a sample to look at, and the files of a report."""

from jaxcam.evaluation.figures import evaluate
from jaxcam.evaluation.files import save_report
from jaxcam.evaluation.inputs import check_classes
from jaxcam.evaluation.measuring import measure
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.samples import samples
from jaxcam.evaluation.thresholds import choose_threshold, write_threshold

__all__ = [
    "Protocol",
    "check_classes",
    "choose_threshold",
    "evaluate",
    "measure",
    "samples",
    "save_report",
    "write_threshold",
]
