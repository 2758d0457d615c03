"""MobileNetV3, whose first block has no expansion, and where gates move what follows by one."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table

BACKBONE = (
    Rule(r"features\.0\.0", r"backbone/stem/conv", "convolution"),
    Rule(r"features\.0\.1", r"backbone/stem/bn", "batch_norm"),
    Rule(r"features\.1\.block\.0\.0", r"backbone/block1/depthwise/conv", "convolution"),
    Rule(r"features\.1\.block\.0\.1", r"backbone/block1/depthwise/bn", "batch_norm"),
    Rule(r"features\.1\.block\.[12]\.0", r"backbone/block1/project/conv", "convolution"),
    Rule(r"features\.1\.block\.[12]\.1", r"backbone/block1/project/bn", "batch_norm"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.0\.0", r"backbone/block\1/expand/conv", "convolution"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.0\.1", r"backbone/block\1/expand/bn", "batch_norm"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.1\.0", r"backbone/block\1/depthwise/conv", "convolution"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.1\.1", r"backbone/block\1/depthwise/bn", "batch_norm"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.[23]\.0", r"backbone/block\1/project/conv", "convolution"),
    Rule(r"features\.(?!1\.)(\d+)\.block\.[23]\.1", r"backbone/block\1/project/bn", "batch_norm"),
    Rule(r"features\.(\d+)\.block\.[12]\.fc1", r"backbone/block\1/squeeze_excitation/reduce", "pointwise"),
    Rule(r"features\.(\d+)\.block\.[12]\.fc2", r"backbone/block\1/squeeze_excitation/expand", "pointwise"),
    Rule(r"features\.1[26]\.0", r"backbone/last/conv", "convolution"),  # 12 of the small network, 16 of the large one
    Rule(r"features\.1[26]\.1", r"backbone/last/bn", "batch_norm"),
)

MOBILENET_V3 = Table(
    rules=(
        *BACKBONE,
        Rule(r"classifier\.0", r"head/hidden", "linear"),
        Rule(r"classifier\.3", r"head/classifier", "linear"),
    ),
    classifier="classifier.3",
)

MOBILENET_V3_GAP = replace(MOBILENET_V3, rules=BACKBONE, ignored=(r"classifier\..*",), fresh=(r"head/.*",))
