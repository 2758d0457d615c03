"""Class activation maps, image by image and label by label, in NumPy and OpenCV: slow and plain."""

import cv2
import numpy as np

INTERPOLATION = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def class_map(features, kernel, label, size=None, upsample="bilinear"):
    """sum_k w_k f_k of one image's features (y, x, k), upsampled to (height, width)."""
    cells = sum(kernel[k, label] * features[..., k] for k in range(len(kernel))).astype(np.float32)
    return cells if size is None else cv2.resize(cells, size[::-1], interpolation=INTERPOLATION[upsample])


def class_maps(features, kernel, labels, size=None, upsample="bilinear"):
    """Maps (b, n, h, w) of features (b, y, x, k) and labels (b, n)."""
    rows = [
        [class_map(one, kernel, label, size, upsample) for label in row]
        for one, row in zip(features, labels, strict=True)
    ]
    return np.array(rows)
