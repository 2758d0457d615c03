"""Vision transformers; those without a class token take the others' weights without it and its position."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table

BLOCK = r"blocks\.(\d+)"
BACKBONE = (
    Rule(r"patch_embed\.proj", r"backbone/patches", "convolution"),
    Rule(rf"{BLOCK}\.norm(\d)", r"backbone/block\1/norm\2", "layer_norm"),
    Rule(rf"{BLOCK}\.attn\.qkv", r"backbone/block\1/attention/qkv", "linear"),
    Rule(rf"{BLOCK}\.attn\.proj", r"backbone/block\1/attention/out", "linear"),
    Rule(rf"{BLOCK}\.mlp\.fc1", r"backbone/block\1/expand", "linear"),
    Rule(rf"{BLOCK}\.mlp\.fc2", r"backbone/block\1/project", "linear"),
    Rule(r"norm", r"backbone/norm", "layer_norm"),
)

VIT = Table(
    rules=(
        *BACKBONE,
        Rule(r"cls_token", r"backbone/class_token", "array"),
        Rule(r"pos_embed", r"backbone/positions", "array"),
        Rule(r"head", r"head/classifier", "linear"),
    ),
    classifier="head",
)

VIT_GAP = replace(
    VIT,
    rules=(*BACKBONE, Rule(r"pos_embed", r"backbone/positions", "patch_positions")),
    ignored=(r"cls_token", r"head\..*"),
    fresh=(r"head/.*",),
)
