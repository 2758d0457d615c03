"""The paper's other experiments: class maps by other linear layers on pooled features."""

from jaxcam.applications.fine_grained import Recognition, recognize, save_recognition
from jaxcam.applications.pooled import cam_boxes, pooled_features
from jaxcam.applications.svm import LinearSvm, fit_svm

__all__ = ["LinearSvm", "Recognition", "cam_boxes", "fit_svm", "pooled_features", "recognize", "save_recognition"]
