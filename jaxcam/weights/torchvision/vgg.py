"""VGG, with and without BatchNorm, and the GAP networks made of them."""

from dataclasses import replace

from jaxcam.card import IMAGENET
from jaxcam.networks.vgg import BLOCKS
from jaxcam.weights.rules import Rule, Table


def _features(blocks: tuple[int, ...], batch_norm: bool) -> tuple[Rule, ...]:
    """torchvision numbers all layers of the backbone through, those without weights too."""
    rules, index = [], 0
    for block, convolutions in enumerate(blocks, start=1):
        for number in range(1, convolutions + 1):
            rules.append(Rule(rf"features\.{index}", rf"backbone/conv{block}_{number}", "convolution"))
            if batch_norm:
                rules.append(Rule(rf"features\.{index + 1}", rf"backbone/bn{block}_{number}", "batch_norm"))
            index += 3 if batch_norm else 2
        index += 1  # the pooling
    return tuple(rules)


HEAD = (
    Rule(r"classifier\.0", r"head/fc6", "flattened"),
    Rule(r"classifier\.3", r"head/fc7", "linear"),
    Rule(r"classifier\.6", r"head/classifier", "linear"),
)
FEATURES = {
    **{f"vgg{depth}": _features(blocks, batch_norm=False) for depth, blocks in BLOCKS.items()},
    **{f"vgg{depth}_bn": _features(blocks, batch_norm=True) for depth, blocks in BLOCKS.items()},
}

# vgg16 and vgg16_gap are Caffe's where nothing else is said: other inputs, pooling that rounds up.
PLAIN = Table(
    rules=HEAD,
    classifier="classifier.6",
    options=lambda source: {"ceil": False},
    card=lambda card, source: replace(card, preprocessing=IMAGENET),
)
GAP = replace(PLAIN, rules=(), ignored=(r"classifier\..*",), fresh=(r"head/.*", r"backbone/cam_conv/.*"))

VGG: dict[str, Table] = {
    **{name: replace(PLAIN, rules=(*rules, *HEAD)) for name, rules in FEATURES.items()},
    **{f"{name}_gap": replace(GAP, rules=rules) for name, rules in FEATURES.items()},
}
