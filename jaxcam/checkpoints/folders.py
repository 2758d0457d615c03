"""Checkpoint folders: found by name or path, loaded, saved and described."""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from jaxcam.card import Card
from jaxcam.checkpoints.card_file import card_from_json, read_card_file, write_card_file
from jaxcam.checkpoints.hashes import check_hashes, file_hashes, leaf_differences, leaf_hashes, listed
from jaxcam.checkpoints.loadable import check_loadable
from jaxcam.checkpoints.rounding import as_stored, rounded
from jaxcam.networks import NETWORKS, Classifier
from jaxcam.params import Params, make_network, network_shapes, plain_option

# Bundled checkpoints lie inside an installed package, and beside it in a clone.
PACKAGE = Path(__file__).parent.parent
BUNDLED = (PACKAGE / "_checkpoints", PACKAGE.parent / "checkpoints")


def load(checkpoint: str | os.PathLike, *, network: Classifier | None = None) -> Params:
    """The params of a bundled checkpoint or of a folder, every file and every leaf checked against its hash.

    Args:
        checkpoint: a bundled name; or a folder, as a Path or a string with a separator.
        network: the module, for a checkpoint of a network outside `jaxcam.networks.NETWORKS`.

    Returns:
        The params, on the default device.

    Raises:
        ValueError: for an unknown name, a missing, damaged or incomplete folder, or another network's weights.

    >>> import jaxcam
    >>> jaxcam.load("tiny_imagenet").card.image_size
    (72, 72)
    """
    folder = find(checkpoint)
    contents = read_card_file(folder)
    if network is None and "network" not in contents["record"]:
        raise ValueError(f"checkpoint {folder}: its network is not in the table; give load(folder, network=module)")
    with _named(folder, "its card.json does not describe a network of this version"):
        card = card_from_json(contents["card"])
        module = _network_from_record(contents["record"], card) if network is None else network
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        shapes = network_shapes(module, card)
        expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), shapes)
        expected = as_stored(expected, contents["leaves"])
        differences = leaf_differences(expected, contents["leaves"])
    if differences:
        raise ValueError(f"checkpoint {folder}: it holds another network's weights: {listed(differences)}")
    check_hashes(folder, "files", file_hashes(folder / "arrays"), contents["files"])
    with _named(folder, "its arrays cannot be read, restore the folder"):
        variables = ocp.load_checkpointables(folder / "arrays", {"variables": expected})["variables"]
    check_hashes(folder, "arrays", leaf_hashes(variables), contents["leaves"])
    variables = jax.tree.map(lambda leaf, needed: leaf.astype(needed.dtype), variables, shapes)
    return Params(variables, module, card)


def save(
    params: Params,
    folder: str | os.PathLike,
    *,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
    dtype: str | None = None,
) -> None:
    """Write a checkpoint folder: beside its place first, then renamed, so that it is there whole or not at all.

    Where a program has several processes, all of them call it, with the same params and a folder that all see.

    Args:
        params: what to save.
        folder: a folder that does not exist yet.
        record: what else `card.json` shall tell (data, command, licence, figures ...), as JSON values. The entries
            "network" and "options" are always those of the params, where the table of networks has them.
        overwrite: replace an existing checkpoint.
        dtype: "float16" or "bfloat16": round the weights to it, for files of half the size. `load` gives float32 again.

    Raises:
        ValueError: for an existing folder, or one that is no checkpoint; a record that is no JSON; another dtype, or
            one too small for a weight; or what could not be loaded again: a model made from functions, a card with
            another number of classes than a network of the table, or other variables than the network needs (another
            shape, a dtype such as float64, a further collection).

    >>> import jax, jaxcam, tempfile
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     jaxcam.save(params, f"{home}/mine", record={"data": "none yet"})
    ...     jaxcam.describe(f"{home}/mine")["options"]
    {'width': 8}
    """
    folder = Path(folder).absolute()
    if not isinstance(params.network, Classifier):
        raise ValueError("params: got a model made from functions; save its variables with Orbax instead")
    told = _network_record(params.network)
    check_loadable(params.network, params, named=bool(told))
    stored = params.variables if dtype is None else rounded(params.variables, dtype)
    if jax.process_index() == 0:
        check_place(folder, overwrite=overwrite)
    with _beside(folder) as home:
        fresh, old = home / "fresh", home / "old"
        # Of several processes the first one writes what is not spread over their devices.
        variables = stored if jax.process_count() == 1 else jax.device_get(stored)
        ocp.save_checkpointables(fresh / "arrays", {"variables": variables})
        if jax.process_index() > 0:
            return
        # It names the folder that was written to, which is nobody's business once the checkpoint is passed on.
        (fresh / "arrays" / "commit_success.txt").unlink(missing_ok=True)
        contents = {
            "card": asdict(params.card),
            "record": {**told, **_free_entries(record)},
            "leaves": leaf_hashes(stored),
            "files": file_hashes(fresh / "arrays"),
        }
        write_card_file(fresh, contents)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise


@contextmanager
def _beside(folder):
    """An empty folder beside another, for all processes of a program; gone at the end, when all have come to it."""
    if jax.process_count() == 1:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as home:
            Path(home, "fresh").mkdir()
            yield Path(home)
        return
    home = folder.parent / f".{folder.name}.hosts"
    if jax.process_index() == 0:
        shutil.rmtree(home, ignore_errors=True)
        Path(home, "fresh").mkdir(parents=True)
    multihost_utils.sync_global_devices("checkpoint opened")
    try:
        yield home
    finally:
        multihost_utils.sync_global_devices("checkpoint closed")
        if jax.process_index() == 0:
            shutil.rmtree(home)


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that `save` would not write to: before the work whose result it is to hold."""
    if folder.exists() and not overwrite:
        raise ValueError(f"folder: {folder} exists; give another one, or overwrite=True")
    if folder.exists() and not (folder / "card.json").exists():
        raise ValueError(f"folder: {folder} exists and is no checkpoint; give another one")


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
    'resnet18'
    """
    return read_card_file(find(checkpoint))["record"]


def checkpoint_hash(checkpoint: str | os.PathLike) -> str:
    """SHA-256 of a checkpoint's `card.json`, which has the hashes of all else: what `sha256sum card.json` prints.

    >>> len(checkpoint_hash("tiny_imagenet"))
    64
    """
    return hashlib.sha256((find(checkpoint) / "card.json").read_bytes()).hexdigest()


def write_card(
    checkpoint: str | os.PathLike, card: Card | None = None, *, record: dict[str, Any] | None = None
) -> None:
    """Give a checkpoint another card (such as another threshold) or more entries in its record; arrays stay.

    Args:
        checkpoint: a bundled name, or a folder.
        card: in place of the one it has.
        record: entries to add or replace, as JSON values.

    Raises:
        ValueError: for an unknown name, a missing or damaged `card.json`, or a record that is no JSON.
    """
    folder = find(checkpoint)
    contents = read_card_file(folder)
    if card is not None:
        contents["card"] = asdict(card)
    contents["record"].update(_free_entries(record))
    write_card_file(folder, contents)


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


def _free_entries(record):
    """The entries of a record that are the caller's to choose."""
    return {key: value for key, value in (record or {}).items() if key not in ("network", "options")}


@contextmanager
def _named(folder, what):
    """Any error inside as one ValueError that names the checkpoint: damaged files make errors of many kinds."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ValueError(f"checkpoint {folder}: {what}: {reason}") from error


def _network_record(network):
    """Name and options of the network of the table that equals the module with the fewest options, if any does."""
    given = _fields(network)
    if "num_classes" not in given:
        return {}
    matches = []
    for name, entry in NETWORKS.items():
        usual = _fields(entry.build(given["num_classes"]))
        options = {key: value for key, value in given.items() if key not in usual or value != usual[key]}
        try:
            options = json.loads(json.dumps(options))
            if make_network(name, given["num_classes"], **options) == network:
                matches.append({"network": name, "options": options})
        except (ValueError, TypeError):  # this network has no such option, or JSON no such value
            continue
    return min(matches, key=lambda match: len(match["options"]), default={})


def _fields(network):
    """The fields of backbone and head, which a table's options are named after."""
    parts = (network.backbone, network.head)
    return {
        field.name: plain_option(getattr(part, field.name))
        for part in parts
        for field in fields(part)
        if field.name not in ("parent", "name")
    }


def _network_from_record(record, card):
    return make_network(record["network"], len(card.classes), **record.get("options", {}))
