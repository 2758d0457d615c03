"""The paper's networks, layer by layer as their Caffe files list them: every blob by the name of its stage.

A network takes `weights`, name of a layer -> (weight, bias) in Caffe's layout, and images (b, k, y, x). Groups of
convolutions show in the weights' shapes. Dropout does nothing here, as when Caffe tests.
"""

import numpy as np

from tests.reference.caffe import convolution, global_mean, inner_product, local_response_norm, max_pool


def relu(x):
    return np.maximum(x, 0)


def caffe_weights(variables):
    """Variables of one of our networks as Caffe's weights: inception modules' layers are "inception_3a/1x1"."""
    weights = {}

    def visit(tree, name):
        if "kernel" not in tree:
            for key, child in tree.items():
                visit(child, f"{name}/{key}" if name else key)
            return
        kernel = np.moveaxis(tree["kernel"], (-1, -2), (0, 1))  # (y, x, in, out) -> (out, in, y, x)
        weights[name] = (kernel.reshape(len(kernel), -1) if name == "fc6" else kernel, tree["bias"])

    for part in variables["params"].values():
        visit(part, "")
    return weights


def alexnet(weights, images, *, order="pool_norm", pool5=2, act=relu):
    """AlexNet's convolutions: `pool5` is the stride of the pooling after conv5, 0 for none."""
    blobs = {"conv1": act(convolution(images, *weights["conv1"], stride=4))}
    for number in (1, 2):
        x = blobs[f"conv{number}"]
        if order == "pool_norm":
            blobs[f"pool{number}"] = local_response_norm(max_pool(x, 3, 2))
        else:
            blobs[f"pool{number}"] = max_pool(local_response_norm(x), 3, 2)
        following = f"conv{number + 1}"
        pad = 2 if number == 1 else 1
        blobs[following] = act(convolution(blobs[f"pool{number}"], *weights[following], pad=pad))
    blobs["conv4"] = act(convolution(blobs["conv3"], *weights["conv4"], pad=1))
    x = blobs["conv5"] = act(convolution(blobs["conv4"], *weights["conv5"], pad=1))
    if pool5:
        x = blobs["pool5"] = max_pool(x, 3, pool5)
    for name in ("conv6", "conv7", "cam_conv"):
        if name in weights:
            x = blobs[name] = act(convolution(x, *weights[name], pad=1))
    return blobs


def vgg(weights, images, *, act=relu):
    """VGG's convolutions; an added one stands in the place of the last pooling."""
    blobs, x = {}, images
    for block in range(1, 6):
        for name in sorted(name for name in weights if name.startswith(f"conv{block}_")):
            x = blobs[name] = act(convolution(x, *weights[name], pad=1))
        if block < 5 or "cam_conv" not in weights:
            x = blobs[f"pool{block}"] = max_pool(x, 2, 2)
    if "cam_conv" in weights:
        blobs["cam_conv"] = act(convolution(x, *weights["cam_conv"], pad=1))
    return blobs


def googlenet(weights, images, *, act=relu):
    """GoogLeNet through the last inception module that the weights have."""
    blobs = {"conv1": act(convolution(images, *weights["conv1"], stride=2, pad=3))}
    blobs["pool1"] = local_response_norm(max_pool(blobs["conv1"], 3, 2))
    reduced = act(convolution(blobs["pool1"], *weights["conv2_reduce"]))
    blobs["conv2"] = act(convolution(reduced, *weights["conv2"], pad=1))
    x = blobs["pool2"] = max_pool(local_response_norm(blobs["conv2"]), 3, 2)
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        if f"inception_{name}/1x1" in weights:
            if name in ("4a", "5a"):
                x = blobs[f"pool{int(name[0]) - 1}"] = max_pool(x, 3, 2)
            x = blobs[f"inception_{name}"] = inception(weights, f"inception_{name}", x, act)
    if "cam_conv" in weights:
        blobs["cam_conv"] = act(convolution(x, *weights["cam_conv"], pad=1))
    return blobs


def inception(weights, name, x, act):
    one = act(convolution(x, *weights[f"{name}/1x1"]))
    three = act(convolution(x, *weights[f"{name}/3x3_reduce"]))
    three = act(convolution(three, *weights[f"{name}/3x3"], pad=1))
    five = act(convolution(x, *weights[f"{name}/5x5_reduce"]))
    five = act(convolution(five, *weights[f"{name}/5x5"], pad=2))
    pooled = act(convolution(max_pool(x, 3, 1, pad=1), *weights[f"{name}/pool_proj"]))
    return np.concatenate([one, three, five, pooled], 1)


def nin(weights, images, *, act=relu):
    """Network in Network through its class maps."""
    blobs, x = {}, images
    for number, (stride, pad) in enumerate([(4, 0), (1, 2), (1, 1), (1, 1)], start=1):
        name = f"conv{number}"
        x = blobs[name] = act(convolution(x, *weights[name], stride=stride, pad=pad))
        for name in (f"cccp{2 * number - 1}", f"cccp{2 * number}"):
            x = blobs[name] = act(convolution(x, *weights[name]))
        if number < 4:
            x = blobs[f"pool{number}"] = max_pool(x, 3, 2)
    return blobs


def fully_connected(weights, x, *, act=relu):
    """fc6, fc7 and the class scores, "logits"."""
    blobs = {"fc6": act(inner_product(x, *weights["fc6"]))}
    blobs["fc7"] = act(inner_product(blobs["fc6"], *weights["fc7"]))
    return {**blobs, "logits": inner_product(blobs["fc7"], *weights["classifier"])}


def pooled_linear(weights, x, *, pool=global_mean, act=relu):
    """Class scores of a GAP or GMP network."""
    return {"logits": inner_product(pool(x), *weights["classifier"])}


def pooled(weights, x, *, act=relu):
    """Class scores of class maps."""
    return {"logits": global_mean(x)}
