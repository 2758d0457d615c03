"""Files of weights as arrays."""

import hashlib
import os
from pathlib import Path

from safetensors.numpy import load_file

from jaxcam.weights.rules import Source


def read_source(source: str | os.PathLike) -> tuple[Source, str]:
    """What a file or a model of the Hub holds, and its usual origin."""
    path = Path(source)
    description = {"source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return Source(load_file(path), description=description), "torchvision"
