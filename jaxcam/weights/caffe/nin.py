"""Network in Network, as its authors released it."""

from jaxcam.weights.rules import Rule, Table

NIN = Table(
    rules=(
        Rule(r"(conv[123]|cccp[1-6])", r"backbone/\1", "convolution"),
        Rule(r"(conv4|cccp[78])-1024", r"backbone/\1", "convolution"),
    ),
    classifier="cccp8-1024",
)
