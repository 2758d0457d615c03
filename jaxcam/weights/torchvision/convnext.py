"""ConvNeXt: features.0 is the stem, odd ones after it are stages, even ones the halving of the resolution between."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table


def _stage(stage):
    """The rules of a stage, 1 to 4."""
    blocks = rf"features\.{2 * stage - 1}\.(\d+)"
    target = rf"backbone/stage{stage}"
    return (
        Rule(rf"{blocks}\.block\.0", rf"{target}_\1/depthwise", "convolution"),
        Rule(rf"{blocks}\.block\.2", rf"{target}_\1/norm", "layer_norm"),
        Rule(rf"{blocks}\.block\.3", rf"{target}_\1/expand", "linear"),
        Rule(rf"{blocks}\.block\.5", rf"{target}_\1/project", "linear"),
        Rule(rf"{blocks}\.layer_scale", rf"{target}_\1/layer_scale", "array"),
        Rule(rf"features\.{2 * stage - 2}\.0", f"{target}_downsample_norm", "layer_norm"),
        Rule(rf"features\.{2 * stage - 2}\.1", f"{target}_downsample_conv", "convolution"),
    )


BACKBONE = (
    Rule(r"features\.0\.0", r"backbone/stem_conv", "convolution"),
    Rule(r"features\.0\.1", r"backbone/stem_norm", "layer_norm"),
    *_stage(1)[:-2],
    *_stage(2),
    *_stage(3),
    *_stage(4),
)

CONVNEXT = Table(
    rules=(
        *BACKBONE,
        Rule(r"classifier\.0", r"head/norm", "layer_norm"),
        Rule(r"classifier\.2", r"head/classifier", "linear"),
    ),
    classifier="classifier.2",
)

CONVNEXT_GAP = replace(
    CONVNEXT,
    rules=(*BACKBONE, Rule(r"classifier\.0", r"backbone/norm", "layer_norm")),
    ignored=(r"classifier\.2\..*",),
    fresh=(r"head/.*",),
)
