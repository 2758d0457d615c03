"""Vision transformers; those without a class token take the others' weights without it and its position."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table

LAYER = r"encoder\.layers\.encoder_layer_(\d+)"
# A block's hidden layer has two names: those of the files that torchvision released, and those it writes today.
BACKBONE = (
    Rule(r"conv_proj", r"backbone/patches", "convolution"),
    Rule(rf"{LAYER}\.ln_1", r"backbone/block\1/norm1", "layer_norm"),
    Rule(rf"{LAYER}\.self_attention", r"backbone/block\1/attention/qkv", "projection"),
    Rule(rf"{LAYER}\.self_attention\.out_proj", r"backbone/block\1/attention/out", "linear"),
    Rule(rf"{LAYER}\.ln_2", r"backbone/block\1/norm2", "layer_norm"),
    Rule(rf"{LAYER}\.mlp\.(?:0|linear_1)", r"backbone/block\1/expand", "linear"),
    Rule(rf"{LAYER}\.mlp\.(?:3|linear_2)", r"backbone/block\1/project", "linear"),
    Rule(r"encoder\.ln", r"backbone/norm", "layer_norm"),
)

VIT = Table(
    rules=(
        *BACKBONE,
        Rule(r"class_token", r"backbone/class_token", "array"),
        Rule(r"encoder\.pos_embedding", r"backbone/positions", "array"),
        Rule(r"heads\.head", r"head/classifier", "linear"),
    ),
    classifier="heads.head",
)

VIT_GAP = replace(
    VIT,
    rules=(*BACKBONE, Rule(r"encoder\.pos_embedding", r"backbone/positions", "patch_positions")),
    ignored=(r"class_token", r"heads\.head\..*"),
    fresh=(r"head/.*",),
)
