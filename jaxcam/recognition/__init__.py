"""Fine-grained recognition: linear SVMs on pooled features of whole images, and of crops to the boxes of maps."""

from jaxcam.recognition.experiment import Recognition, recognize, save_recognition
from jaxcam.recognition.pooled import cam_boxes, pooled_features
from jaxcam.recognition.svm import LinearSvm, fit_svm

__all__ = ["LinearSvm", "Recognition", "cam_boxes", "fit_svm", "pooled_features", "recognize", "save_recognition"]
