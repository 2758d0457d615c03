"""ResNet, ResNeXt and Wide ResNet."""

from jaxcam.weights.rules import Rule, Table

RESNET = Table(
    rules=(
        Rule(r"conv1", r"backbone/conv1", "convolution"),
        Rule(r"bn1", r"backbone/bn1", "batch_norm"),
        Rule(r"(layer\d)\.(\d+)\.(conv\d)", r"backbone/\1_\2/\3", "convolution"),
        Rule(r"(layer\d)\.(\d+)\.(bn\d)", r"backbone/\1_\2/\3", "batch_norm"),
        Rule(r"(layer\d)\.(\d+)\.downsample\.0", r"backbone/\1_\2/downsample_conv", "convolution"),
        Rule(r"(layer\d)\.(\d+)\.downsample\.1", r"backbone/\1_\2/downsample_bn", "batch_norm"),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
)
