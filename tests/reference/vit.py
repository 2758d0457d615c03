"""Vision transformers in plain NumPy, float64, one head at a time."""

import math

import numpy as np

from tests.reference.resizing import resize

erf = np.vectorize(math.erf)


def norm(x, parts):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * parts["scale"] + parts["bias"]


def dense(x, parts):
    return x @ np.asarray(parts["kernel"], np.float64) + parts["bias"]


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attention(x, parts, heads):
    """Of tokens (n, k)."""
    queries, keys, values = np.split(dense(x, parts["qkv"]), 3, axis=-1)
    said = []
    for q, k, v in zip(*(np.split(part, heads, axis=-1) for part in (queries, keys, values)), strict=True):
        said.append(softmax(q @ k.T / math.sqrt(q.shape[-1])) @ v)
    return dense(np.concatenate(said, -1), parts["out"])


def block(x, parts, heads):
    x = x + attention(norm(x, parts["norm1"]), parts["attention"], heads)
    hidden = dense(norm(x, parts["norm2"]), parts["expand"])
    return x + dense(hidden * (1 + erf(hidden / math.sqrt(2))) / 2, parts["project"])


def tokens(image, parts, patch):
    """Of an image (h, w, 3): (n, k), row by row, the class token first where there is one."""
    height, width = image.shape[0] // patch, image.shape[1] // patch
    kernel = np.asarray(parts["patches"]["kernel"], np.float64)
    cells = image.reshape(height, patch, width, patch, 3)
    x = np.einsum("yixjc,ijck->yxk", cells, kernel) + parts["patches"]["bias"]
    if "class_token" in parts:
        return np.concatenate([parts["class_token"][None], x.reshape(-1, x.shape[-1])]) + parts["positions"]
    rows = resize(parts["positions"], height, "bicubic")
    positions = resize(rows.swapaxes(0, 1), width, "bicubic").swapaxes(0, 1)
    return (x + positions).reshape(-1, x.shape[-1])


def stages(image, parts, patch, depth, heads):
    """The tokens (n, k) after each stage."""
    found = [tokens(image, parts, patch)]
    for index in range(depth):
        found.append(block(found[-1], parts[f"block{index}"], heads))
    return [*found, norm(found[-1], parts["norm"])]
