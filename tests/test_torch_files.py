"""jaxcam.weights.torch_file: state dicts are read, everything else is refused, and nothing in a file is run."""

import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from jaxcam.weights.files import read_source

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'jaxcam[torch]'")

pytestmark = pytest.mark.torch

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "fc.bias": torch.ones(3, dtype=torch.float16)}


def saved(path, contents, **options):
    torch.save(contents, path, **options)
    return path


def read(path):
    return read_source(path)[0].arrays


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_source(path)
    assert path.name in str(caught.value)


def wrapped(state, name):
    return {name: state}


@pytest.mark.parametrize(
    "contents",
    [
        STATE,
        {"state_dict": STATE},
        {"model": STATE},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"state_dict": {f"module.{name}": tensor for name, tensor in STATE.items()}},
        {name: torch.nn.Parameter(tensor) for name, tensor in STATE.items()},
    ],
    ids=["plain", "state_dict", "model", "DataParallel", "DataParallel in state_dict", "Parameters"],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_state_dicts(tmp_path, contents, suffix):
    arrays = read(saved(tmp_path / f"weights{suffix}", contents))
    assert arrays.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert arrays[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(arrays[name], tensor.numpy())


def test_an_older_format_and_bfloat16(tmp_path):
    values = torch.tensor([1, -2.5, 3e38]).bfloat16()
    arrays = read(saved(tmp_path / "old.pth", {"x": values}, _use_new_zipfile_serialization=False))
    np.testing.assert_array_equal(arrays["x"], np.array([1, -2.5, 3e38], ml_dtypes.bfloat16).astype(np.float32))


def test_a_prefix_that_not_all_names_have_stays(tmp_path):
    contents = {"module.fc.bias": STATE["fc.bias"], "other": STATE["fc.bias"]}
    assert read(saved(tmp_path / "mixed.pth", contents)).keys() == contents.keys()


def test_a_model_of_several_modules_is_read_whole(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    arrays = read(saved(tmp_path / "model.pth", model.state_dict()))
    assert arrays["1.num_batches_tracked"].shape == ()
    np.testing.assert_array_equal(arrays["0.weight"], model[0].weight.detach())


class Malicious:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["pickle", "torch", "old torch", "inside a state dict"])
def test_code_in_a_pickle_is_not_run(tmp_path, form):
    path, trace = tmp_path / "bad.pth", tmp_path / "it_ran"
    bad = {**STATE, "evil": Malicious(trace)} if form == "inside a state dict" else Malicious(trace)
    if form == "pickle":
        path.write_bytes(pickle.dumps(bad))
    else:
        torch.save(bad, path, _use_new_zipfile_serialization=form != "old torch")
    refused(path, "it is damaged, or holds more than weights, and none of it was run")
    assert not trace.exists()
    if form == "pickle":  # the trap is a real one
        pickle.loads(path.read_bytes()).close()
        assert trace.exists()


@pytest.mark.parametrize(
    "contents, message",
    [
        (torch.ones(3), "got a Tensor; a dict of tensors by name is expected"),
        ([torch.ones(3)], "got a list; a dict of tensors by name is expected"),
        ({}, "it is empty"),
        ({"state_dict": {}}, "it is empty"),
        ({**STATE, "epoch": 3}, "epoch of 3 entries are no plain tensors"),
        ({"state_dict": STATE, "epoch": 3}, "beside state_dict it holds epoch; save the weights alone"),
        ({"state_dict": STATE, "model": STATE}, "beside state_dict it holds model"),
        ({"model": {"state_dict": STATE}}, "state_dict of 1 entries are no plain tensors"),
        ({**STATE, 3: torch.ones(2)}, "3 of 3 entries are no plain tensors"),
        ({"x": torch.eye(3).to_sparse()}, "x of 1 entries are no plain tensors"),
        ({"x": torch.ones(1).expand(10**6, 10**6)}, "x of 1 entries are no plain tensors"),
        ({"x": torch.ones(3, device="meta")}, "x of 1 entries are no plain tensors"),
        (torch.nn.Linear(2, 3), "none of it was run"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_else_is_refused(tmp_path, contents, message):
    refused(saved(tmp_path / "other.pth", contents), message)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share, old):
    path = saved(tmp_path / "cut.pth", {"x": torch.ones(1000)}, _use_new_zipfile_serialization=not old)
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    refused(path, "it is damaged, or holds more than weights")


def test_a_compressed_archive_is_refused(tmp_path):
    """Its zeros would take a thousand times the file's size."""
    path = saved(tmp_path / "plain.pth", {"x": torch.zeros(10**6)})
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    refused(tmp_path / "bomb.pth", "it is compressed, which torch never does")


def test_a_script_is_refused(tmp_path):
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"script/{name}", b"3\n")
    refused(path, "none of it was run")


def zeroed_directory(path):
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start : start + 4] = bytes(4)
    path.write_bytes(data)


def unknown_version(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 255
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [zeroed_directory, unknown_version])
def test_a_damaged_archive(tmp_path, damage):
    damage(saved(tmp_path / "weights.pth", STATE))
    refused(tmp_path / "weights.pth", "it is damaged, or holds more than weights")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: torch.zeros(3).to(torch.float8_e4m3fn), "save the weights as float32"),
        (lambda: torch.zeros(3, dtype=torch.complex32), "save the weights as float32"),
        (lambda: torch.nested.nested_tensor([torch.zeros(3), torch.zeros(2)]), "are no plain tensors"),
    ],
    ids=["float8", "complex32", "nested"],
)
def test_tensors_that_numpy_has_not(tmp_path, make, message):
    refused(saved(tmp_path / "weights.pth", {"conv.weight": make()}), message)
