"""Resizing one axis sample by sample, as OpenCV and torch (align_corners=False) define it: slow and plain."""

import math

import numpy as np


def linear(distance):
    return max(0.0, 1 - abs(distance))


def cubic(a):
    """Keys' kernel (1981) with parameter a."""

    def weight(distance):
        d = abs(distance)
        if d < 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        if d < 2:
            return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        return 0.0

    return weight


KERNELS = {"bilinear": (linear, 1), "bicubic": (cubic(-0.75), 2), "catmull_rom": (cubic(-0.5), 2)}


def resize(samples, target, method):
    """Along the first axis, in float64: half-pixel centres, and beyond an edge its sample again."""
    weight, reach = KERNELS[method]
    samples = np.asarray(samples, np.float64)
    resized = []
    for position in range(target):
        centre = (position + 0.5) * len(samples) / target - 0.5
        value = 0.0
        for tap in range(math.floor(centre) - reach + 1, math.floor(centre) + reach + 1):
            value = value + weight(tap - centre) * samples[min(max(tap, 0), len(samples) - 1)]
        resized.append(value)
    return np.array(resized)
