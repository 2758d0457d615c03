"""How the arrays of a module are named and laid out, here and in torch and Caffe, which agree on it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# From an array and the shape that is wanted; where the array has not the right shape, a ValueError or another shape.
Layout = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


class Into(NamedTuple):
    """Where an array of a source's module goes: a leaf of a collection, after a change of layout."""

    collection: str
    leaf: str
    layout: Layout


def _same(array, shape):
    """The array itself."""
    return array


def _convolution(array, shape):
    """(out, in / groups, y, x) -> (y, x, in / groups, out)."""
    return array.transpose(2, 3, 1, 0)


def _linear(array, shape):
    """(out, in) -> (in, out)."""
    return array.T


def _pointwise(array, shape):
    """(out, in, 1, 1), a convolution of one cell -> (in, out)."""
    out, channels, _, _ = array.shape
    return array.reshape(out, channels).T


def _flattened(array, shape):
    """(out, in * y * x), whose images were flattened channel by channel -> (y, x, in, out)."""
    (y, x, channels, _), (out, _) = shape, array.shape
    return array.reshape(out, channels, y, x).transpose(2, 3, 1, 0)


def squeezed(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array with other axes of length 1."""
    lengths = [length for length in shape if length != 1]
    return array.reshape(shape) if lengths == [length for length in array.shape if length != 1] else array


def _without_class_token(array, shape):
    """(1, 1 + y * x, k), a vision transformer's positions, that of the class token first -> (y, x, k)."""
    y, x, channels = shape
    return array[0, 1:].reshape(shape) if array.shape == (1, 1 + y * x, channels) else array


# Kind of an array that stands alone -> its layout.
ARRAYS: dict[str, Layout] = {"array": squeezed, "patch_positions": _without_class_token}


def _params(**layouts):
    return {name: Into("params", "kernel" if name == "weight" else name, layout) for name, layout in layouts.items()}


# Kind of module -> name of an array in the source -> where it goes; None for an array that is ignored.
KINDS: dict[str, dict[str, Into | None]] = {
    "convolution": _params(weight=_convolution, bias=_same),
    "linear": _params(weight=_linear, bias=_same),
    "pointwise": _params(weight=_pointwise, bias=_same),
    "flattened": _params(weight=_flattened, bias=_same),
    "layer_norm": {"weight": Into("params", "scale", _same), "bias": Into("params", "bias", _same)},
    "batch_norm": {
        "weight": Into("params", "scale", _same),
        "bias": Into("params", "bias", _same),
        "running_mean": Into("batch_stats", "mean", _same),
        "running_var": Into("batch_stats", "var", _same),
        "num_batches_tracked": None,
    },
    # The joint projection of torch's MultiheadAttention.
    "projection": {
        "in_proj_weight": Into("params", "kernel", _linear),
        "in_proj_bias": Into("params", "bias", _same),
    },
}
