"""Class probabilities and maps of ten crops as the authors merge them, one image and one crop at a time."""

import numpy as np
from PIL import Image

from tests.reference.resizing import resize


def pillow_resize(picture, size, how):
    """A float picture (h, w), filtered where it shrinks."""
    return np.asarray(Image.fromarray(np.float32(picture)).resize(size[::-1], how), np.float64)


def catmull_rom(picture, size):
    """Cubic with a = -.5, edges clamped; an axis that shrinks is filtered, by Pillow."""
    for axis in (0, 1):
        picture = np.moveaxis(picture, axis, 0)
        if size[axis] < len(picture):
            picture = pillow_resize(picture, (size[axis], picture.shape[1]), Image.Resampling.BICUBIC)
        else:
            picture = resize(picture, size[axis], "catmull_rom")
        picture = np.moveaxis(picture, 0, axis)
    return picture


def places(canvas, crop):
    """Upper left corner of each crop: four in the corners, and the middle, half a pixel up where there is a half."""
    last = [canvas[axis] - crop[axis] for axis in (0, 1)]
    return [(y, x) for y in (0, last[0]) for x in (0, last[1])] + [tuple(int((one + 1) / 2) for one in last)]


def ten_crop_cam(image, features_and_scores, kernel, labels, *, crop, size, canvas):
    """Probabilities of all classes (c,) and the maps (n, h, w) of one image (h, w, channels) in [0, 1]."""
    squashed = [pillow_resize(image[..., k], canvas, Image.Resampling.BILINEAR) for k in range(image.shape[-1])]
    squashed = np.stack(squashed, axis=-1)
    merged = np.zeros((len(labels), *canvas))
    every = []
    for y, x in places(canvas, crop):
        for mirror in (False, True):
            part = squashed[y : y + crop[0], x : x + crop[1]]
            features, scores = features_and_scores(part[:, ::-1] if mirror else part)
            every.append(np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum())
            for row, label in enumerate(labels):
                cells = sum(kernel[k, label] * features[..., k] for k in range(len(kernel)))
                drawn = catmull_rom(cells, crop)
                drawn = drawn[:, ::-1] if mirror else drawn
                for j in range(crop[0]):
                    merged[row, y + j, x : x + crop[1]] += abs(drawn[j])
    maps = [catmull_rom(one, size) for one in merged]
    return sum(every) / 10, np.array([one / one.max() if one.max() > 0 else 0 * one for one in maps])
