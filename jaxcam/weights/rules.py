"""Weight import as data: rows that say which module of a source becomes which module of a network."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import ml_dtypes
import numpy as np

from jaxcam.card import Card
from jaxcam.weights.layouts import KINDS, squeezed


@dataclass(frozen=True)
class Rule:
    r"""A row of a table.

    Attributes:
        module: a regular expression for the whole name of a source's module, such as `layer(\d)\.(\d+)\.(conv\d)`.
        target: the module's path in the network, with the expression's groups: `backbone/layer\1_\2/\3`.
        kind: what the module is, a row of `KINDS`, which says how its arrays are named and laid out; or "array", for
            one array that stands alone: then `module` is its whole name, and `target` the path of its leaf.
    """

    module: str
    target: str
    kind: str


@dataclass(frozen=True)
class Source:
    """What a file holds.

    Attributes:
        arrays: by "<module>.<array>", in the order of the file.
        layers: names of all layers in order, those without weights too, where the file tells (Caffe).
        config: what the file's publisher says of the network's inputs (timm).
        description: JSON values for the record: file name, SHA-256.
    """

    arrays: Mapping[str, np.ndarray]
    layers: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """How the weights of one network are read from one kind of source.

    Attributes:
        rules: every array of the source is used by exactly one of them, or ignored.
        classifier: the source's module that gives the class scores; where it is missing, or another number of classes
            is wanted, its leaves are fresh.
        ignored: regular expressions for arrays of the source that the network has no use for.
        fresh: regular expressions for the leaves, by path without collection, that a source may lack, all of them or
            none: they keep their initial values.
        options: of the network, as the source needs them.
        card: the network's card as the source needs it.
    """

    rules: tuple[Rule, ...]
    classifier: str
    ignored: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    options: Callable[[Source], dict[str, Any]] = lambda source: {}
    card: Callable[[Card, Source], Card] = lambda card, source: card


def convert(
    source: Source, table: Table, expected: Any, *, new_classes: bool = False
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The leaves of a network from a source's arrays.

    Args:
        source: the arrays.
        table: the rules.
        expected: the network's variables as shapes.
        new_classes: leave the source's classifier out; its leaves stay fresh.

    Returns:
        The leaves by path ("params/backbone/conv1/kernel"), float32, and the paths of those that stay fresh.

    Raises:
        ValueError: with a line for everything that does not fit: arrays unused or used twice, leaves missing or filled
            twice, wrong shapes and dtypes, values that are not finite.
    """
    needed = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_flatten_with_path(expected)[0]
    }
    leaves: dict[str, np.ndarray] = {}
    sources: dict[str, str] = {}
    wrong = []
    for key, array in source.arrays.items():
        if new_classes and key.rpartition(".")[0] == table.classifier:
            continue
        try:
            found = _leaf(key, array, table, needed)
            if found is not None:
                path, leaf = found
                if path in leaves:
                    raise ValueError(f"it fills {path}, which {sources[path]} fills too")
                leaves[path], sources[path] = leaf, key
        except ValueError as error:
            wrong.append(f"{key}: {error}")
    missing = [path for path in needed if path not in leaves]
    unexplained = set(missing) - _may_be_fresh(table, needed, leaves, new_classes)
    wrong += [f"{path}: no array fills it" for path in missing if path in unexplained]
    if wrong:
        lines = "; ".join(wrong[:20]) + (f"; and {len(wrong) - 20} more" if len(wrong) > 20 else "")
        raise ValueError(f"the weights do not fit the network, {len(wrong)} mismatches: {lines}")
    return leaves, missing


def _leaf(key, array, table, needed):
    """The path and the array of the leaf that an array of the source becomes; None where it is to be ignored."""
    uses = list(_uses(key, table))
    if len(uses) != 1:
        raise ValueError("no rule uses it" if not uses else f"{len(uses)} rules use it")
    (use,) = uses
    if use is None:
        return None
    path, layout = use
    if path not in needed:
        raise ValueError(f"the network has no {path}")
    if array.dtype not in (np.float32, np.float16, ml_dtypes.bfloat16):
        raise ValueError(f"got {array.dtype}; float32, float16 or bfloat16 is expected")
    try:
        leaf = layout(array, needed[path]).astype(np.float32)
    except ValueError:  # of a reshape or a transposition
        leaf = array
    if leaf.shape != needed[path]:
        raise ValueError(f"got shape {array.shape}, of which {path} {needed[path]} cannot be made")
    if not np.isfinite(leaf).all():
        raise ValueError("it has values that are not finite")
    return path, np.ascontiguousarray(leaf)


def _uses(key, table):
    """For each rule that uses an array: the leaf's path and layout, or None where the rule ignores it."""
    module, _, name = key.rpartition(".")
    for pattern in table.ignored:
        if re.fullmatch(pattern, key):
            yield None
    for rule in table.rules:
        match = re.fullmatch(rule.module, key if rule.kind == "array" else module)
        if match and rule.kind == "array":
            yield f"params/{match.expand(rule.target)}", squeezed
        elif match and name in KINDS[rule.kind]:
            into = KINDS[rule.kind][name]
            yield None if into is None else (f"{into.collection}/{match.expand(rule.target)}/{into.leaf}", into.layout)


def _may_be_fresh(table, needed, leaves, new_classes):
    """The paths that a source may leave out: its table's `fresh` ones, all or none of them, and a new classifier's."""
    classifier = [use[0] for name in ("weight", "bias") for use in _uses(f"{table.classifier}.{name}", table) if use]
    optional = {path for path in needed if any(re.fullmatch(fresh, path.partition("/")[2]) for fresh in table.fresh)}
    complete = not (optional - set(classifier)) & leaves.keys()
    return set(classifier if new_classes else ()) | (optional if complete else set())
