"""MixUp and CutMix in NumPy: what was mixed, read back from the result, and draws of the papers' formulas."""

import numpy as np


def blended_share(mixed, own, other):
    """The l of mixed = l own + (1 - l) other that fits best."""
    change = (own - other).ravel()
    return (mixed - other).ravel() @ change / (change @ change)


def replaced_rectangle(mixed, own, other):
    """(top, left, bottom, right) of the pixels that are the other's; an error where they are no rectangle."""
    replaced = (mixed != own).any(-1)
    rows, columns = np.flatnonzero(replaced.any(1)), np.flatnonzero(replaced.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    expected = own.copy()
    expected[top:bottom, left:right] = other[top:bottom, left:right]
    np.testing.assert_array_equal(mixed, expected)
    return top, left, bottom, right


def cutmix_share(generator, height, width, alpha):
    """The share of pixels that stay, by the paper's formulas: a centre, sides in whole pixels, clipped."""
    side = np.sqrt(1 - generator.beta(alpha, alpha))
    replaced = 1
    for length in (height, width):
        cut, centre = int(length * side), generator.integers(length)
        replaced *= min(centre - cut // 2 + cut, length) - max(centre - cut // 2, 0)
    return 1 - replaced / (height * width)
