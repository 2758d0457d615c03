"""DenseNet. The released files were made when module names might hold a dot: "norm.1" for "norm1"."""

from jaxcam.weights.rules import Rule, Table

DENSENET = Table(
    rules=(
        Rule(r"features\.conv0", r"backbone/conv0", "convolution"),
        Rule(r"features\.(norm[05])", r"backbone/\1", "batch_norm"),
        Rule(r"features\.dense(block\d)\.denselayer(\d+)\.conv\.?(\d)", r"backbone/\1_\2/conv\3", "convolution"),
        Rule(r"features\.dense(block\d)\.denselayer(\d+)\.norm\.?(\d)", r"backbone/\1_\2/norm\3", "batch_norm"),
        Rule(r"features\.(transition\d)\.conv", r"backbone/\1/conv", "convolution"),
        Rule(r"features\.(transition\d)\.norm", r"backbone/\1/norm", "batch_norm"),
        Rule(r"classifier", r"head/classifier", "linear"),
    ),
    classifier="classifier",
)
