"""AlexNet (Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS
2012) and its GAP networks (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv
1512.04150).

Structure and numerics are Caffe's: two groups of channels, local response normalization, pooling that rounds up.
torchvision's has none of these (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv
1404.5997).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import FullyConnectedHead, LinearHead
from jaxcam.networks.layers import cam_convolution, local_response_norm, max_pool
from jaxcam.networks.winograd import convolve

# What follows conv1 and conv2: CaffeNet's and the GAP networks' order, that of the paper and BVLC's, torchvision's.
ORDERS = {"pool_norm": ("pool", "norm"), "norm_pool": ("norm", "pool"), "pool": ("pool",)}
WINDOWS = (11, 5)  # of conv1 and conv2; all others have 3


class AlexNet(Backbone):
    """The backbone: convolutions, and max-pooling 3x3 after the first, the second and the fifth.

    Attributes:
        channels: of each convolution.
        groups: of each convolution.
        padding: of conv1.
        order: "pool_norm", "norm_pool" or "pool", where pooling and local response normalization follow a convolution.
        ceil: pooling counts incomplete windows.
        pool5: stride of the pooling after conv5; 0 for none.
        cam_channels: of a last convolution, added for class activation maps; 0 for none.
        cam_groups: of that convolution.
        activation: the non-linearity everywhere.
    """

    channels: tuple[int, ...] = (96, 256, 384, 384, 256)
    groups: tuple[int, ...] = (1, 2, 1, 2, 2)
    padding: int = 0
    order: str = "pool_norm"
    ceil: bool = True
    pool5: int = 2
    cam_channels: int = 0
    cam_groups: int = 1
    activation: Callable = nn.relu

    def __post_init__(self):
        if self.order not in ORDERS:
            raise ValueError(f"order: got {self.order!r}; use one of {', '.join(ORDERS)}")
        if len(self.groups) != len(self.channels):
            raise ValueError(f"groups: got {self.groups}; give one number for each of the channels {self.channels}")
        super().__post_init__()

    @property
    def stages(self) -> tuple[str, ...]:
        pools = (1, 2, 5) if self.pool5 else (1, 2)
        names = []
        for number in range(1, len(self.channels) + 1):
            names += [f"conv{number}", f"pool{number}"] if number in pools else [f"conv{number}"]
        return (*names, "cam_conv") if self.cam_channels else tuple(names)

    def run(self, name, x, train):
        if name == "cam_conv":
            return self.activation(cam_convolution(x, self.cam_channels, self.cam_groups))
        if name == "pool5":
            return max_pool(x, 3, self.pool5, ceil=self.ceil)
        if name in ("pool1", "pool2"):
            for step in ORDERS[self.order]:
                x = local_response_norm(x) if step == "norm" else max_pool(x, 3, 2, ceil=self.ceil)
            return x
        return self.activation(self._convolution(name)(x))

    def _convolution(self, name):
        index = int(name.removeprefix("conv")) - 1
        window = WINDOWS[index] if index < len(WINDOWS) else 3
        # As published, for inputs of 0..255; torchvision, which has inputs around 1, leaves it to its library.
        published = self.order != "pool"
        bias = 1.0 if published and name not in ("conv1", "conv3") else 0.0
        return nn.Conv(
            self.channels[index],
            (window, window),
            4 if index == 0 else 1,
            padding=self.padding if index == 0 else window // 2,
            feature_group_count=self.groups[index],
            kernel_init=nn.initializers.normal(0.01) if published else nn.initializers.lecun_normal(),
            bias_init=nn.initializers.constant(bias),
            conv_general_dilated=convolve,
            name=name,
        )


def alexnet_original(
    num_classes: int,
    *,
    channels: Sequence[int] = AlexNet.channels,
    groups: Sequence[int] = AlexNet.groups,
    grid: Sequence[int] = (6, 6),
    width: int = 4096,
    dropout: float = 0.5,
    dropout_first: bool = False,
    activation: Callable = nn.relu,
    **options: Any,
) -> Classifier:
    """The network with fully connected layers; `options` are the other fields of `AlexNet`."""
    backbone = AlexNet(tuple(channels), tuple(groups), activation=activation, **options)
    head = FullyConnectedHead(num_classes, tuple(grid), width, dropout, dropout_first, activation)
    return Classifier(backbone, head)


def alexnet_gap(
    num_classes: int,
    *,
    channels: Sequence[int] = AlexNet.channels,
    groups: Sequence[int] = AlexNet.groups,
    pool5: int = 0,
    cam_channels: int = 1024,
    pool: str = "mean",
    dropout: float = 0.0,
    **options: Any,
) -> Classifier:
    """The network with a pooled linear head; `options` are the other fields of `AlexNet`."""
    backbone = AlexNet(tuple(channels), tuple(groups), pool5=pool5, cam_channels=cam_channels, **options)
    return Classifier(backbone, LinearHead(num_classes, pool, dropout))


# AlexNet* of the paper: conv5 is wider, and two more convolutions stand in the place of the added one.
alexnet_plus_gap = partial(
    alexnet_gap,
    channels=(96, 256, 384, 384, 384, 512, 512),
    groups=(1, 2, 1, 2, 2, 2, 2),
    pool5=1,
    cam_channels=0,
    dropout=0.5,
)
alexnet_torchvision = partial(
    alexnet_original,
    channels=(64, 192, 384, 256, 256),
    groups=(1, 1, 1, 1, 1),
    padding=2,
    order="pool",
    ceil=False,
    dropout_first=True,
)
