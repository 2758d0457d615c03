"""SqueezeNet 1.0 and 1.1, whose modules are numbered with the pools between them."""

from jaxcam.networks.squeezenet import SqueezeNet
from jaxcam.weights.rules import Rule, Table


def _table(version: str) -> Table:
    # The ReLU after conv1 has a number of its own there.
    fires = [(index + 1, name) for index, name in enumerate(SqueezeNet(1000, version).stages) if name[:4] == "fire"]
    parts = r"(squeeze|expand1x1|expand3x3)"
    return Table(
        rules=(
            Rule(r"features\.0", r"backbone/conv1", "convolution"),
            *(Rule(rf"features\.{index}\.{parts}", rf"backbone/{name}/\1", "convolution") for index, name in fires),
            Rule(r"classifier\.1", r"backbone/conv10", "convolution"),
        ),
        classifier="classifier.1",
    )


SQUEEZENET1_0, SQUEEZENET1_1 = _table("1.0"), _table("1.1")
