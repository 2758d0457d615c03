"""The paper's box rule in plain NumPy, one map and one pixel at a time, and once more on scikit-image's labels."""

import numpy as np
from skimage.measure import label

NEIGHBOURS = {
    4: ((-1, 0), (0, -1), (0, 1), (1, 0)),
    8: ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)),
}


def plain_labels(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """Components numbered from 1 by their first pixel in raster order, 0 outside the mask: a flood from each."""
    labels = np.zeros(mask.shape, int)
    for start in map(tuple, np.argwhere(mask)):
        if labels[start]:
            continue
        labels[start] = number = labels.max() + 1
        waiting = [start]
        while waiting:
            y, x = waiting.pop()
            for down, right in NEIGHBOURS[connectivity]:
                place = y + down, x + right
                inside = 0 <= place[0] < mask.shape[0] and 0 <= place[1] < mask.shape[1]
                if inside and mask[place] and not labels[place]:
                    labels[place] = number
                    waiting.append(place)
    return labels


def scikit_image_labels(mask: np.ndarray, connectivity: int) -> np.ndarray:
    return label(mask, connectivity={4: 1, 8: 2}[connectivity])


def paper_box(values: np.ndarray, threshold: float, connectivity: int, labels_of=scikit_image_labels) -> np.ndarray:
    """Half-open (x0, y0, x1, y1) in float32 of a map (h, w), the component being that of most pixels."""
    values = values.astype(np.float32)
    if np.isnan(values).any():
        return np.full(4, np.nan, np.float32)
    if values.max() <= 0:
        return np.array([0, 0, values.shape[1], values.shape[0]], np.float32)
    labels = labels_of(values >= np.float32(threshold) * values.max(), connectivity)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    rows, columns = np.nonzero(labels == areas.argmax())
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)


def paper_boxes(maps: np.ndarray, threshold: float = 0.2, connectivity: int = 8, **options) -> np.ndarray:
    """`paper_box` of maps (..., h, w)."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    found = [paper_box(values, threshold, connectivity, **options) for values in flat]
    return np.array(found, np.float32).reshape(*maps.shape[:-2], 4)
