"""ShuffleNetV2."""

from jaxcam.weights.rules import Rule, Table

SHUFFLENET = Table(
    rules=(
        Rule(r"(conv[15])\.0", r"backbone/\1/conv", "convolution"),
        Rule(r"(conv[15])\.1", r"backbone/\1/bn", "batch_norm"),
        Rule(r"(stage\d)\.(\d+)\.branch1\.0", r"backbone/\1_\2/downsample_conv1/conv", "convolution"),
        Rule(r"(stage\d)\.(\d+)\.branch1\.1", r"backbone/\1_\2/downsample_conv1/bn", "batch_norm"),
        Rule(r"(stage\d)\.(\d+)\.branch1\.2", r"backbone/\1_\2/downsample_conv2/conv", "convolution"),
        Rule(r"(stage\d)\.(\d+)\.branch1\.3", r"backbone/\1_\2/downsample_conv2/bn", "batch_norm"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.0", r"backbone/\1_\2/conv1/conv", "convolution"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.1", r"backbone/\1_\2/conv1/bn", "batch_norm"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.3", r"backbone/\1_\2/conv2/conv", "convolution"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.4", r"backbone/\1_\2/conv2/bn", "batch_norm"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.5", r"backbone/\1_\2/conv3/conv", "convolution"),
        Rule(r"(stage\d)\.(\d+)\.branch2\.6", r"backbone/\1_\2/conv3/bn", "batch_norm"),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
)
