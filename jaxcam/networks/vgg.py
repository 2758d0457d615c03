"""VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, arXiv
1409.1556) and its GAP networks (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv
1512.04150).

Caffe's and torchvision's differ in what they are fed, and in pooling where a length is odd: Caffe's rounds up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flax import linen as nn

from jaxcam.networks.classifier import Backbone, Classifier
from jaxcam.networks.heads import FullyConnectedHead, LinearHead
from jaxcam.networks.layers import cam_convolution, kernel_init, max_pool
from jaxcam.networks.winograd import convolve


class VGG(Backbone):
    """The backbone: blocks of 3x3 convolutions, max-pooling 2x2 after each.

    Attributes:
        blocks: number of convolutions of each block.
        channels: of the first block; each later one doubles them, up to eight times as many.
        batch_norm: after each convolution.
        ceil: pooling counts incomplete windows, as Caffe does.
        cam_channels: of a convolution, added for class activation maps, in the place of the last pooling; 0 for none.
        cam_groups: of that convolution.
        activation: the non-linearity everywhere.
    """

    blocks: tuple[int, ...]
    channels: int = 64
    batch_norm: bool = False
    ceil: bool = False
    cam_channels: int = 0
    cam_groups: int = 1
    activation: Callable = nn.relu

    @property
    def stages(self) -> tuple[str, ...]:
        names: list[str] = []
        for block, convolutions in enumerate(self.blocks, start=1):
            names += [f"conv{block}_{number}" for number in range(1, convolutions + 1)] + [f"pool{block}"]
        return (*names[:-1], "cam_conv") if self.cam_channels else tuple(names)

    def run(self, name, x, train):
        if name == "cam_conv":
            return self.activation(cam_convolution(x, self.cam_channels, self.cam_groups))
        if name.startswith("pool"):
            return max_pool(x, 2, 2, ceil=self.ceil)
        block, number = name.removeprefix("conv").split("_")
        width = self.channels * min(2 ** (int(block) - 1), 8)
        x = nn.Conv(width, (3, 3), padding=1, kernel_init=kernel_init, conv_general_dilated=convolve, name=name)(x)
        if self.batch_norm:
            norm = nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5, name=f"bn{block}_{number}")
            x = norm(x)
        return self.activation(x)


def vgg(
    num_classes: int,
    *,
    blocks: Sequence[int],
    grid: Sequence[int] = (7, 7),
    width: int = 4096,
    dropout: float = 0.5,
    dropout_first: bool = False,
    activation: Callable = nn.relu,
    **options: Any,
) -> Classifier:
    """The network with fully connected layers; `options` are the other fields of `VGG`."""
    backbone = VGG(tuple(blocks), activation=activation, **options)
    head = FullyConnectedHead(num_classes, tuple(grid), width, dropout, dropout_first, activation)
    return Classifier(backbone, head)


def vgg_gap(
    num_classes: int,
    *,
    blocks: Sequence[int],
    cam_channels: int = 1024,
    pool: str = "mean",
    dropout: float = 0.5,
    **options: Any,
) -> Classifier:
    """The network with a pooled linear head; `options` are the other fields of `VGG`."""
    return Classifier(VGG(tuple(blocks), cam_channels=cam_channels, **options), LinearHead(num_classes, pool, dropout))


BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

vgg16 = partial(vgg, blocks=BLOCKS[16], ceil=True)
vgg16_gap = partial(vgg_gap, blocks=BLOCKS[16], ceil=True)

# torchvision's.
vgg11 = partial(vgg, blocks=BLOCKS[11])
vgg13 = partial(vgg, blocks=BLOCKS[13])
vgg19 = partial(vgg, blocks=BLOCKS[19])
vgg11_bn = partial(vgg11, batch_norm=True)
vgg13_bn = partial(vgg13, batch_norm=True)
vgg16_bn = partial(vgg, blocks=BLOCKS[16], batch_norm=True)
vgg19_bn = partial(vgg19, batch_norm=True)

vgg11_gap = partial(vgg_gap, blocks=BLOCKS[11])
vgg13_gap = partial(vgg_gap, blocks=BLOCKS[13])
vgg19_gap = partial(vgg_gap, blocks=BLOCKS[19])
vgg11_bn_gap = partial(vgg11_gap, batch_norm=True)
vgg13_bn_gap = partial(vgg13_gap, batch_norm=True)
vgg16_bn_gap = partial(vgg_gap, blocks=BLOCKS[16], batch_norm=True)
vgg19_bn_gap = partial(vgg19_gap, batch_norm=True)
