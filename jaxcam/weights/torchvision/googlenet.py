"""GoogLeNet with BatchNorm."""

from jaxcam.weights.rules import Rule, Table

# The convolutions of torchvision, by a regular expression, and ours.
CONVOLUTIONS = {
    r"conv1": r"conv1",
    r"conv2": r"conv2_reduce",
    r"conv3": r"conv2",
    r"inception(\d\w)\.branch1": r"inception_\1/1x1",
    r"inception(\d\w)\.branch2\.0": r"inception_\1/3x3_reduce",
    r"inception(\d\w)\.branch2\.1": r"inception_\1/3x3",
    r"inception(\d\w)\.branch3\.0": r"inception_\1/5x5_reduce",
    r"inception(\d\w)\.branch3\.1": r"inception_\1/5x5",
    r"inception(\d\w)\.branch4\.1": r"inception_\1/pool_proj",
}

GOOGLENET = Table(
    rules=(
        *(Rule(rf"{theirs}\.conv", f"backbone/{ours}/conv", "convolution") for theirs, ours in CONVOLUTIONS.items()),
        *(Rule(rf"{theirs}\.bn", f"backbone/{ours}/bn", "batch_norm") for theirs, ours in CONVOLUTIONS.items()),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
    ignored=(r"aux[12]\..*",),  # the auxiliary classifiers
)
