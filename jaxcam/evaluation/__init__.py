"""Evaluation of whole data sets: figures, the choice of a threshold, a sample to look at, and the files of a report."""

from jaxcam.evaluation.figures import evaluate, params_hash
from jaxcam.evaluation.files import save_report
from jaxcam.evaluation.inputs import check_classes, has_maps
from jaxcam.evaluation.origin import origin
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.samples import samples
from jaxcam.evaluation.thresholds import choose_threshold, write_threshold

__all__ = [
    "Protocol",
    "check_classes",
    "choose_threshold",
    "evaluate",
    "has_maps",
    "origin",
    "params_hash",
    "samples",
    "save_report",
    "write_threshold",
]
