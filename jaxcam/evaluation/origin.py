"""Where figures come from: versions, devices, and the commit of a clone."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("jaxcam", "jax", "jaxlib", "flax", "numpy", "pillow", "simplejpeg")


def origin() -> dict[str, Any]:
    """Versions of what computes, the devices, and the commit that jaxcam was run from, null for an installed package.

    >>> sorted(origin())
    ['commit', 'devices', 'versions']
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return {"versions": versions, "devices": devices, "commit": _commit(Path(__file__).parents[2])}


def _commit(clone: Path) -> str | None:
    """The commit of a clone, and whether its files have changed since."""
    if not (clone / ".git").exists():
        return None
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return None
    return told.stdout.strip() or None
