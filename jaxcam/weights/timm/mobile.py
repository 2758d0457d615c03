"""MobileNetV2, MobileNetV3 and EfficientNet, which timm puts together from the same blocks: blocks.0 is their first
stage, blocks.0.0 its first block.
"""

from collections.abc import Iterator
from dataclasses import replace

from jaxcam.weights.rules import Rule, Table

# timm's layers of a block, and ours: in the first stage, which expands nothing, and in the others.
SEPARABLE = {"conv_dw": "depthwise/conv", "bn1": "depthwise/bn", "conv_pw": "project/conv", "bn2": "project/bn"}
INVERTED = {"conv_pw": "expand/conv", "bn1": "expand/bn", "conv_dw": "depthwise/conv", "bn2": "depthwise/bn"}
INVERTED |= {"conv_pwl": "project/conv", "bn3": "project/bn"}


def _block(module: str, target: str, layers: dict[str, str]) -> Iterator[Rule]:
    """The rules of a block, or of all that the regular expression `module` stands for."""
    for theirs, ours in layers.items():
        kind = "convolution" if ours.endswith("conv") else "batch_norm"
        yield Rule(rf"{module}\.{theirs}", rf"backbone/{target}/{ours}", kind)
    yield Rule(rf"{module}\.se\.conv_reduce", rf"backbone/{target}/squeeze_excitation/reduce", "pointwise")
    yield Rule(rf"{module}\.se\.conv_expand", rf"backbone/{target}/squeeze_excitation/expand", "pointwise")


def _numbered(*counts: int) -> Iterator[Rule]:
    """The rules of stages with so many blocks, which we number through."""
    places = [(stage, index) for stage, count in enumerate(counts) for index in range(count)]
    for number, (stage, index) in enumerate(places, start=1):
        yield from _block(rf"blocks\.{stage}\.{index}", f"block{number}", INVERTED if stage else SEPARABLE)


STEM = (Rule(r"conv_stem", r"backbone/stem/conv", "convolution"), Rule(r"bn1", r"backbone/stem/bn", "batch_norm"))
LAST = (Rule(r"conv_head", r"backbone/last/conv", "convolution"), Rule(r"bn2", r"backbone/last/bn", "batch_norm"))
HEAD = (Rule(r"classifier", r"head/classifier", "linear"),)

MOBILENET_V2 = Table(rules=(*STEM, *_numbered(1, 2, 3, 4, 3, 3, 1), *LAST, *HEAD), classifier="classifier")

EFFICIENTNET = Table(
    rules=(
        *STEM,
        *_block(r"blocks\.0\.(\d+)", r"stage1_\1", SEPARABLE),
        *(
            rule
            for stage in range(1, 7)
            for rule in _block(rf"blocks\.{stage}\.(\d+)", rf"stage{stage + 1}_\1", INVERTED)
        ),
        *LAST,
        *HEAD,
    ),
    classifier="classifier",
)


def _mobilenet_v3(*counts: int) -> Table:
    """The table of stages with so many blocks, and a last one of one convolution."""
    last = rf"blocks\.{len(counts)}\.0"
    return Table(
        rules=(
            *STEM,
            *_numbered(*counts),
            Rule(rf"{last}\.conv", r"backbone/last/conv", "convolution"),
            Rule(rf"{last}\.bn1", r"backbone/last/bn", "batch_norm"),
            Rule(r"conv_head", r"head/hidden", "pointwise"),
            *HEAD,
        ),
        classifier="classifier",
        options=lambda source: {"epsilon": 1e-5},  # torchvision's is 1e-3
    )


def _gap(table: Table) -> Table:
    """Without the published head."""
    rules = tuple(rule for rule in table.rules if rule.target.startswith("backbone"))
    return replace(table, rules=rules, ignored=(r"conv_head\..*", r"classifier\..*"), fresh=(r"head/.*",))


MOBILENET_V3_LARGE, MOBILENET_V3_SMALL = _mobilenet_v3(1, 2, 3, 4, 2, 3), _mobilenet_v3(1, 2, 3, 2, 3)
MOBILENET_V3_LARGE_GAP, MOBILENET_V3_SMALL_GAP = _gap(MOBILENET_V3_LARGE), _gap(MOBILENET_V3_SMALL)
