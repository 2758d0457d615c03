"""Faithfulness measures as their papers have them, one image after another, in float64 NumPy and SciPy.

`probability(image)` is a function from an image (h, w, channels) in [0, 1] to the probability of its label.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve


def order_of(values):
    """Pixels (y, x), highest first; of equals the first in raster order."""
    return sorted(np.ndindex(values.shape), key=lambda place: (-values[place], place))


def blurred(image, mean):
    """By the kernel of RISE's code: a delta in 11x11 pixels after a Gaussian filter, and zeros around the pixels."""
    kernel = np.zeros((11, 11))
    kernel[5, 5] = 1
    kernel = gaussian_filter(kernel, 5)
    return np.stack([convolve2d(layer, kernel, "same") for layer in np.moveaxis(image - mean, -1, 0)], -1) + mean


def walk(probability, values, start, finish, steps):
    """The curve from one image to another, pixels changing in the map's order."""
    order, image, curve, done = order_of(values), start.copy(), [probability(start)], 0
    for step in range(1, steps + 1):
        upto = step * len(order) // steps
        for place in order[done:upto]:
            image[place] = finish[place]
        done = upto
        curve.append(probability(image))
    return np.array(curve)


def area(curve):
    return np.trapezoid(curve, np.linspace(0, 1, len(curve)))


def scaled(values, scaling="max"):
    values = np.maximum(values, 0) if scaling == "max" else values - values.min()
    return values / values.max() if values.max() > 0 else values * 0.0


def confidence(probability, image, values, scaling="max", empty=0.0):
    """Drop, increase and gain."""
    share = scaled(values, scaling)[..., None]
    before, after = probability(image), probability(share * image + (1 - share) * empty)
    return max(before - after, 0) / before, float(after > before), max(after - before, 0) / (1 - before)


def imputed(image, removed):
    """Each removed pixel the weighted mean of its neighbours, by one sparse system."""
    height, width, channels = image.shape
    places = [place for place in np.ndindex(height, width) if removed[place]]
    number = {place: row for row, place in enumerate(places)}
    system, right = lil_matrix((len(places), len(places))), np.zeros((len(places), channels))
    for (y, x), row in number.items():
        for dy, dx in [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]:
            place, weight = (y + dy, x + dx), 1 / 12 if dy and dx else 1 / 6
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            system[row, row] += weight
            if place in number:
                system[row, number[place]] -= weight
            else:
                right[row] += weight * image[place]
    filled = image.copy()
    filled[tuple(np.transpose(places))] = np.stack([spsolve(system.tocsc(), column) for column in right.T], -1)
    return filled


def road(probability, image, values, fractions):
    """Means over fractions, most relevant first and least relevant first."""
    order, scores = order_of(values), []
    for places in (order, order[::-1]):
        curve = []
        for share in fractions:
            removed = np.zeros(values.shape, bool)
            removed[tuple(np.transpose(places[: int(share * len(order))]))] = True
            curve.append(probability(imputed(image, removed)))
        scores.append(np.mean(curve))
    return scores


def adcc(probability, image, values, values_of_dimmed):
    """Coherency, complexity and their harmonic mean with the drop; `values_of_dimmed(image)` is its map."""
    first = scaled(values)
    second = scaled(values_of_dimmed(first[..., None] * image))
    coherency = (1 + np.corrcoef(first.ravel(), second.ravel())[0, 1]) / 2
    parts = coherency, 1 - first.mean(), 1 - confidence(probability, image, values)[0]
    return coherency, first.mean(), 3 / sum(1 / part for part in parts)


def infidelity(score, image, values, squares):
    """Over (side, (y, x)) squares, with the factor that makes it least."""
    told, drops = [], []
    for side, (y, x) in squares:
        without = image.copy()
        without[y : y + side, x : x + side] = 0
        told.append(values[y : y + side, x : x + side].sum())
        drops.append(score(image) - score(without))
    told, drops = np.array(told), np.array(drops)
    factor = np.linalg.lstsq(told[:, None], drops, rcond=None)[0][0]
    return np.mean((factor * told - drops) ** 2)


def gini(values):
    """Half the mean difference of two values, as a share of their mean."""
    values = np.abs(values).ravel()
    return np.abs(values[:, None] - values).mean() / 2 / values.mean()
