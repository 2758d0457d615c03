"""Kinds and hashes of a checkpoint's leaves and files, and what to say where they differ."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np


def leaf_hashes(variables: Any) -> dict[str, dict[str, Any]]:
    """Shape, dtype and SHA-256 of the bytes of every leaf, by its path."""

    def told(array):
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest}

    return {name: told(np.asarray(leaf)) for name, leaf in _leaves(variables).items()}


def leaf_kinds(variables: Any) -> dict[str, dict[str, Any]]:
    """Shape and dtype of every leaf, by its path, as `leaf_hashes` has them: no leaf is read.

    >>> leaf_kinds({"params": {"bias": np.zeros(3, np.float32)}})
    {'params/bias': {'shape': [3], 'dtype': 'float32'}}
    """

    def told(leaf):
        leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        return {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}

    return {name: told(leaf) for name, leaf in _leaves(variables).items()}


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder and below, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def leaf_differences(expected: Any, stored: dict[str, dict[str, Any]]) -> list[str]:
    """A line for each leaf that only one of network and checkpoint has, or that has another shape or dtype in each."""
    needed = {name: (list(leaf.shape), str(leaf.dtype)) for name, leaf in _leaves(expected).items()}
    held = {name: (leaf["shape"], leaf["dtype"]) for name, leaf in stored.items()}
    return [
        f"{name}: the network needs {needed.get(name, 'nothing')}, the checkpoint holds {held.get(name, 'nothing')}"
        for name in sorted(needed.keys() | held.keys())
        if needed.get(name) != held.get(name)
    ]


def listed(differences: list[str]) -> str:
    """Some of them, and how many more there are."""
    rest = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
    return "; ".join(differences[:5]) + rest


def check_hashes(folder: Path, what: str, found: dict[str, Any], stored: dict[str, Any]) -> None:
    """A ValueError that names what is stored but was not found as it was saved."""
    wrong = [name for name, value in stored.items() if found.get(name) != value]
    if wrong:
        raise ValueError(
            f"checkpoint {folder}: {len(wrong)} of its {what} are missing or not as they were saved "
            f"({', '.join(wrong[:3])}); the folder is damaged, restore it"
        )


def leaf_name(path: tuple[Any, ...]) -> str:
    """What `card.json` calls the leaf at a path of `jax.tree_util`: "params/head/classifier/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _leaves(variables):
    flat, _ = jax.tree_util.tree_flatten_with_path(variables)
    return {leaf_name(path): leaf for path, leaf in flat}
