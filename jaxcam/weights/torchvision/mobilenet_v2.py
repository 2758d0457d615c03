"""MobileNetV2, whose first block has no expansion."""

from jaxcam.weights.rules import Rule, Table

MOBILENET_V2 = Table(
    rules=(
        Rule(r"features\.0\.0", r"backbone/stem/conv", "convolution"),
        Rule(r"features\.0\.1", r"backbone/stem/bn", "batch_norm"),
        Rule(r"features\.1\.conv\.0\.0", r"backbone/block1/depthwise/conv", "convolution"),
        Rule(r"features\.1\.conv\.0\.1", r"backbone/block1/depthwise/bn", "batch_norm"),
        Rule(r"features\.1\.conv\.1", r"backbone/block1/project/conv", "convolution"),
        Rule(r"features\.1\.conv\.2", r"backbone/block1/project/bn", "batch_norm"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.0\.0", r"backbone/block\1/expand/conv", "convolution"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.0\.1", r"backbone/block\1/expand/bn", "batch_norm"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.1\.0", r"backbone/block\1/depthwise/conv", "convolution"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.1\.1", r"backbone/block\1/depthwise/bn", "batch_norm"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.2", r"backbone/block\1/project/conv", "convolution"),
        Rule(r"features\.(?!1\.)(\d+)\.conv\.3", r"backbone/block\1/project/bn", "batch_norm"),
        Rule(r"features\.18\.0", r"backbone/last/conv", "convolution"),
        Rule(r"features\.18\.1", r"backbone/last/bn", "batch_norm"),
        Rule(r"classifier\.1", r"head/classifier", "linear"),
    ),
    classifier="classifier.1",
)
