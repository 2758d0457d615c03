"""Layers of published Caffe networks in the order of their files: name and shape of the weight, or None without one.

From the prototxt files of Caffe's model zoo (bvlc_alexnet, bvlc_reference_caffenet, bvlc_googlenet, VGG_ILSVRC_16,
nin_imagenet) and of the release of class activation maps (zhoubolei/CAM). Layers that come after a convolution only to
change its values, such as relu1, are left out.
"""


def _alexnet(order, tail):
    """conv1 to conv4; `order` is that of pooling and normalization."""
    return [
        ("data", None),
        ("conv1", (96, 3, 11, 11)),
        *((f"{name}1", None) for name in order),
        ("conv2", (256, 48, 5, 5)),
        *((f"{name}2", None) for name in order),
        ("conv3", (384, 256, 3, 3)),
        ("conv4", (384, 192, 3, 3)),
        *tail,
    ]


ALEXNET_TAIL = [
    ("conv5", (256, 192, 3, 3)),
    ("pool5", None),
    ("fc6", (4096, 9216)),
    ("drop6", None),
    ("fc7", (4096, 4096)),
    ("fc8", (1000, 4096)),
    ("prob", None),
]
BVLC_ALEXNET = _alexnet(("norm", "pool"), ALEXNET_TAIL)
CAFFENET = _alexnet(("pool", "norm"), ALEXNET_TAIL)


def alexnet_plus_cam(classes):
    tail = [("conv5", (384, 192, 3, 3)), ("pool5", None), ("conv6", (512, 192, 3, 3)), ("conv7", (512, 256, 3, 3))]
    return _alexnet(("pool", "norm"), [*tail, ("pool8_global", None), ("fc9", (classes, 512))])


VGG16_CONVOLUTIONS = [
    ("conv1_1", (64, 3, 3, 3)),
    ("conv1_2", (64, 64, 3, 3)),
    ("pool1", None),
    ("conv2_1", (128, 64, 3, 3)),
    ("conv2_2", (128, 128, 3, 3)),
    ("pool2", None),
    ("conv3_1", (256, 128, 3, 3)),
    ("conv3_2", (256, 256, 3, 3)),
    ("conv3_3", (256, 256, 3, 3)),
    ("pool3", None),
    ("conv4_1", (512, 256, 3, 3)),
    ("conv4_2", (512, 512, 3, 3)),
    ("conv4_3", (512, 512, 3, 3)),
    ("pool4", None),
    ("conv5_1", (512, 512, 3, 3)),
    ("conv5_2", (512, 512, 3, 3)),
    ("conv5_3", (512, 512, 3, 3)),
]
VGG16 = [*VGG16_CONVOLUTIONS, ("pool5", None), ("fc6", (4096, 25088)), ("fc7", (4096, 4096)), ("fc8", (1000, 4096))]
VGG16_CAM = [
    *VGG16_CONVOLUTIONS,
    ("CAM_conv", (1024, 256, 3, 3)),
    ("CAM_pool", None),
    ("CAM_dropout", None),
    ("CAM_fc", (1000, 1024)),
]


def _inception(name, below, one, three_reduce, three, five_reduce, five, projected):
    return [
        (f"inception_{name}/1x1", (one, below, 1, 1)),
        (f"inception_{name}/3x3_reduce", (three_reduce, below, 1, 1)),
        (f"inception_{name}/3x3", (three, three_reduce, 3, 3)),
        (f"inception_{name}/5x5_reduce", (five_reduce, below, 1, 1)),
        (f"inception_{name}/5x5", (five, five_reduce, 5, 5)),
        (f"inception_{name}/pool", None),
        (f"inception_{name}/pool_proj", (projected, below, 1, 1)),
        (f"inception_{name}/output", None),
    ]


GOOGLENET_SHARED = [
    ("data", None),
    ("label_data_1_split", None),
    ("conv1/7x7_s2", (64, 3, 7, 7)),
    ("pool1/3x3_s2", None),
    ("pool1/norm1", None),
    ("conv2/3x3_reduce", (64, 64, 1, 1)),
    ("conv2/3x3", (192, 64, 3, 3)),
    ("conv2/norm2", None),
    ("pool2/3x3_s2", None),
    ("pool2/3x3_s2_pool2/3x3_s2_0_split", None),
    *_inception("3a", 192, 64, 96, 128, 16, 32, 32),
    *_inception("3b", 256, 128, 128, 192, 32, 96, 64),
    ("pool3/3x3_s2", None),
    *_inception("4a", 480, 192, 96, 208, 16, 48, 64),
    *_inception("4b", 512, 160, 112, 224, 24, 64, 64),
    *_inception("4c", 512, 128, 128, 256, 24, 64, 64),
    *_inception("4d", 512, 112, 144, 288, 32, 64, 64),
    *_inception("4e", 528, 256, 160, 320, 32, 128, 128),
]


def googlenet_cam(classes, groups=2):
    """The release has two groups of channels in the added convolution, the paper says nothing of them."""
    added = [("CAM_conv", (1024, 832 // groups, 3, 3)), ("CAM_relu", None), ("CAM_pool", None)]
    return [*GOOGLENET_SHARED, *added, ("CAM_fc", (classes, 1024))]


def _auxiliary(name, below):
    """A classifier that only training has, over 4x4 cells."""
    return [
        (f"{name}/ave_pool", None),
        (f"{name}/conv", (128, below, 1, 1)),
        (f"{name}/fc", (1024, 2048)),
        (f"{name}/classifier", (1000, 1024)),
        (f"{name}/loss", None),
    ]


BVLC_GOOGLENET = [
    *GOOGLENET_SHARED,
    *_auxiliary("loss1", 512),
    *_auxiliary("loss2", 528),
    ("pool4/3x3_s2", None),
    *_inception("5a", 832, 256, 160, 320, 32, 128, 128),
    *_inception("5b", 832, 384, 192, 384, 48, 128, 128),
    ("pool5/7x7_s1", None),
    ("loss3/classifier", (1000, 1024)),
]

NIN = [
    ("data", None),
    ("conv1", (96, 3, 11, 11)),
    ("cccp1", (96, 96, 1, 1)),
    ("cccp2", (96, 96, 1, 1)),
    ("pool0", None),
    ("conv2", (256, 96, 5, 5)),
    ("cccp3", (256, 256, 1, 1)),
    ("cccp4", (256, 256, 1, 1)),
    ("pool2", None),
    ("conv3", (384, 256, 3, 3)),
    ("cccp5", (384, 384, 1, 1)),
    ("cccp6", (384, 384, 1, 1)),
    ("pool3", None),
    ("drop", None),
    ("conv4-1024", (1024, 384, 3, 3)),
    ("cccp7-1024", (1024, 1024, 1, 1)),
    ("cccp8-1024", (1000, 1024, 1, 1)),
    ("pool4", None),
    ("loss", None),
]
