"""jaxcam.weights.files: what each kind of file gives, and that a damaged, foreign or hostile one is refused by name."""

import hashlib
import json
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxcam.weights import files
from jaxcam.weights.files import read_source
from tests.reference.caffemodel import caffemodel

ARRAYS = {"conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), "fc.bias": np.ones(3, np.float16)}


def encoded(header, data=b"", length=None):
    """A `.safetensors` file: the header's length, the header, the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.fixture
def weights(tmp_path):
    save_file(ARRAYS, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_safetensors(weights, kind):
    read, origin = read_source(kind(weights))
    assert origin == "torchvision"
    assert set(read.arrays) == set(ARRAYS)
    assert len(read.arrays) == 2
    assert "fc.bias" in read.arrays
    assert "fc.weight" not in read.arrays
    assert read.arrays.get("fc.weight") is None
    for name, array in ARRAYS.items():
        assert read.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(read.arrays[name], array)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert read.description == {"source": "weights.safetensors", "sha256": digest}
    assert read.config == {}


def test_safetensors_in_bfloat16(tmp_path):
    values = np.array([1, -2.5, 3e38], ml_dtypes.bfloat16)
    (tmp_path / "half.safetensors").write_bytes(encoded({"x": entry([3], 0, 6, "BF16")}, values.tobytes()))
    read, _ = read_source(tmp_path / "half.safetensors")
    assert read.arrays["x"].dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(read.arrays["x"], values)


GOOD = encoded({"x": entry([2], 0, 8)}, b"\0" * 8)
DAMAGED = {
    "empty": b"",
    "too short": b"\x02\0\0",
    "truncated data": GOOD[:-1],
    "truncated header": GOOD[:20],
    "more data": GOOD + b"\0",
    "header beyond the file": encoded({}, length=10_000_000),
    "huge header": encoded({}, length=2**40),
    "header of the largest length": encoded({}, length=2**64 - 1),
    "no JSON": encoded(b'{"x": '),
    "no object": encoded(b"[]"),
    "no text": encoded(b"\xff\xfe\xfd"),
    "deep nesting": encoded(b'{"x":' * 100_000),
    "shape beyond the data": encoded({"x": entry([2**40], 0, 8)}, b"\0" * 8),
    "shape that overflows": encoded({"x": entry([2**62, 2**62], 0, 8)}, b"\0" * 8),
    "offsets beyond the data": encoded({"x": entry([4], 0, 16)}, b"\0" * 8),
    "offsets backwards": encoded({"x": entry([2], 8, 0)}, b"\0" * 8),
    "overlap": encoded({"x": entry([2], 0, 8), "y": entry([2], 0, 8)}, b"\0" * 8),
    "gap": encoded({"x": entry([1], 0, 4), "y": entry([1], 8, 12)}, b"\0" * 12),
    "unknown type": encoded({"x": entry([2], 0, 8, "F31")}, b"\0" * 8),
    "negative length": encoded({"x": entry([-2], 0, 8)}, b"\0" * 8),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.",
}


@pytest.mark.parametrize("contents", DAMAGED.values(), ids=DAMAGED)
def test_damaged_safetensors_are_refused(tmp_path, contents):
    (tmp_path / "bad.safetensors").write_bytes(contents)
    with pytest.raises(ValueError, match=r"bad\.safetensors: it is damaged, or no safetensors file"):
        read_source(tmp_path / "bad.safetensors")


def test_a_type_that_numpy_has_not_is_named(tmp_path):
    (tmp_path / "tiny.safetensors").write_bytes(encoded({"x": entry([8], 0, 8, "F8_E4M3")}, b"\0" * 8))
    with pytest.raises(ValueError, match=r"tiny\.safetensors: NumPy has not the types of x \(F8_E4M3\)"):
        read_source(tmp_path / "tiny.safetensors")


def test_a_file_without_arrays_is_refused(tmp_path):
    (tmp_path / "none.safetensors").write_bytes(encoded({}))
    with pytest.raises(ValueError, match=r"none\.safetensors: it holds no arrays"):
        read_source(tmp_path / "none.safetensors")


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    for name in ("weights.bin", "weights", "weights.safetensors.zip"):
        (tmp_path / name).write_bytes(b"PK")
    for name, message in {
        "absent.safetensors": "there is no such file; give a file, or a model of the Hub",
        "folder.safetensors": "it is no file",
        "pipe.safetensors": "it is no file",
        "weights.bin": "got a .bin; known are .safetensors, .pth, .pt, .caffemodel",
        "weights": "got a name without a suffix; known are",
        "weights.safetensors.zip": "got a .zip; known are",
    }.items():
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            read_source(str(tmp_path / name))


def test_config_of_timm_beside_a_file_tells_its_origin(weights):
    config = {"architecture": "resnet18", "pretrained_cfg": {"input_size": [3, 160, 160]}}
    weights.with_name("config.json").write_text(json.dumps(config))
    read, origin = read_source(weights)
    assert (read.config, origin) == (config, "timm")
    weights.with_name("config.json").write_text('{"model_type": "another library\'s"}')
    assert read_source(weights)[1] == "torchvision"
    weights.with_name("config.json").write_text('{"architecture": ')
    with pytest.raises(ValueError, match=r"config\.json: it is damaged: .*; restore it, or move it away"):
        read_source(weights)


@pytest.mark.parametrize("name", ["timm/resnet18.a1_in1k", "hf-hub:timm/resnet18", "somebody/my-model_2"])
def test_a_model_of_the_hub(weights, monkeypatch, name):
    monkeypatch.setattr(files, "fetch", lambda asked: (weights, {"asked": asked}))
    read, origin = read_source(name)
    assert (read.config, origin, read.description["source"]) == ({"asked": name}, "timm", name)

    def absent(name):
        raise ValueError("the Hub has no such model")

    monkeypatch.setattr(files, "fetch", absent)
    with pytest.raises(ValueError, match=f"there is no file {name}, and no such model of the Hub: the Hub has no"):
        read_source(name)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "./resnet18", "/a/resnet18", "a/b/resnet18", "~/resnet18", "a/resnet18.bin", "a/weights.pth", ""],
)
def test_what_is_no_name_of_a_model_is_not_looked_up(monkeypatch, name):
    monkeypatch.setattr(files, "fetch", None)
    with pytest.raises(ValueError, match=r"there is no such file|it is no file"):
        read_source(name)


def test_a_path_is_never_a_model(monkeypatch):
    monkeypatch.setattr(files, "fetch", None)
    with pytest.raises(ValueError, match="there is no such file"):
        read_source(Path("timm/resnet18.a1_in1k"))


def test_caffemodel(tmp_path):
    layers = [("conv1", (ARRAYS["conv.weight"], np.ones(2, np.float32))), ("relu1", ())]
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(layers))
    read, origin = read_source(tmp_path / "net.caffemodel")
    assert (set(read.arrays), read.layers, origin) == ({"conv1.weight", "conv1.bias"}, ("conv1", "relu1"), "caffe")
    np.testing.assert_array_equal(read.arrays["conv1.weight"], ARRAYS["conv.weight"])
    assert read.description["source"] == "net.caffemodel"
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(layers)[:-9])
    with pytest.raises(ValueError, match=r"net\.caffemodel: "):
        read_source(tmp_path / "net.caffemodel")


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_without_torch_its_files_are_refused(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxcam\[torch\]', or save the weights as .safetensors"):
        read_source(path)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__=(2, 5)))
    with pytest.raises(ValueError, match=r"reads such files unsafely; 2\.6 or newer is needed"):
        read_source(path)
