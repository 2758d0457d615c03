"""RegNetY, whose blocks timm counts from 1."""

from collections.abc import Iterator

from jaxcam.weights.rules import Rule, Table

LAYERS = ("conv1", "conv2", "conv3", "downsample")
MOST_BLOCKS = 17  # of a stage of those that are published


def _blocks(number: int) -> Iterator[Rule]:
    """The rules of all stages' block of this number."""
    module, target = rf"s(\d)\.b{number}", rf"backbone/stage\1_{number - 1}"
    for layer in LAYERS:
        yield Rule(rf"{module}\.{layer}\.conv", f"{target}/{layer}/conv", "convolution")
        yield Rule(rf"{module}\.{layer}\.bn", f"{target}/{layer}/bn", "batch_norm")
    yield Rule(rf"{module}\.se\.fc1", f"{target}/squeeze_excitation/reduce", "pointwise")
    yield Rule(rf"{module}\.se\.fc2", f"{target}/squeeze_excitation/expand", "pointwise")


REGNET_Y = Table(
    rules=(
        Rule(r"stem\.conv", r"backbone/stem/conv", "convolution"),
        Rule(r"stem\.bn", r"backbone/stem/bn", "batch_norm"),
        *(rule for number in range(1, MOST_BLOCKS + 1) for rule in _blocks(number)),
        Rule(r"head\.fc", r"head/classifier", "linear"),
    ),
    classifier="head.fc",
)
