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


def check_identity(head, weights, means, scores):
    """mean(cells) + bias = logit, unless the head pools by the maximum."""
    if "classifier" in weights:
        means = means + weights["classifier"]["bias"][None]
    assert np.ptp(scores) > 0.01
    if getattr(head, "pool", "mean") == "mean":
        np.testing.assert_allclose(means, scores, rtol=1e-4, atol=1e-5 * np.abs(scores).max())
    else:
        assert np.abs(means - scores).max() > 0.01 * np.abs(scores).max()
