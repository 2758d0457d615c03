"""VGG, whose fully connected layers are convolutions in timm; the backbone's names are torchvision's."""

from dataclasses import replace

from jaxcam.weights.rules import Rule, Table
from jaxcam.weights.torchvision.vgg import FEATURES, GAP, PLAIN

HEAD = (
    Rule(r"pre_logits\.fc1", r"head/fc6", "convolution"),
    Rule(r"pre_logits\.fc2", r"head/fc7", "pointwise"),
    Rule(r"head\.fc", r"head/classifier", "linear"),
)

VGG: dict[str, Table] = {
    **{name: replace(PLAIN, rules=(*rules, *HEAD), classifier="head.fc") for name, rules in FEATURES.items()},
    **{
        f"{name}_gap": replace(GAP, rules=rules, classifier="head.fc", ignored=(r"(pre_logits|head)\..*",))
        for name, rules in FEATURES.items()
    },
}
