"""Weights that torch has saved: pickles, which may hold code, so torch is told to read weights alone."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

WRAPPERS = ("state_dict", "model")
PREFIX = "module."  # of torch's DataParallel


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a state dict, or a ValueError; nothing in the file is run.

    A state dict is read as it is, or from the one entry "state_dict" or "model" of a dict; where all its names begin
    with "module.", they lose it.
    """
    torch = _import_torch(path)
    try:
        if _is_compressed(path):
            raise ValueError("it is compressed, which torch never does")
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{path}: it is damaged, or holds more than weights, and none of it was run; save the state dict alone: "
            f"torch.save(model.state_dict(), ...). {reason[0][:200]}"
        ) from error
    state = _unwrapped(contents, path)
    wrong = [str(name) for name, value in state.items() if not _is_array(torch, value) or not isinstance(name, str)]
    if wrong or not state:
        what = f"{', '.join(wrong[:5])} of {len(state)} entries are no plain tensors" if wrong else "it is empty"
        raise ValueError(f"{path}: {what}; save the state dict alone: torch.save(model.state_dict(), ...)")
    prefix = PREFIX if all(name.startswith(PREFIX) for name in state) else ""
    try:
        return {name.removeprefix(prefix): _array(torch, tensor) for name, tensor in state.items()}
    except (TypeError, RuntimeError) as error:  # a type that NumPy has not
        raise ValueError(f"{path}: {str(error).splitlines()[0]}; save the weights as float32") from error


def _is_compressed(path: Path) -> bool:
    """Whether an archive's entries are, a few bytes of which can fill the memory."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())


def _import_torch(path: Path) -> Any:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: of a library that torch loads
        raise ValueError(
            f"{path}: a {path.suffix} file is read by torch, which cannot be imported ({error}): "
            "pip install 'jaxcam[torch]', or save the weights as .safetensors"
        ) from None
    if torch.__version__ < (2, 6):
        # Before, weights_only=True could be made to run code (CVE-2025-32434).
        raise ValueError(
            f"{path}: got torch {torch.__version__}, which reads such files unsafely; 2.6 or newer is needed"
        )
    return torch


def _unwrapped(contents: Any, path: Path) -> Mapping[Any, Any]:
    """The state dict in what a file holds."""
    if not isinstance(contents, Mapping):
        raise ValueError(f"{path}: got a {type(contents).__name__}; a dict of tensors by name is expected")
    inside = [name for name in WRAPPERS if isinstance(contents.get(name), Mapping)]
    if inside and len(contents) > 1:
        others = ", ".join(str(name) for name in contents if name != inside[0])
        raise ValueError(f"{path}: beside {inside[0]} it holds {others}; save the weights alone")
    return contents[inside[0]] if inside else contents


def _is_array(torch: Any, value: Any) -> bool:
    """Whether a value is a dense tensor with as much memory as its shape says."""
    if not isinstance(value, torch.Tensor) or value.is_nested:
        return False
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _array(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().resolve_neg().numpy()
