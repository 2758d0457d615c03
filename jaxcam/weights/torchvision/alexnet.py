"""AlexNet."""

from jaxcam.weights.rules import Rule, Table

ALEXNET = Table(
    rules=(
        Rule(r"features\.0", r"backbone/conv1", "convolution"),
        Rule(r"features\.3", r"backbone/conv2", "convolution"),
        Rule(r"features\.6", r"backbone/conv3", "convolution"),
        Rule(r"features\.8", r"backbone/conv4", "convolution"),
        Rule(r"features\.10", r"backbone/conv5", "convolution"),
        Rule(r"classifier\.1", r"head/fc6", "flattened"),
        Rule(r"classifier\.4", r"head/fc7", "linear"),
        Rule(r"classifier\.6", r"head/classifier", "linear"),
    ),
    classifier="classifier.6",
)
