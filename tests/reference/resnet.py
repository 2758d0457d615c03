"""ResNet inference restated in NumPy (float64) from the paper and torchvision's structure, slow and plain."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

STEMS = {"imagenet": (7, 2), "small": (3, 2), "tiny": (3, 1)}


def convolve(x, kernel, stride=1):
    """(b, y, x, k) by (i, j, k / groups, o), zero-padded by half of the kernel."""
    groups = x.shape[-1] // kernel.shape[2]
    if groups > 1:
        parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
        return np.concatenate([convolve(part, own, stride) for part, own in parts], axis=-1)
    half = kernel.shape[0] // 2
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (half, half), (half, half), (0, 0)))
    windows = sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("byxkij,ijko->byxo", windows, kernel, optimize=True)


def max_pool(x):
    """3x3, stride 2, padded by 1."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    return sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-2, -1))


class ResNet:
    """The backbone of given variables."""

    def __init__(self, variables, *, bottleneck, blocks, stem="imagenet", strides=(1, 2, 2, 2)):
        self.weights, self.statistics = variables["params"]["backbone"], variables["batch_stats"]["backbone"]
        self.bottleneck, self.blocks, self.stem, self.strides = bottleneck, blocks, stem, strides

    def normalise(self, x, weights, statistics):
        scale = weights["scale"] / np.sqrt(statistics["var"].astype(np.float64) + 1e-5)
        return (x - statistics["mean"]) * scale + weights["bias"]

    def block(self, x, name, stride):
        weights, statistics = self.weights[name], self.statistics[name]
        steps = [1, stride, 1] if self.bottleneck else [stride, 1]
        y = x
        for number, step in enumerate(steps, start=1):
            y = convolve(y, weights[f"conv{number}"]["kernel"], step)
            y = self.normalise(y, weights[f"bn{number}"], statistics[f"bn{number}"])
            y = np.maximum(y, 0) if number < len(steps) else y
        if "downsample_conv" in weights:
            x = convolve(x, weights["downsample_conv"]["kernel"], stride)
            x = self.normalise(x, weights["downsample_bn"], statistics["downsample_bn"])
        return np.maximum(x + y, 0)

    def stages(self, x):
        """The output of each stage by its name."""
        size, stride = STEMS[self.stem]
        kernel = self.weights["conv1"]["kernel"]
        assert kernel.shape[0] == size
        x = self.normalise(convolve(x, kernel, stride), self.weights["bn1"], self.statistics["bn1"])
        x = np.maximum(x, 0)
        outputs = {"stem": max_pool(x) if self.stem == "imagenet" else x}
        x = outputs["stem"]
        for stage, (count, first) in enumerate(zip(self.blocks, self.strides, strict=True), start=1):
            for index in range(count):
                x = self.block(x, f"layer{stage}_{index}", first if index == 0 else 1)
            outputs[f"layer{stage}"] = x
        return outputs


def head(variables, features, pool=np.mean):
    """Logits from the last features."""
    linear = variables["params"]["head"]["classifier"]
    return pool(features, axis=(1, 2)) @ linear["kernel"] + linear["bias"]
