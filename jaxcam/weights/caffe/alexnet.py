"""AlexNet: BVLC's two (AlexNet and CaffeNet), and the AlexNet* with global average pooling of the CAM release."""

from typing import Any

from jaxcam.weights.rules import Rule, Source, Table


def _order(source: Source) -> dict[str, Any]:
    """Whether pooling or normalization comes first, which the weights do not tell and the list of layers does."""
    if not {"pool1", "norm1"} <= set(source.layers):
        return {}
    pool_first = source.layers.index("pool1") < source.layers.index("norm1")
    return {"order": "pool_norm" if pool_first else "norm_pool"}


CONVOLUTIONS = Rule(r"(conv\d)", r"backbone/\1", "convolution")

ALEXNET = Table(
    rules=(
        CONVOLUTIONS,
        Rule(r"fc6", r"head/fc6", "flattened"),
        Rule(r"fc7", r"head/fc7", "linear"),
        Rule(r"fc8", r"head/classifier", "linear"),
    ),
    classifier="fc8",
    options=_order,
)

# The authors did not release this network; its convolutions are those of the whole one.
ALEXNET_GAP = Table(
    rules=(CONVOLUTIONS,),
    classifier="fc8",
    ignored=(r"fc[678]\..*",),
    fresh=(r"head/.*", r"backbone/cam_conv/.*"),
    options=_order,
)

ALEXNET_PLUS_GAP = Table(
    rules=(CONVOLUTIONS, Rule(r"fc9", r"head/classifier", "linear")),
    classifier="fc9",
    options=_order,
)
