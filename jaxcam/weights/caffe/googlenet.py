"""GoogLeNet: BVLC's, and the ones with global average pooling of the CAM release, for ILSVRC and Places205."""

from jaxcam.weights.caffe.gap import CLASSIFIER, FRESH, RULES, cam_groups
from jaxcam.weights.rules import Rule, Table

STEM = (
    Rule(r"conv1/7x7_s2", r"backbone/conv1", "convolution"),
    Rule(r"conv2/3x3_reduce", r"backbone/conv2_reduce", "convolution"),
    Rule(r"conv2/3x3", r"backbone/conv2", "convolution"),
)
BRANCHES = r"/(1x1|3x3_reduce|3x3|5x5_reduce|5x5|pool_proj)"
AUXILIARY = r"loss[12]/(conv|fc|classifier)\..*"  # classifiers that only training has

GOOGLENET = Table(
    rules=(
        *STEM,
        Rule(r"(inception_(?:3[ab]|4[a-e]|5[ab]))" + BRANCHES, r"backbone/\1/\2", "convolution"),
        Rule(r"loss3/classifier", r"head/classifier", "linear"),
    ),
    classifier="loss3/classifier",
    ignored=(AUXILIARY,),
)

GOOGLENET_GAP = Table(
    rules=(*STEM, Rule(r"(inception_(?:3[ab]|4[a-e]))" + BRANCHES, r"backbone/\1/\2", "convolution"), *RULES),
    classifier=CLASSIFIER,
    ignored=(AUXILIARY, rf"inception_5[ab]{BRANCHES}\..*", r"loss3/classifier\..*"),
    fresh=FRESH,
    options=cam_groups(832),
)
