"""Files of weights as arrays, and what is known of each file: its name, its hash, what its publisher says of it."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from jaxcam.weights.caffe.caffemodel import read_caffemodel
from jaxcam.weights.hub import PREFIXES, fetch
from jaxcam.weights.rules import Source
from jaxcam.weights.torch_file import read_torch_file

SUFFIXES = (".safetensors", ".pth", ".pt", ".caffemodel")
# Types of safetensors that NumPy has, with ml_dtypes; not the floats of 4, 6 and 8 bits.
NUMPY_KINDS = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64"]
# Files that people keep weights in and that are not read: no one names a model of the Hub so.
OTHER_SUFFIXES = (".bin", ".ckpt", ".h5", ".hdf5", ".keras", ".npy", ".npz", ".onnx", ".pb", ".pkl", ".tar", ".tflite")


def read_source(source: str | os.PathLike) -> tuple[Source, str]:
    """What a file or a model of the Hub holds.

    Args:
        source: a file, or the name of a model on the Hugging Face Hub.

    Returns:
        The source, and the origin that it usually has: "caffe" for a `.caffemodel`, "timm" for a model of the Hub and
        where timm's config.json lies beside the file, else "torchvision".

    Raises:
        ValueError: for a file that is missing, damaged, of an unknown kind, or more than weights.
    """
    path = Path(source)
    if isinstance(source, str) and not path.exists() and _may_be_on_the_hub(source):
        try:
            path, config = fetch(source)
        except ValueError as error:
            raise ValueError(f"there is no file {source}, and no such model of the Hub: {error}") from error
        return replace(_read(path), config=config, description=_describe(source, path)), "timm"
    _check(path)
    read = replace(_read(path), description=_describe(path.name, path))
    if path.suffix == ".caffemodel":
        return read, "caffe"
    config = _config_beside(path)
    return replace(read, config=config), "timm" if "architecture" in config else "torchvision"


def _read(path: Path) -> Source:
    if path.suffix == ".caffemodel":
        return read_caffemodel(path)
    arrays = _Safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    if not arrays:
        raise ValueError(f"{path}: it holds no arrays")
    return Source(arrays)


def _describe(name: str, path: Path) -> dict[str, str]:
    """What is kept of a file in the record: its name without the folder, and its hash."""
    with path.open("rb") as file:
        return {"source": name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


class _Safetensors(Mapping[str, np.ndarray]):
    """The arrays of a `.safetensors` file. Each is read when it is asked for, so a large file is never held whole."""

    def __init__(self, path: Path):
        try:
            self.file = safe_open(path, framework="np")  # which checks all lengths and offsets
            self.names = dict.fromkeys(self.file.keys())
        except Exception as error:
            raise ValueError(f"{path}: it is damaged, or no safetensors file: {error}") from error
        kinds = {name: self.file.get_slice(name).get_dtype() for name in self.names}
        wrong = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in NUMPY_KINDS]
        if wrong:
            raise ValueError(f"{path}: NumPy has not the types of {', '.join(wrong[:5])}; save it as float32")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise KeyError(name)
        return self.file.get_tensor(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _may_be_on_the_hub(source: str) -> bool:
    """Whether a string that names no file can be the name of a model: "timm/resnet50.a1_in1k"."""
    if Path(source).suffix.lower() in SUFFIXES + OTHER_SUFFIXES:
        return False
    return source.startswith(PREFIXES) or re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source) is not None


def _check(path: Path) -> None:
    """A ValueError for what cannot be a file of weights."""
    if not path.exists():
        raise ValueError(
            f"{path}: there is no such file; give a file, or a model of the Hub such as timm/resnet50.a1_in1k"
        )
    if not path.is_file():
        raise ValueError(f"{path}: it is no file; give the file of weights itself")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: got a {path.suffix or 'name without a suffix'}; known are {', '.join(SUFFIXES)}")


def _config_beside(path: Path) -> dict[str, Any]:
    """What timm's config.json in the same folder says; nothing where there is none."""
    beside = path.with_name("config.json")
    if not beside.is_file():
        return {}
    try:
        config = json.loads(beside.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{beside}: it is damaged: {error}; restore it, or move it away") from None
    return config if isinstance(config, dict) else {}
