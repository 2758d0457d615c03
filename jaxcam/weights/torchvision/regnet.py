"""RegNetY."""

from jaxcam.weights.rules import Rule, Table

BLOCK = r"trunk_output\.block\d\.block(\d)-(\d+)"
TARGET = r"backbone/stage\1_\2"

REGNET_Y = Table(
    rules=(
        Rule(r"stem\.0", r"backbone/stem/conv", "convolution"),
        Rule(r"stem\.1", r"backbone/stem/bn", "batch_norm"),
        Rule(rf"{BLOCK}\.f\.a\.0", rf"{TARGET}/conv1/conv", "convolution"),
        Rule(rf"{BLOCK}\.f\.a\.1", rf"{TARGET}/conv1/bn", "batch_norm"),
        Rule(rf"{BLOCK}\.f\.b\.0", rf"{TARGET}/conv2/conv", "convolution"),
        Rule(rf"{BLOCK}\.f\.b\.1", rf"{TARGET}/conv2/bn", "batch_norm"),
        Rule(rf"{BLOCK}\.f\.se\.fc1", rf"{TARGET}/squeeze_excitation/reduce", "pointwise"),
        Rule(rf"{BLOCK}\.f\.se\.fc2", rf"{TARGET}/squeeze_excitation/expand", "pointwise"),
        Rule(rf"{BLOCK}\.f\.c\.0", rf"{TARGET}/conv3/conv", "convolution"),
        Rule(rf"{BLOCK}\.f\.c\.1", rf"{TARGET}/conv3/bn", "batch_norm"),
        Rule(rf"{BLOCK}\.proj\.0", rf"{TARGET}/downsample/conv", "convolution"),
        Rule(rf"{BLOCK}\.proj\.1", rf"{TARGET}/downsample/bn", "batch_norm"),
        Rule(r"fc", r"head/classifier", "linear"),
    ),
    classifier="fc",
)
