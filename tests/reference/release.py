"""The authors' released box generator in plain NumPy, step by step: slow and plain."""

import math

import cv2
import numpy as np

from tests.reference.boxes import NEIGHBOURS, plain_labels


def distances(mask):
    """Euclidean distance of each pixel to the nearest one outside the mask: along columns, then over all of a row."""
    height, width = mask.shape
    rows, columns = np.arange(height), np.arange(width)
    vertical = np.array([[abs(rows[:, None] - np.flatnonzero(~mask[:, x])).min(1, initial=10**6)] for x in columns])
    vertical = vertical[:, 0].T.astype(float)
    squared = [[((columns - x) ** 2 + vertical[y] ** 2).min() for x in columns] for y in rows]
    return np.sqrt(squared)


def plain_contours(mask):
    """(x, y, w, h) of every outer contour and hole by flooding: components and their holes from the last back."""
    padded = np.pad(mask, 1)
    components, background = plain_labels(padded, 8), plain_labels(~padded, 4)
    holes = {}
    for number in range(2, background.max() + 1):
        rim = [
            (y + down, x + right)
            for y, x in np.argwhere(background == number)
            for down, right in NEIGHBOURS[4]
            if padded[y + down, x + right]
        ]
        holes.setdefault(components[min(rim)], []).append(rectangle(rim))
    found = []
    for number in range(components.max(), 0, -1):
        found.append(rectangle(np.argwhere(components == number)))
        found.extend(holes.get(number, [])[::-1])
    return found


def rectangle(pixels):
    """Bounding rectangle of pixels (y, x) of a map that was padded by one."""
    (top, left), (bottom, right) = np.min(pixels, axis=0), np.max(pixels, axis=0)
    return left - 1, top - 1, right - left + 1, bottom - top + 1


def opencv_contours(mask):
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [tuple(cv2.boundingRect(contour)) for contour in found]


def survivors(rectangles):
    """The original's loops over rectangles sorted by area: what follows a deleted one is not examined."""
    kept = list(rectangles)
    i = 0
    while i < len(kept):
        j = i + 1
        while j < len(kept):
            (ax, ay, aw, ah), (bx, by, bw, bh) = kept[i], kept[j]
            columns = max(0, min(ax + aw, bx + bw) - max(ax, bx))
            rows = max(0, min(ay + ah, by + bh) - max(ay, by))
            if columns * rows > 0.5 * max(aw * ah, bw * bh):
                kept.pop(j)
            j += 1
        i += 1
    return kept


def generated(grey, contours_of=opencv_contours):
    """The rectangles (x, y, w, h) that the generator prints for an 8-bit heatmap."""
    height, width = grey.shape
    pool = []
    for level in (20, 100, 110):
        mask = grey > level
        if not mask.any():
            continue
        distance = np.full(mask.shape, 255.0) if mask.all() else distances(mask)
        if distance.min() != distance.max():
            distance = distance * (255 / distance.max())
        core = np.array([[math.floor(value + 0.5) > 10 for value in row] for row in distance])
        for x, y, w, h in contours_of(core):
            clipped = min(x, width - 5), min(y, height - 5), min(w, width - x - 5), min(h, height - y - 5)
            pool.append(clipped)
    return survivors(sorted(pool, key=lambda found: -found[2] * found[3]))


def release_boxes(values, *, inclusive_corners=False, contours_of=opencv_contours):
    """Loose and tight box (2, 4) of one map (h, w)."""
    if np.isnan(values).any():
        return np.full((2, 4), np.nan, np.float32)
    if values.max() <= 0:
        return np.float32([[0, 0, values.shape[1], values.shape[0]]] * 2)
    values = values.astype(np.float32).astype(float)
    grey = np.vectorize(lambda share: math.floor(255 * min(max(share, 0.0), 1.0) + 0.5))(values / values.max())
    found = generated(grey, contours_of)
    found = [found[0], found[min(1, len(found) - 1)]]
    corners = [(min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h)) for x, y, w, h in found]
    return np.float32(corners) + np.float32([0, 0, inclusive_corners, inclusive_corners])
