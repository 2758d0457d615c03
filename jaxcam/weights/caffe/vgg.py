"""VGG-16: Oxford's, and the one with global average pooling of the CAM release."""

from jaxcam.weights.caffe.gap import CLASSIFIER, FRESH, RULES, cam_groups
from jaxcam.weights.rules import Rule, Table

CONVOLUTIONS = Rule(r"(conv\d_\d)", r"backbone/\1", "convolution")

VGG16 = Table(
    rules=(
        CONVOLUTIONS,
        Rule(r"fc6", r"head/fc6", "flattened"),
        Rule(r"fc7", r"head/fc7", "linear"),
        Rule(r"fc8", r"head/classifier", "linear"),
    ),
    classifier="fc8",
)

VGG16_GAP = Table(
    rules=(CONVOLUTIONS, *RULES),
    classifier=CLASSIFIER,
    ignored=(r"fc[678]\..*",),
    fresh=FRESH,
    options=cam_groups(512),
)
