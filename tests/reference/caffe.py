"""Caffe's layers restated in NumPy (float64) from its documentation, slow and plain, in its own layout.

Arrays are (b, k, y, x), weights of convolutions (out, in / groups, y, x) and of inner products (out, in).
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def convolution(x, weight, bias, *, stride=1, pad=0):
    """The input's channels are as many times those of the weight as there are groups."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    groups = x.shape[1] // weight.shape[1]
    parts = [
        np.einsum("bkyxij,okij->boyx", part, kernel, optimize=True)
        for part, kernel in zip(np.split(windows, groups, 1), np.split(weight, groups), strict=True)
    ]
    return np.concatenate(parts, 1) + np.asarray(bias, np.float64)[:, None, None]


def max_pool(x, window, stride, *, pad=0):
    """The number of windows is rounded up; one that would begin in the padding behind the image is left out."""

    def ranges(length):
        count = math.ceil((length + 2 * pad - window) / stride) + 1
        if pad and (count - 1) * stride >= length + pad:
            count -= 1
        starts = [index * stride - pad for index in range(count)]
        return [slice(max(start, 0), min(start + window, length)) for start in starts]

    rows = [[x[:, :, y, x_].max((2, 3)) for x_ in ranges(x.shape[3])] for y in ranges(x.shape[2])]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def local_response_norm(x, *, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Across channels: each is divided by (k + alpha / size * the squares of the channels around it)^beta."""
    normalised = np.empty_like(x)
    for channel in range(x.shape[1]):
        around = x[:, max(channel - size // 2, 0) : channel + size // 2 + 1]
        normalised[:, channel] = x[:, channel] / (k + alpha / size * (around**2).sum(1)) ** beta
    return normalised


def inner_product(x, weight, bias):
    """Of all that an image has, flattened channel by channel."""
    return x.reshape(len(x), -1) @ np.asarray(weight, np.float64).T + bias


def global_mean(x):
    """Average pooling of one window that covers the image."""
    return x.mean((2, 3))


def global_max(x):
    """Max-pooling of one window that covers the image."""
    return x.max((2, 3))
