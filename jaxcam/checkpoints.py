"""Checkpoints that explain themselves: Orbax arrays beside a `card.json` with the card, the record and the hashes."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from jaxcam.networks import NETWORKS, Classifier
from jaxcam.params import Card, Params, Preprocessing, make_network, sample_pixels

FORMAT = 1
# Bundled checkpoints lie inside an installed package, and beside it in a clone.
BUNDLED = (Path(__file__).parent / "_checkpoints", Path(__file__).parent.parent / "checkpoints")


def load(checkpoint: str | os.PathLike, *, network: Classifier | None = None) -> Params:
    """The params of a bundled checkpoint or of a folder, every leaf checked against its stored hash.

    Args:
        checkpoint: a bundled name; or a folder, as a Path or a string with a separator.
        network: the module, for a checkpoint of a network outside `jaxcam.networks.NETWORKS`.

    Returns:
        The params, on the default device.

    Raises:
        ValueError: for an unknown name, a missing, damaged or incomplete folder, or another network's weights.

    >>> import jaxcam
    >>> jaxcam.load("tiny_imagenet").card.image_size
    (64, 64)
    """
    folder = find(checkpoint)
    contents = _read_json(folder)
    card = _card_from_json(folder, contents)
    module = _network_from_record(folder, contents["record"], card) if network is None else network
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = jax.eval_shape(module.init, jax.random.key(0), sample_pixels(card))
    expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), shapes)
    _check_leaves(folder, expected, contents["leaves"])
    try:
        variables = ocp.load_checkpointables(folder / "arrays", {"variables": expected})["variables"]
    except Exception as error:  # Orbax and TensorStore meet damaged files with many kinds of error
        reason = str(error).strip().splitlines()[0][:200]
        raise ValueError(f"checkpoint {folder}: its arrays cannot be read, restore the folder: {reason}") from error
    _check_hashes(folder, variables, contents["leaves"])
    return Params(variables, module, card)


def save(
    params: Params, folder: str | os.PathLike, *, record: dict[str, Any] | None = None, overwrite: bool = False
) -> None:
    """Write a checkpoint folder: beside its place first, then renamed, so that it is there whole or not at all.

    Args:
        params: what to save.
        folder: a folder that does not exist yet.
        record: what else `card.json` shall tell (data, command, licence, figures ...), as JSON values. The network's name
            and options are added where the table of networks has them.
        overwrite: replace an existing checkpoint.

    Raises:
        ValueError: for an existing folder, or one that is no checkpoint.

    >>> import jax, jaxcam, tempfile
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     jaxcam.save(params, f"{home}/mine", record={"data": "none yet"})
    ...     jaxcam.describe(f"{home}/mine")["options"]
    {'width': 8}
    """
    folder = Path(folder).absolute()
    if folder.exists() and not overwrite:
        raise ValueError(f"folder: {folder} exists; give another one, or overwrite=True")
    if folder.exists() and not (folder / "card.json").exists():
        raise ValueError(f"folder: {folder} exists and is no checkpoint; give another one")
    contents = {
        "format": FORMAT,
        "card": asdict(params.card),
        "record": {**_network_record(params), **(record or {})},
        "leaves": _hashes(params.variables),
    }
    text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as home:
        fresh = Path(home) / "fresh"
        fresh.mkdir()
        ocp.save_checkpointables(fresh / "arrays", {"variables": params.variables})
        (fresh / "card.json").write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(Path(home) / "old")
        fresh.rename(folder)


def describe(checkpoint: str | os.PathLike) -> dict[str, Any]:
    """The record of a checkpoint: network, options, and what was saved with it (data, command, licence, figures).

    Args:
        checkpoint: a bundled name, or a folder.

    Returns:
        A dict of JSON values.

    Raises:
        ValueError: for an unknown name or a missing or damaged `card.json`.

    >>> import jaxcam
    >>> jaxcam.describe("tiny_imagenet")["network"]
    'resnet10'
    """
    return _read_json(find(checkpoint))["record"]


def write_card(checkpoint: str | os.PathLike, card: Card | None = None, *, record: dict[str, Any] | None = None) -> None:
    """Give a checkpoint another card (such as another threshold) or more entries in its record; arrays stay.

    Args:
        checkpoint: a bundled name, or a folder.
        card: in place of the one it has.
        record: entries to add or replace.
    """
    folder = find(checkpoint)
    contents = _read_json(folder)
    if card is not None:
        contents["card"] = asdict(card)
    contents["record"].update(record or {})
    fresh = folder / ".card.json.partial"
    fresh.write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(folder / "card.json")


def find(checkpoint: str | os.PathLike) -> Path:
    """The folder of a checkpoint given by name or path."""
    if isinstance(checkpoint, os.PathLike) or "/" in checkpoint or os.sep in checkpoint:
        folder = Path(checkpoint).absolute()
        if not folder.is_dir():
            raise ValueError(f"checkpoint: there is no folder {folder}")
        return folder
    names = {path.parent.name: path.parent for home in reversed(BUNDLED) for path in home.glob("*/card.json")}
    if checkpoint not in names:
        known = ", ".join(sorted(names)) or "none"
        raise ValueError(f"checkpoint: got {checkpoint!r}; bundled are {known}; for a folder write ./{checkpoint}")
    return names[checkpoint]


def _read_json(folder):
    try:
        contents = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"checkpoint {folder}: it has no card.json, so it is no jaxcam checkpoint") from None
    except ValueError as error:
        raise ValueError(f"checkpoint {folder}: its card.json is damaged: {error}") from None
    missing = [key for key in ("format", "card", "record", "leaves") if key not in contents]
    if missing:
        raise ValueError(f"checkpoint {folder}: its card.json lacks {', '.join(missing)}")
    if contents["format"] != FORMAT:
        raise ValueError(f"checkpoint {folder}: got format {contents['format']}, this version reads {FORMAT}")
    return contents


def _card_from_json(folder, contents):
    def tuples(values):
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    try:
        fields = tuples(contents["card"])
        return Card(**{**fields, "preprocessing": Preprocessing(**tuples(fields["preprocessing"]))})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"checkpoint {folder}: its card is not one of this version: {error}") from None


def _network_record(params):
    """Name and options of the network of the table that equals the module with the fewest options, if any does."""
    if not isinstance(params.network, Classifier):
        return {}
    given = _fields(params.network)
    matches = []
    for name, build in NETWORKS.items():
        usual = _fields(build(given["num_classes"]))
        options = {key: value for key, value in given.items() if key not in usual or value != usual[key]}
        try:
            if make_network(name, given["num_classes"], **options) == params.network:
                json.dumps(options)
                matches.append({"network": name, "options": options})
        except (ValueError, TypeError):  # this network has no such option, or JSON no such value
            continue
    return min(matches, key=lambda match: len(match["options"]), default={})


def _fields(network):
    """The fields of backbone and head, which a table's options are named after."""
    parts = (network.backbone, network.head)
    return {
        field.name: getattr(part, field.name)
        for part in parts
        for field in fields(part)
        if field.name not in ("parent", "name")
    }


def _network_from_record(folder, record, card):
    if "network" not in record:
        raise ValueError(f"checkpoint {folder}: its network is not in jaxcam's table; give load(folder, network=module)")
    return make_network(record["network"], len(card.classes), **record.get("options", {}))


def _leaves(variables):
    flat, _ = jax.tree_util.tree_flatten_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in flat}


def _hashes(variables):
    """Shape, dtype and SHA-256 of the bytes of every leaf."""
    arrays = {name: np.asarray(leaf) for name, leaf in _leaves(variables).items()}
    return {
        name: {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}
        for name, array in arrays.items()
    }


def _check_leaves(folder, expected, stored):
    """All differences between what the network needs and what the checkpoint holds, in one error."""
    needed = {name: (list(leaf.shape), str(leaf.dtype)) for name, leaf in _leaves(expected).items()}
    held = {name: (leaf["shape"], leaf["dtype"]) for name, leaf in stored.items()}
    wrong = [
        f"{name}: the network needs {needed.get(name, 'nothing')}, the checkpoint holds {held.get(name, 'nothing')}"
        for name in sorted(needed.keys() | held.keys())
        if needed.get(name) != held.get(name)
    ]
    if wrong:
        rest = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(f"checkpoint {folder}: it holds another network's weights: {'; '.join(wrong[:5])}{rest}")


def _check_hashes(folder, variables, stored):
    wrong = [name for name, leaf in _hashes(variables).items() if leaf["sha256"] != stored[name]["sha256"]]
    if wrong:
        raise ValueError(
            f"checkpoint {folder}: {len(wrong)} of its arrays are not as they were saved ({', '.join(wrong[:3])}); "
            "the files are damaged, restore the folder"
        )
