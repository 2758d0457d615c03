"""jaxcam.weights.hub, with folders in the place of the Hub: what it fetches, and what it says where it cannot."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file

import jaxcam
from jaxcam.weights.hub import fetch
from tests.reference.torch_names import torch_arrays
from tests.reference.weights import random_variables

NAME = "timm/resnet18.a1_in1k"
CONFIG = {
    "architecture": "resnet18",
    "num_classes": 3,
    "pretrained_cfg": {"input_size": [3, 64, 48], "interpolation": "bicubic", "mean": [0.5, 0.4, 0.3], "crop_pct": 0.9},
}


class Errors:
    """The classes of huggingface_hub.errors that matter, related as there."""

    class EntryNotFoundError(Exception):
        pass

    class LocalEntryNotFoundError(FileNotFoundError, EntryNotFoundError):
        pass

    class RepositoryNotFoundError(OSError):
        pass

    class HFValidationError(ValueError):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub whose models are the folders of `tmp_path`; `hub.asked` lists what was asked for."""
    package = ModuleType("huggingface_hub")
    package.errors, package.asked = Errors, []

    def hf_hub_download(repository, file):
        package.asked.append((repository, file))
        if not (tmp_path / repository).exists():
            raise Errors.RepositoryNotFoundError(f"404: {repository}")
        if not (tmp_path / repository / file).exists():
            raise Errors.EntryNotFoundError(f"404: {file}")
        return str(tmp_path / repository / file)

    package.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)
    return package


@pytest.fixture
def folder(tmp_path):
    """A model of the Hub: nothing but its config."""
    folder = tmp_path / NAME
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return folder


@pytest.mark.parametrize("prefix", ["", "hf-hub:", "hf_hub:"])
def test_two_files_are_fetched(hub, folder, prefix):
    assert fetch(prefix + NAME) == (folder / "model.safetensors", CONFIG)
    assert hub.asked == [(NAME, "model.safetensors"), (NAME, "config.json")]


def test_import_from_the_hub(hub, folder):
    """By its name, a model gets the weights of its file and the card of its config."""
    network = jaxcam.params.make_network("resnet18", 3, width=4)
    variables = random_variables(network, jaxcam.Card(image_size=(64, 48)))
    save_file(torch_arrays(variables), folder / "model.safetensors")
    params, report = jaxcam.import_weights(NAME, "resnet18", width=4)
    for ours, theirs in zip(*map(sorted_leaves, (params.variables, variables)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (report["origin"], report["source"]) == ("timm", NAME)
    expected = jaxcam.Preprocessing(interpolation="catmull_rom", mean=(0.5, 0.4, 0.3))
    assert (params.card.image_size, params.card.preprocessing) == ((64, 48), expected)
    assert jaxcam.logits(params, np.zeros((1, 5, 7, 3), np.uint8)).shape == (1, 3)


def sorted_leaves(tree):
    return [leaf for _, leaf in sorted(flatten_dict(tree, sep="/").items())]


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ValueError, match=r"pip install 'jaxcam\[hub\]', or download model\.safetensors and config\.json"
    ):
        fetch(NAME)


@pytest.mark.parametrize(
    "error, kind, message",
    [
        (
            Errors.LocalEntryNotFoundError("offline"),
            OSError,
            "the Hub cannot be reached, and .* was not fetched before",
        ),
        (
            Errors.RepositoryNotFoundError("404"),
            ValueError,
            "the Hub has no such model, or shows it to some people only",
        ),
        (Errors.EntryNotFoundError("404"), ValueError, r"the model has no model\.safetensors; one of timm's is wanted"),
        (Errors.HFValidationError("--"), ValueError, "no model can have this name: --"),
        (OSError("no space left"), OSError, "cannot be fetched: no space left; download model.safetensors and config"),
    ],
)
def test_what_cannot_be_fetched(hub, error, kind, message):
    def fail(*_):
        raise error

    hub.hf_hub_download = fail
    with pytest.raises(kind, match=f"{NAME}: .*{message}"):
        fetch(NAME)


def test_absent_models_and_files(hub, folder):
    with pytest.raises(ValueError, match="timm/resnet19: the Hub has no such model"):
        fetch("timm/resnet19")
    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match=r"the model has no config\.json"):
        fetch(NAME)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\udcff"])
def test_damaged_config(hub, folder, text):
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"its config\.json is damaged"):
        fetch(NAME)


def test_config_of_another_kind(hub, folder):
    (folder / "config.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"its config\.json is no JSON object, as timm's is"):
        fetch(NAME)


@pytest.mark.torch
def test_offline_with_the_package_itself(tmp_path, monkeypatch):
    """No line of this test reaches a network: the package is told that there is none."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install huggingface_hub")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"the Hub cannot be reached, and model\.safetensors was not fetched before"):
        fetch(NAME)
    with pytest.raises(ValueError, match="no model can have this name"):
        fetch("timm/resnet50..a1")
