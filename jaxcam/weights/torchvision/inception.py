"""Inception-v3."""

from jaxcam.weights.rules import Rule, Table

INCEPTION = Table(
    rules=(
        Rule(r"Conv2d_(\d\w)_\dx\d\.conv", r"backbone/conv_\1/conv", "convolution"),
        Rule(r"Conv2d_(\d\w)_\dx\d\.bn", r"backbone/conv_\1/bn", "batch_norm"),
        Rule(r"Mixed_(\d\w)\.(branch\w+)\.conv", r"backbone/mixed_\1/\2/conv", "convolution"),
        Rule(r"Mixed_(\d\w)\.(branch\w+)\.bn", r"backbone/mixed_\1/\2/bn", "batch_norm"),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
    ignored=(r"AuxLogits\..*",),  # the auxiliary classifier
)
