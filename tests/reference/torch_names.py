"""Variables of a residual network under torchvision's names and in torch's layouts, written by hand."""

import re

import numpy as np
from flax.traverse_util import flatten_dict

LEAVES = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var", "kernel": "weight"}
AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}  # (y, x, in, out) -> (out, in, y, x); (in, out) -> (out, in)


def torch_arrays(variables):
    """A state dict of torchvision's ResNet, with BatchNorm's counters."""
    arrays = {}
    for (_collection, _part, *path, leaf), leaves in flatten_dict(variables).items():
        module = re.sub(r"(layer\d)_(\d+)", r"\1.\2", ".".join(path))
        module = module.replace("downsample_conv", "downsample.0").replace("downsample_bn", "downsample.1")
        module = module.replace("classifier", "fc")
        array = np.asarray(leaves)
        arrays[f"{module}.{LEAVES[leaf]}"] = np.ascontiguousarray(array.transpose(AXES[array.ndim]))
        if leaf == "mean":
            arrays[f"{module}.num_batches_tracked"] = np.array(7)
    return arrays
