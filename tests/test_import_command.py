"""The command `jaxcam import-weights`: what it writes and says, and that nothing is left of an import that fails."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxcam
from jaxcam.card import Card
from jaxcam.checkpoints import folders
from jaxcam.class_names.name_file import read_class_names
from jaxcam.cli import main
from jaxcam.params import make_network
from jaxcam.weights.checkpoint import summarize
from tests.reference.torch_names import torch_arrays
from tests.reference.weights import random_variables


@pytest.fixture(scope="module")
def arrays():
    network = make_network("resnet18", 3, width=4)
    return torch_arrays(random_variables(network, Card(image_size=(64, 64))))


@pytest.fixture
def source(arrays, tmp_path):
    (tmp_path / "files").mkdir()
    save_file(arrays, tmp_path / "files" / "mine.safetensors")
    return tmp_path / "files" / "mine.safetensors"


def command(source, out, *more, options=("width=4",)):
    chosen = ["--options", *options] if options else []
    return ["import-weights", str(source), "--network", "resnet18", "--out", str(out), *chosen, *more]


def failure(capsys, arguments):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error.removeprefix("error: ").rstrip()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.core
def test_a_checkpoint_is_made_and_the_next_command_named(arrays, source, tmp_path, capsys):
    out = tmp_path / "made" / "resnet18"
    arguments = command(source, out)
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    count = sum(array.size for name, array in arrays.items() if name.endswith(("weight", "bias")))
    assert said == [
        f"read mine.safetensors, named as torchvision's: 122 arrays, {count:,} parameters of the network",
        "options of the network: width=4",
        f"written to {out}: 3 classes (class 0, class 1, ...), images squashed to 224x224",
        f"next: jaxcam explain PHOTO --checkpoint {out}",
    ]
    params, record = jaxcam.load(out), jaxcam.describe(out)
    assert params.network == make_network("resnet18", 3, width=4)
    assert sum(leaf.size for leaf in jax.tree.leaves(params.variables["params"])) == count
    assert record["command"] == f"jaxcam {' '.join(arguments)}"
    assert (record["network"], record["options"], record["origin"]) == ("resnet18", {"width": 4}, "torchvision")
    assert names_in(out.parent) == ["resnet18"]


def test_the_next_command_after_a_fresh_head_trains(source, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command(source, "mine", "--num-classes", "5")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "options of the network: width=4",
        "ignored: fc.bias, fc.weight",
        "fresh, to be trained: head/classifier/bias, head/classifier/kernel",
        "written to mine: 5 classes (class 0, class 1, ...), images squashed to 224x224",
        "next: jaxcam train folder --data-dir FOLDER --init ./mine --out runs/mine",
    ]
    assert len(jaxcam.load("./mine").card.classes) == 5


def test_summary_of_a_network_without_maps(tmp_path):
    network, card = make_network("alexnet", 2), Card(("cat", "dog"), image_size=(227, 227))
    report = {
        "source": "x.caffemodel",
        "origin": "caffe",
        "arrays": 1,
        "parameters": 2,
        "fresh": [],
        "network_options": {"order": "pool_norm", "lrn": False},
        "overridden": ["lrn"],
    }
    report["ignored"] = [f"data{index}" for index in range(9)]
    lines = summarize(jaxcam.Params({}, network, card), report, tmp_path / "alexnet").splitlines()
    assert lines[1] == "options of the network: order=pool_norm, lrn=False"
    assert lines[2] == "ignored: data0, data1, data2, data3, data4, data5 and 3 more"
    assert lines[3] == "not as caffe has it: lrn"
    assert lines[-1].startswith(f'next: jaxcam.logits(jaxcam.load("{tmp_path}/alexnet"), images) in Python')


def test_classes_from_a_file(source, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("n02123045\ttabby, tabby cat\nn02124075\tEgyptian cat\nn02099601\tgolden retriever\n\n")
    assert main(command(source, tmp_path / "out", "--classes", str(names))) == 0
    card = jaxcam.load(tmp_path / "out").card
    assert card.classes == ("tabby, tabby cat", "Egyptian cat", "golden retriever")
    assert card.class_ids == ("n02123045", "n02124075", "n02099601")
    names.write_text("Katze\nHund\n")
    message = failure(capsys, command(source, tmp_path / "other", "--classes", str(names)))
    assert message.startswith("classes: got 2 names for the 3 classes of the weights")
    assert main(command(source, tmp_path / "other", "--classes", str(names), "--num-classes", "2")) == 0
    card = jaxcam.load(tmp_path / "other").card
    assert (card.classes, card.class_ids) == (("Katze", "Hund"), ())


@pytest.mark.parametrize(
    "contents, message",
    [
        (b"", "it is empty; give a name a line"),
        (b"\n \n", "it is empty; give a name a line"),
        (b"cat\n\ndog\n", "line 2: got ''"),
        (b"n02123045\ttabby\ndog\n", "line 2: got 'dog'"),
        (b"dog\nn02123045\ttabby\n", "line 1: got 'dog'"),
        (b"7\ttabby\n", r"line 1: got '7\ttabby'"),
        (b"n02123045\t\nn02124075\tcat", r"line 1: got 'n02123045\t'"),
        (b"caf\xe9\n", "it is no text in UTF-8"),
    ],
)
def test_a_wrong_file_of_names_is_refused(tmp_path, contents, message):
    (tmp_path / "names.txt").write_bytes(contents)
    with pytest.raises(ValueError, match=r"names\.txt") as caught:
        read_class_names(tmp_path / "names.txt")
    assert message in str(caught.value)


def test_an_existing_folder_is_refused_before_the_work(source, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    assert main(command(source, out)) == 0
    made = (out / "card.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("jaxcam.weights.importing.read_source", None)
        assert "exists; give another one" in failure(capsys, command(source, out))
        assert "exists and is no checkpoint" in failure(capsys, command(source, source.parent, "--overwrite"))
    assert (out / "card.json").read_bytes() == made
    assert main(command(source, out, "--num-classes", "4", "--overwrite")) == 0
    assert len(jaxcam.load(out).card.classes) == 4


def test_a_failed_replacement_leaves_the_old_checkpoint(source, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(source, out)) == 0
    failure(capsys, command(source, out, "--overwrite", options=("width=8",)))
    assert len(jaxcam.load(out).card.classes) == 3
    assert names_in(tmp_path) == ["files", "out"]


@pytest.mark.parametrize(
    "more, options, message",
    [
        (["--network", "resnet19"], (), "network: got 'resnet19'; known are"),
        (["--origin", "keras"], (), "origin: got 'keras'; known are"),
        (["--num-classes", "0"], (), "num_classes: got 0; give at least 1"),
        (["--classes", "nowhere.txt"], (), "No such file or directory: 'nowhere.txt'"),
        ([], ("width",), 'options: got width; write "name=value"'),
        ([], ("=4",), 'options: got =4; write "name=value"'),
        ([], ("width=4", "width=8"), "options: got width more than once"),
        ([], ("num_classes=4", "origin=timm"), "options: got num_classes, origin, which no network has as an option"),
        ([], ("depth=4",), "network resnet18: got options {'depth': 4}"),
        ([], ("width=wide",), "network resnet18: "),
        ([], ("width=8",), "mine.safetensors as torchvision's resnet18: 101 mismatches: "),
    ],
    ids=lambda value: " ".join(value) if not isinstance(value, str) else "",
)
def test_nothing_is_left_of_an_import_that_fails(source, tmp_path, capsys, more, options, message):
    arguments = command(source, tmp_path / "new" / "out", *more, options=options or ("width=4",))
    assert message in failure(capsys, arguments)
    assert names_in(tmp_path) == ["files"]


@pytest.mark.parametrize("damage", ["truncated", "not a number", "half written"])
def test_nothing_is_left_of_damaged_weights_and_a_full_disk(arrays, source, tmp_path, capsys, monkeypatch, damage):
    if damage == "truncated":
        source.write_bytes(source.read_bytes()[:-1])
    elif damage == "not a number":
        save_file({**arrays, "fc.bias": np.array([0, np.nan, 0], np.float32)}, source)
    else:

        def full(folder, contents):
            (folder / "card.json").write_text(json.dumps(contents)[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(folders, "write_card_file", full)
    message = failure(capsys, command(source, tmp_path / "out"))
    assert {"truncated": "it is damaged", "not a number": "not finite", "half written": "No space"}[damage] in message
    assert names_in(tmp_path) == ["files"]


def test_hostile_names_neither_flood_nor_steer_the_terminal(arrays, source, tmp_path, capsys):
    save_file({**arrays, "\x1b[2J\x07": np.zeros(1, np.float32), "long" * 10_000: np.zeros(1, np.float32)}, source)
    message = failure(capsys, command(source, tmp_path / "out"))
    assert "?[2J?" in message
    assert message.isprintable()
    assert len(message) < 2100
    assert message.endswith("more characters)")
