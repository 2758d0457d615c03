"""ConvNeXt, whose stages timm counts from 0."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table


def _stage(stage: int) -> tuple[Rule, ...]:
    """The rules of a stage, 1 to 4; only the first has no halving of the resolution before it."""
    blocks, target = rf"stages\.{stage - 1}\.blocks\.(\d+)", rf"backbone/stage{stage}"
    return (
        Rule(rf"{blocks}\.conv_dw", rf"{target}_\1/depthwise", "convolution"),
        Rule(rf"{blocks}\.norm", rf"{target}_\1/norm", "layer_norm"),
        Rule(rf"{blocks}\.mlp\.fc1", rf"{target}_\1/expand", "linear"),
        Rule(rf"{blocks}\.mlp\.fc2", rf"{target}_\1/project", "linear"),
        Rule(rf"{blocks}\.gamma", rf"{target}_\1/layer_scale", "array"),
        Rule(rf"stages\.{stage - 1}\.downsample\.0", f"{target}_downsample_norm", "layer_norm"),
        Rule(rf"stages\.{stage - 1}\.downsample\.1", f"{target}_downsample_conv", "convolution"),
    )


BACKBONE = (
    Rule(r"stem\.0", r"backbone/stem_conv", "convolution"),
    Rule(r"stem\.1", r"backbone/stem_norm", "layer_norm"),
    *_stage(1),
    *_stage(2),
    *_stage(3),
    *_stage(4),
)

CONVNEXT = Table(
    rules=(
        *BACKBONE,
        Rule(r"head\.norm", r"head/norm", "layer_norm"),
        Rule(r"head\.fc", r"head/classifier", "linear"),
    ),
    classifier="head.fc",
)

CONVNEXT_GAP = replace(
    CONVNEXT,
    rules=(*BACKBONE, Rule(r"head\.norm", r"backbone/norm", "layer_norm")),
    ignored=(r"head\.fc\..*",),
    fresh=(r"head/.*",),
)
