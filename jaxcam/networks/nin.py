"""Network in Network (Lin, Chen and Yan, ICLR 2014, arXiv 1312.4400) as its authors trained it for ImageNet in Caffe.

Every convolution is followed by two of 1x1 ("cccp", cascaded cross-channel parametric pooling), the last of which
gives one map a class. Pooling rounds up.
"""

from collections.abc import Callable
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import ClassMapHead
from jaxcam.networks.layers import max_pool
from jaxcam.networks.winograd import convolve

# Channels, window, stride, padding of a convolution; the 1x1 ones have as many channels.
CONVOLUTIONS = {"conv1": (96, 11, 4, 0), "conv2": (256, 5, 1, 2), "conv3": (384, 3, 1, 1), "conv4": (1024, 3, 1, 1)}


class NIN(Backbone):
    """The backbone, whose last features are class maps.

    Attributes:
        num_classes: maps of the last convolution.
        dropout: before conv4.
        activation: the non-linearity after every convolution, the last one too.
    """

    num_classes: int
    dropout: float = 0.5
    activation: Callable = nn.relu
    stages = (
        *("conv1", "cccp1", "cccp2", "pool1"),
        *("conv2", "cccp3", "cccp4", "pool2"),
        *("conv3", "cccp5", "cccp6", "pool3"),
        *("conv4", "cccp7", "cccp8"),
    )

    def run(self, name, x, train):
        if name.startswith("pool"):
            x = max_pool(x, 3, 2, ceil=True)
            return nn.Dropout(self.dropout, deterministic=not train)(x) if name == "pool3" else x
        channels, window, stride, padding = CONVOLUTIONS.get(name, (x.shape[-1], 1, 1, 0))
        layer = nn.Conv(
            self.num_classes if name == "cccp8" else channels,
            (window, window),
            stride,
            padding=padding,
            kernel_init=nn.initializers.normal(0.01 if name in ("conv1", "conv3", "cccp8") else 0.05),  # the authors'
            conv_general_dilated=convolve,
            name=name,
        )
        return self.activation(layer(x))


def network_in_network(num_classes: int, **options: Any) -> Classifier:
    """The network; `options` are the other fields of `NIN`."""
    return Classifier(NIN(num_classes, **options), ClassMapHead(num_classes))
