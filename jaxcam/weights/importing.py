"""`import_weights`: a file of another library's becomes `Params`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.card import Card
from jaxcam.class_names import class_names
from jaxcam.networks import NETWORKS
from jaxcam.params import Params, default_card, make_network, network_shapes, sample_pixels
from jaxcam.weights.files import read_source
from jaxcam.weights.origins import ORIGINS
from jaxcam.weights.rules import Source, Table, convert, knows


def import_weights(
    source: str | os.PathLike,
    network: str,
    *,
    origin: str | None = None,
    num_classes: int | None = None,
    classes: Sequence[str] = (),
    key: Array | None = None,
    **options: Any,
) -> tuple[Params, dict[str, Any]]:
    """The params of a network from weights made elsewhere.

    Every array of the source is used once or ignored by name, every weight of the network is filled once, and shapes
    are checked. A GAP network takes a plain network's weights for the part that they share, and a fresh head.

    Args:
        source: a file (`.safetensors`; `.pth` or `.pt`, which need the extra `torch`; `.caffemodel`), or the name of a
            model of timm's on the Hugging Face Hub ("timm/resnet50.a1_in1k"; the extra `hub`).
        network: a name of `jaxcam.networks.NETWORKS`.
        origin: whose names the arrays have: "torchvision", "timm" or "caffe". By default "caffe" for a `.caffemodel`,
            "timm" for a model of the Hub and beside timm's config.json, else "torchvision".
        num_classes: number of classes; another one than the source's makes a fresh classifier. By default the
            source's; where it has no classifier, that of `classes`, or 1000.
        classes: their names, in the order of the scores; by default those of ILSVRC where there are 1000, and of
            Places205 where there are 205.
        key: a `jax.random.key` for what stays fresh; by default that of seed 0.
        options: of the network, in place of the usual ones and of those that the origin asks for.

    Returns:
        The params, float32 on the default device, and a report of JSON values for `jaxcam.save(record=...)`: "origin";
        "source" and its "sha256"; "arrays", how many it holds; "parameters", how many were read; "fresh", the weights
        that no array filled; "ignored", the arrays that were not wanted; "network_options", the origin's and yours;
        "overridden", those of the origin that yours replaced; "preprocessing", who says how images are fed.

    Raises:
        ValueError: for an unknown network, origin or option, a number of classes below 1 or of names that is not the
            number of classes, a missing, damaged or hostile file, or arrays that do not fit; it names all that do not.

    >>> import jaxcam
    >>> params, report = jaxcam.import_weights("resnet18.safetensors", "resnet18")  # doctest: +SKIP
    >>> jaxcam.save(params, "checkpoints/resnet18", record=report)  # doctest: +SKIP
    >>> jaxcam.import_weights("resnet18.npz", "resnet18")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: resnet18.npz: there is no such file; give a file, or a model of the Hub such as ...
    """
    _check(network, origin, num_classes, classes)
    read, usual_origin = read_source(source)
    origin = origin or usual_origin
    name = f"{read.description.get('source', source)} as {origin}'s {network}"
    table = _table(network, origin)
    total = _num_classes(read, table, num_classes, classes)
    asked = _options(read, table, name)
    module = make_network(network, total, **{**asked, **options})
    names, ids = (tuple(classes), ()) if classes else class_names(total)
    usual_card = replace(default_card(network, names), class_ids=ids)
    card = table.card(usual_card, read)
    shapes = network_shapes(module, card)
    new_classes = num_classes is not None and num_classes != _classes_of(read, table)
    try:
        converted = convert(read, table, shapes, new_classes=new_classes)
    except ValueError as error:
        raise ValueError(f"{name}{_hint(read, table, network, origin)}: {error}") from None
    report = {
        "origin": origin,
        **read.description,
        "arrays": len(read.arrays),
        "parameters": sum(leaf.size for path, leaf in converted.leaves.items() if path.startswith("params/")),
        "fresh": [path.partition("/")[2] for path in converted.fresh],
        "ignored": converted.ignored,
        "network_options": {**asked, **options},
        "overridden": sorted(name for name in options if name in asked and options[name] != asked[name]),
        "preprocessing": _teller(read, origin, card == usual_card),
    }
    del read  # a file that was read as a whole need not be kept while the leaves go to the device
    return Params(_fill(module, card, shapes, converted.leaves, key), module, card), report


def _check(network: str, origin: str | None, num_classes: int | None, classes: Sequence[str]) -> None:
    """Refuse what is wrong whatever the source holds, before a large file is read or fetched."""
    if network not in NETWORKS:
        raise ValueError(f"network: got {network!r}; known are {', '.join(sorted(NETWORKS))}")
    if origin is not None:
        _table(network, origin)
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes: got {num_classes}; give at least 1")
    if isinstance(classes, str):
        raise ValueError(f"classes: got the string {classes!r}; give the names of all classes, in a list")
    if num_classes is not None and classes and len(classes) != num_classes:
        raise ValueError(f"classes: got {len(classes)} names for {num_classes} classes; give one a class")


def _table(network: str, origin: str) -> Table:
    """The table of a network and an origin, or a ValueError that lists the known ones."""
    if origin not in ORIGINS:
        raise ValueError(f"origin: got {origin!r}; known are {', '.join(ORIGINS)}")
    if network not in ORIGINS[origin]:
        others = [name for name, tables in ORIGINS.items() if network in tables]
        raise ValueError(f"network: {network} is not read from {origin}, but from {', '.join(others) or 'nowhere'}")
    return ORIGINS[origin][network]


def _classes_of(source: Source, table: Table) -> int | None:
    """How many classes the source's classifier has, or None where it has no classifier."""
    for name in ("weight", "bias"):
        array = source.arrays.get(f"{table.classifier}.{name}")
        if array is not None and array.ndim and array.size:
            return array.shape[0]
    return None


def _num_classes(source: Source, table: Table, num_classes: int | None, classes: Sequence[str]) -> int:
    """The number of classes: the one asked for, else the source's."""
    total = num_classes or _classes_of(source, table) or len(classes) or 1000
    if classes and len(classes) != total:
        raise ValueError(
            f"classes: got {len(classes)} names for the {total} classes of the weights; "
            f"give one a class, or num_classes={len(classes)} (--num-classes {len(classes)}) for a fresh classifier"
        )
    return total


def _options(source: Source, table: Table, name: str) -> dict[str, Any]:
    """The network's options that the source needs."""
    try:
        return table.options(source)
    except LookupError as error:
        raise ValueError(f"{name}: the weights do not fit the network: there is no array {error}") from None


def _hint(source: Source, table: Table, network: str, origin: str) -> str:
    """What else to try, where names of arrays tell."""
    others = [name for name, tables in ORIGINS.items() if network in tables and knows(tables[network], source)]
    if others and origin not in others:
        return f" (its arrays are named as {others[0]}'s: give origin={others[0]!r}, or --origin {others[0]})"
    if not table.fresh and knows(table, source) and _classes_of(source, table) is None:
        return f" (it has no classifier {table.classifier}: give num_classes, or --num-classes, for a fresh one)"
    return ""


def _teller(source: Source, origin: str, as_usual: bool) -> str:
    """Who says how images are fed."""
    if origin == "timm" and source.config:
        return "config.json of the weights"
    return "table of networks" if as_usual else f"table of {origin}'s weights"


def _fill(module: Any, card: Card, shapes: Any, leaves: dict[str, np.ndarray], key: Array | None) -> Any:
    """The variables: what was read, moved to the device, and the network's own initial values for the rest."""

    def path_of(path):
        return jax.tree_util.keystr(path, simple=True, separator="/")

    read = frozenset(leaves)

    @jax.jit
    def initial(key):
        # XLA drops the computation of what is not asked for.
        variables = jax.tree_util.tree_leaves_with_path(module.init(key, sample_pixels(card)))
        return {path_of(path): leaf for path, leaf in variables if path_of(path) not in read}

    filled = {path: jnp.asarray(leaves.pop(path)) for path in read}
    if len(read) < len(jax.tree.leaves(shapes)):
        filled.update(initial(jax.random.key(0) if key is None else key))
    return jax.tree_util.tree_map_with_path(lambda path, _: filled[path_of(path)], shapes)
