"""Weight import as data: rows that say which module of a source becomes which module of a network."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import ml_dtypes
import numpy as np

from jaxcam.card import Card
from jaxcam.weights.layouts import ARRAYS, KINDS

FLOATS = (np.float32, np.float16, ml_dtypes.bfloat16)


@dataclass(frozen=True)
class Rule:
    r"""A row of a table.

    Attributes:
        module: a regular expression for the whole name of a source's module, such as `layer(\d)\.(\d+)\.(conv\d)`.
        target: the module's path in the network, with the expression's groups: `backbone/layer\1_\2/\3`.
        kind: what the module is, a row of `KINDS`, which says how its arrays are named and laid out; or a row of
            `ARRAYS`, for one that stands alone: then `module` is its whole name, and `target` the path of its leaf.
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
        classifier: the source's module that gives the class scores; where another number of classes is asked for, its
            leaves are fresh.
        ignored: regular expressions for arrays of the source that the network has no use for.
        fresh: regular expressions for the leaves, by path without collection, that a source may lack, all of them or
            none: they keep their initial values.
        options: of the network, as the source needs them; a KeyError where the source lacks what it asks for.
        card: the network's card as the source needs it.
    """

    rules: tuple[Rule, ...]
    classifier: str
    ignored: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    options: Callable[[Source], dict[str, Any]] = lambda source: {}
    card: Callable[[Card, Source], Card] = lambda card, source: card


class Converted(NamedTuple):
    """What became of a source.

    Attributes:
        leaves: float32, by path ("params/backbone/conv1/kernel").
        fresh: paths of the leaves that keep their initial values.
        ignored: names of the arrays that the table ignores, and of a classifier of other classes.
    """

    leaves: dict[str, np.ndarray]
    fresh: list[str]
    ignored: list[str]


def convert(source: Source, table: Table, expected: Any, *, new_classes: bool = False) -> Converted:
    """The leaves of a network from a source's arrays, which are asked for one by one.

    Args:
        source: the arrays.
        table: the rules.
        expected: the network's variables as shapes.
        new_classes: leave the source's classifier out; its leaves stay fresh.

    Returns:
        The leaves, and what was left out on either side.

    Raises:
        ValueError: that names everything that does not fit: arrays unused or used twice, leaves missing or filled
            twice, wrong shapes and dtypes, values that are not finite.
    """
    needed = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(expected)
    }
    leaves: dict[str, np.ndarray] = {}
    filled_by: dict[str, str] = {}
    wrong: dict[str, list[str]] = {}  # what is wrong -> with which arrays or leaves
    for key in source.arrays:
        if new_classes and _module(key) == table.classifier:
            continue
        try:
            use = _use(key, table)
            if use is not None:
                path, layout = use
                if path in filled_by:
                    raise ValueError(f"{path} is filled by {filled_by[path]} too")
                filled_by[path] = key
                leaves[path] = _leaf(source.arrays[key], layout, path, needed)
        except ValueError as error:
            wrong.setdefault(str(error), []).append(key)
    missing = [path for path in needed if path not in filled_by]
    optional = _may_be_fresh(table, needed, filled_by, new_classes)
    unfilled = [path for path in missing if path not in optional]
    if unfilled:
        wrong["no array fills it"] = unfilled
    if wrong:
        lines = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in wrong.items())
        raise ValueError(f"{sum(map(len, wrong.values()))} mismatches: {lines}")
    return Converted(leaves, missing, [key for key in source.arrays if _is_ignored(key, table, new_classes)])


def knows(table: Table, source: Source) -> bool:
    """Whether a table has one use for each array of a source, by their names alone."""
    return all(len(list(_uses(key, table))) == 1 for key in source.arrays)


def _module(key):
    """The module's part of an array's name."""
    return key.rpartition(".")[0]


def _is_ignored(key, table, new_classes):
    """Whether an array is left out: by the table, or as the classifier of other classes."""
    of_classifier = new_classes and _module(key) == table.classifier
    return of_classifier or any(re.fullmatch(pattern, key) for pattern in table.ignored)


def _use(key, table):
    """The path and the layout of the leaf that an array of the source becomes; None where it is left out."""
    uses = list(_uses(key, table))
    if len(uses) != 1:
        raise ValueError(f"{len(uses)} rules use it" if uses else "no rule uses it")
    return uses[0]


def _leaf(array, layout, path, needed):
    """The array of a leaf, made from an array of the source."""
    if path not in needed:
        raise ValueError(f"the network has no {path}")
    if array.dtype not in FLOATS:
        raise ValueError(f"got {array.dtype} in place of float32, float16 or bfloat16")
    try:
        leaf = layout(array, needed[path])
    except (ValueError, IndexError):  # where there is another number of axes or values
        leaf = array
    if leaf.shape != needed[path]:
        raise ValueError(f"got shape {array.shape}, of which {path} {needed[path]} cannot be made")
    if not np.isfinite(array).all():
        raise ValueError("it has values that are not finite")
    if path.startswith("batch_stats/") and path.endswith("/var") and (leaf < 0).any():
        raise ValueError("it has variances below 0")
    return _in_order(leaf)


def _in_order(leaf):
    """The array as float32 in C order, copied in slices: three times faster where rows become columns."""
    if leaf.ndim < 2 or leaf.flags.c_contiguous:
        return np.ascontiguousarray(leaf, np.float32)
    copy, at_once = np.empty(leaf.shape, np.float32), 64
    for start in range(0, leaf.shape[-1], at_once):
        copy[..., start : start + at_once] = leaf[..., start : start + at_once]
    return copy


def _uses(key, table):
    """For each rule that uses an array: the leaf's path and layout, or None where the rule leaves it out."""
    module, _, name = key.rpartition(".")
    for pattern in table.ignored:
        if re.fullmatch(pattern, key):
            yield None
    for rule in table.rules:
        match = re.fullmatch(rule.module, key if rule.kind in ARRAYS else module)
        if match and rule.kind in ARRAYS:
            yield f"params/{match.expand(rule.target)}", ARRAYS[rule.kind]
        elif match and name in KINDS[rule.kind]:
            into = KINDS[rule.kind][name]
            yield None if into is None else (f"{into.collection}/{match.expand(rule.target)}/{into.leaf}", into.layout)


def _may_be_fresh(table, needed, filled, new_classes):
    """The paths that a source may leave out: its table's `fresh` ones, all or none of them, and a new classifier's."""
    classifier = {use[0] for name in ("weight", "bias") for use in _uses(f"{table.classifier}.{name}", table) if use}
    optional = {path for path in needed if any(re.fullmatch(fresh, path.partition("/")[2]) for fresh in table.fresh)}
    if (optional - classifier) & filled.keys():
        optional = set()
    return optional | classifier if new_classes else optional
