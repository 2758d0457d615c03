"""EfficientNet, whose first stage has no expansion, so that all else of its block comes one place earlier."""

from jaxcam.weights.rules import Rule, Table


def _stages(stages, *parts):
    """The rules of stages whose blocks consist of these parts."""
    for index, part in enumerate(parts):
        module, target = rf"features\.({stages})\.(\d+)\.block\.{index}", rf"backbone/stage\1_\2/{part}"
        if part == "squeeze_excitation":
            yield Rule(rf"{module}\.fc1", f"{target}/reduce", "pointwise")
            yield Rule(rf"{module}\.fc2", f"{target}/expand", "pointwise")
        else:
            yield Rule(rf"{module}\.0", f"{target}/conv", "convolution")
            yield Rule(rf"{module}\.1", f"{target}/bn", "batch_norm")


EFFICIENTNET = Table(
    rules=(
        Rule(r"features\.0\.0", r"backbone/stem/conv", "convolution"),
        Rule(r"features\.0\.1", r"backbone/stem/bn", "batch_norm"),
        *_stages("1", "depthwise", "squeeze_excitation", "project"),
        *_stages("[2-7]", "expand", "depthwise", "squeeze_excitation", "project"),
        Rule(r"features\.8\.0", r"backbone/last/conv", "convolution"),
        Rule(r"features\.8\.1", r"backbone/last/bn", "batch_norm"),
        Rule(r"classifier\.1", r"head/classifier", "linear"),
    ),
    classifier="classifier.1",
)
