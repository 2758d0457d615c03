"""A tiny network whose activation can be chosen, with its forward and backward pass in float64 NumPy."""

from collections.abc import Callable

import numpy as np
from flax import linen as nn

from jaxcam.card import Card, Preprocessing
from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import FullyConnectedHead
from jaxcam.params import Params
from tests.reference.weights import random_variables

SPACE, CLASSES = (6, 8), tuple("abcd")
BLUE_FIRST = Preprocessing(scale=255.0, mean=(104.0, 117.0, 123.0), std=(60.0, 70.0, 80.0), channel_order="BGR")
CARD = Card(CLASSES, image_size=SPACE, preprocessing=BLUE_FIRST)
# The same functions and their derivatives.
IN_NUMPY = {
    nn.relu: (lambda x: np.maximum(x, 0), lambda x: x > 0),
    nn.tanh: (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


class Layers(Backbone):
    """Each pixel becomes a cell of five channels, then every second one of these a cell of six."""

    activation: Callable = nn.relu
    stages = ("one", "two")

    def run(self, name, x, train):
        if name == "one":
            return self.activation(nn.Dense(5, name=name)(x))
        return self.activation(nn.Dense(6, name=name)(x[:, ::2, ::2]))


def layered_params(activation=nn.relu):
    head = FullyConnectedHead(len(CLASSES), grid=(3, 4), width=7, activation=activation)
    network = Classifier(Layers(activation), head)
    return Params(random_variables(network, CARD, seed=1), network, CARD)


def images_of(count=3, seed=1):
    return np.random.default_rng(seed).random((count, *SPACE, 3), np.float32)


def pixels_of(images):
    """As the network is given them."""
    return (255 * np.asarray(images, np.float64)[..., ::-1] - BLUE_FIRST.mean) / BLUE_FIRST.std


def outputs_of(params, pixels):
    """What each layer gives before its activation: of the two stages, of the head's two, and the logits."""
    found, (run, _) = [], IN_NUMPY[params.network.backbone.activation]
    for part, names in (("backbone", ("one", "two")), ("head", ("fc6", "fc7", "classifier"))):
        for name in names:
            x = run(found[-1]) if found else pixels
            if name == "two":
                x = x[:, ::2, ::2]
            elif name == "fc6":
                x = x.reshape(len(x), -1)
            found.append(x @ _kernel(params, part, name) + np.asarray(params.variables["params"][part][name]["bias"]))
    return found


def stages_of(params, pixels):
    """The outputs of the two stages."""
    run, _ = IN_NUMPY[params.network.backbone.activation]
    return [run(x) for x in outputs_of(params, pixels)[:2]]


def gradients_of(params, pixels, weights, *, guided=False):
    """Those of scores with weights of classes (b, c), at the pixels and at the two stages' outputs."""
    one, two, six, seven, _ = outputs_of(params, pixels)
    _, slope = IN_NUMPY[params.network.backbone.activation]

    def through(gradient, x, kernel):
        return (np.maximum(gradient, 0) if guided else gradient) * slope(x) @ kernel.T

    at_seven = weights @ _kernel(params, "head", "classifier").T
    at_six = through(at_seven, seven, _kernel(params, "head", "fc7"))
    at_two = through(at_six, six, _kernel(params, "head", "fc6")).reshape(two.shape)
    at_one = np.zeros(one.shape)
    at_one[:, ::2, ::2] = through(at_two, two, _kernel(params, "backbone", "two"))
    return through(at_one, one, _kernel(params, "backbone", "one")), at_one, at_two


def _kernel(params, part, name):
    kernel = np.asarray(params.variables["params"][part][name]["kernel"], np.float64)
    return kernel.reshape(-1, kernel.shape[-1])
