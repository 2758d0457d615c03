"""`import_weights`: a file of another library's becomes `Params`."""

import os
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcam.card import Card
from jaxcam.class_names import class_names
from jaxcam.networks import NETWORKS
from jaxcam.params import Params, default_card, make_network, sample_pixels
from jaxcam.weights.files import read_source
from jaxcam.weights.origins import ORIGINS
from jaxcam.weights.rules import Source, Table, convert


def import_weights(
    source: str | os.PathLike,
    network: str,
    *,
    origin: str | None = None,
    num_classes: int | None = None,
    classes: tuple[str, ...] = (),
    key: Array | None = None,
    **options: Any,
) -> tuple[Params, dict[str, Any]]:
    """The params of a network from weights made elsewhere.

    Every array of the source is used once or ignored by name, every weight of the network is filled once, and shapes
    are checked; a GAP network takes a plain network's weights for the part that they share, and a fresh head.

    Args:
        source: a file (`.safetensors`, `.pth` or `.caffemodel`), or the name of a model on the Hugging Face Hub as
            timm has it ("timm/resnet50.a1_in1k").
        network: a name of `jaxcam.networks.NETWORKS`.
        origin: whose names the arrays have: "torchvision", "timm" or "caffe". By default "caffe" for a `.caffemodel`,
            "timm" for a model of the Hub, else "torchvision".
        num_classes: for another number of classes than the source's: a fresh classifier is made.
        classes: their names, in the order of the scores; by default those of ILSVRC where there are 1000, and of
            Places205 where there are 205.
        key: for what stays fresh; by default `jax.random.key(0)`.
        options: of the network, where they differ from what the origin needs.

    Returns:
        The params, and a report for `jaxcam.save(record=...)`: source, its SHA-256, origin, the leaves that are fresh.

    Raises:
        ValueError: for an unknown network or origin, a damaged or hostile file, or arrays that do not fit; it names
            all that do not.

    >>> import jaxcam
    >>> params, report = jaxcam.import_weights("resnet18.safetensors", "resnet18")  # doctest: +SKIP
    >>> jaxcam.save(params, "checkpoints/resnet18", record=report)  # doctest: +SKIP
    """
    read, found = read_source(source)
    origin = found if origin is None else origin
    table = _table(network, origin)
    in_source = _num_classes(read, table)
    wanted = num_classes or len(classes) or in_source or 1000
    module = make_network(network, wanted, **{**table.options(read), **options})
    names, ids = (classes, ()) if classes else class_names(wanted)
    card = replace(table.card(default_card(network, names), read), class_ids=ids)
    shapes = jax.eval_shape(module.init, jax.random.key(0), sample_pixels(card))
    try:
        leaves, fresh = convert(read, table, shapes, new_classes=in_source not in (None, wanted))
    except ValueError as error:
        raise ValueError(f"{source} as {origin}'s {network}: {error}{_hint(read, network, origin, wanted)}") from None
    variables = _fill(module, card, shapes, leaves, jax.random.key(0) if key is None else key)
    report = {"origin": origin, **read.description, "fresh": [path.partition("/")[2] for path in fresh]}
    return Params(variables, module, card), report


def _table(network: str, origin: str) -> Table:
    """The table of a network and an origin, or a ValueError that lists the known ones."""
    if origin not in ORIGINS:
        raise ValueError(f"origin: got {origin!r}; known are {', '.join(ORIGINS)}")
    if network not in NETWORKS:
        raise ValueError(f"network: got {network!r}; known are {', '.join(sorted(NETWORKS))}")
    if network not in ORIGINS[origin]:
        others = [name for name, tables in ORIGINS.items() if network in tables]
        raise ValueError(f"network: {network} is not read from {origin}, but from {', '.join(others) or 'nowhere'}")
    return ORIGINS[origin][network]


def _num_classes(source: Source, table: Table) -> int | None:
    """How many classes the source's classifier has, or None where it has no classifier."""
    for name in ("weight", "bias"):
        array = source.arrays.get(f"{table.classifier}.{name}")
        if array is not None and array.ndim:
            return array.shape[0]
    return None


def _hint(source: Source, network: str, origin: str, num_classes: int) -> str:
    """The origin whose names the arrays have, where it is another one."""
    for other, tables in ORIGINS.items():
        if other != origin and network in tables:
            options = tables[network].options(source)
            card = default_card(network, tuple(map(str, range(num_classes))))
            module = make_network(network, num_classes, **options)
            shapes = jax.eval_shape(module.init, jax.random.key(0), sample_pixels(card))
            try:
                convert(source, tables[network], shapes, new_classes=True)
            except ValueError:
                continue
            return f'; they fit origin="{other}"'
    return ""


def _fill(module: Any, card: Card, shapes: Any, leaves: dict[str, np.ndarray], key: Array) -> Any:
    """The variables: what was read, and the network's own initial values for the rest."""

    def path_of(path):
        return jax.tree_util.keystr(path, simple=True, separator="/")

    @jax.jit
    def initial(key):
        # XLA drops the computation of what is not asked for.
        variables = jax.tree_util.tree_leaves_with_path(module.init(key, sample_pixels(card)))
        return {path_of(path): leaf for path, leaf in variables if path_of(path) not in leaves}

    filled = {path: jnp.asarray(leaf) for path, leaf in leaves.items()}
    if len(leaves) < len(jax.tree.leaves(shapes)):
        filled.update(initial(key))
    return jax.tree_util.tree_map_with_path(lambda path, _: filled[path_of(path)], shapes)
