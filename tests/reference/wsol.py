"""The WSOL benchmark's boxes, masks and MaxBoxAcc restated on NumPy in float64 and OpenCV, one by one."""

import cv2
import numpy as np


def grey_map(values: np.ndarray) -> np.ndarray:
    """A raw map (h, w) in 8 bits: rounded down, 0 where it is constant or not finite."""
    values = values.astype(np.float64)
    if not np.isfinite(values).all() or values.min() == values.max():
        return np.zeros(values.shape, np.uint8)
    values = values - values.min()
    return (values / values.max() * 255).astype(np.uint8)


def contour_boxes(grey: np.ndarray, threshold: float) -> tuple[tuple, list[tuple]]:
    """The half-open box of the contour of the largest area, and those of all contours, sorted."""
    _, mask = cv2.threshold(grey, int(threshold * np.max(grey)), 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not contours:
        return (0, 0, 1, 1), [(0, 0, 1, 1)]
    return box_around(max(contours, key=cv2.contourArea), grey.shape), sorted(
        box_around(contour, grey.shape) for contour in contours
    )


def box_around(contour, shape):
    x, y, width, height = cv2.boundingRect(contour)
    return x, y, min(x + width, shape[1] - 1) + 1, min(y + height, shape[0] - 1) + 1


def inclusive_iou(a, b):
    """IoU of two boxes, half-open ones here, in the benchmark's way: inclusive corners, and the 1 added back."""
    width = max(0, min(a[2] - 1, b[2] - 1) - max(a[0], b[0]) + 1)
    height = max(0, min(a[3] - 1, b[3] - 1) - max(a[1], b[1]) + 1)
    area_a, area_b = ((box[2] - 1 - box[0] + 1) * (box[3] - 1 - box[1] + 1) for box in (a, b))
    return width * height / (area_a + area_b - width * height)


def max_box_accuracies(greys, targets, thresholds):
    """MaxBoxAcc at IoU .3, .5 and .7, and MaxBoxAccV2, in percent, of maps with lists of ground-truth boxes."""
    deltas = (30, 50, 70)
    one, any_of_all = np.zeros((2, 3, len(thresholds)), int)
    for grey, truth in zip(greys, targets, strict=True):
        for place, threshold in enumerate(thresholds):
            largest, contours = contour_boxes(grey, threshold)
            best_one = max(inclusive_iou(largest, target) for target in truth)
            best_all = max(inclusive_iou(box, target) for box in contours for target in truth)
            one[:, place] += [best_one >= delta / 100 for delta in deltas]
            any_of_all[:, place] += [best_all >= delta / 100 for delta in deltas]
    v1 = one.max(axis=1) * 100 / len(greys)
    return v1.tolist(), float(np.mean(any_of_all.max(axis=1) * 100 / len(greys)))


def framed(box, size, frame):
    """An inclusive box of whole pixels in an image of (width, height) `size`, in a frame: in whole numbers alone."""
    return tuple(corner * frame[axis % 2] // size[axis % 2] for axis, corner in enumerate(box))


def truth(masks, ignored, frame):
    """1 on an object, 255 on what is ignored beside it, else 0: in a frame of (width, height)."""

    def shown(path):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        return cv2.resize(grey, frame, interpolation=cv2.INTER_NEAREST) > 0.5

    seen = np.any([shown(path) for path in masks], axis=0)
    return np.where(seen, 1, np.where(shown(ignored), 255, 0))
