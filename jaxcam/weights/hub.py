"""Models of the Hugging Face Hub: their arrays as a file, and what their publisher says of them."""

import json
from pathlib import Path
from typing import Any

FILES = ("model.safetensors", "config.json")
PREFIXES = ("hf-hub:", "hf_hub:")  # by which timm calls such names


def fetch(name: str) -> tuple[Path, dict[str, Any]]:
    """The file of a model's weights, and its config.json. The package huggingface_hub downloads and keeps them.

    Nothing but these two files is asked for, so no code of a model's ever comes here.

    Args:
        name: such as "timm/resnet50.a1_in1k" or "hf-hub:timm/resnet50.a1_in1k".

    Returns:
        The path of model.safetensors, and the values of config.json.

    Raises:
        ValueError: without the package, for a model that is not there or has not these files, or a damaged config.
        OSError: where the Hub cannot be reached and the files were not downloaded before.
    """
    repository = name
    for prefix in PREFIXES:
        repository = repository.removeprefix(prefix)
    weights, config = (_download(name, repository, file) for file in FILES)
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: its config.json is damaged: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{name}: its config.json is no JSON object, as timm's is")
    return weights, values


def _download(name: str, repository: str, file: str) -> Path:
    """The path of one file of a model."""
    instead = f"download {' and '.join(FILES)} of {repository} into a folder, and give the path of {FILES[0]}"
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise ValueError(
            f"{name}: models of the Hub are fetched by huggingface_hub, which cannot be imported ({error}): "
            f"pip install 'jaxcam[hub]', or {instead}"
        ) from None
    try:
        return Path(hf_hub_download(repository, file))
    except errors.LocalEntryNotFoundError as error:
        raise OSError(f"{name}: the Hub cannot be reached, and {file} was not fetched before: {instead}") from error
    except errors.RepositoryNotFoundError as error:
        raise ValueError(f"{name}: the Hub has no such model, or shows it to some people only") from error
    except errors.EntryNotFoundError as error:
        raise ValueError(f"{name}: the model has no {file}; one of timm's is wanted, timm/resnet50.a1_in1k") from error
    except errors.HFValidationError as error:
        raise ValueError(f"{name}: no model can have this name: {error}") from error
    except OSError as error:
        raise OSError(f"{name}: {file} cannot be fetched: {error}; {instead}") from error
