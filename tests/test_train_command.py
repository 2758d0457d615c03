"""The command `jaxcam train`, run in this process: a run, its record, fine-tuning and every refusal."""

import json
import shutil
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam import checkpoints, datasets
from jaxcam.cli import main
from jaxcam.commands import training
from jaxcam.commands.data import check_photos
from jaxcam.datasets import Findings, folder

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

OPTIONS = [
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--options",
    "width=8",
    "stem=small",
    "--network",
    "resnet10",
    "--image-size",
    "16",
    "--holdout",
    "0.25",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    home, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("ant", "bee"):
        (home / name).mkdir()
        for index in range(10):
            Image.fromarray(random.integers(0, 256, (20, 16, 3), np.uint8)).save(home / name / f"{index}.png")
    return home


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    assert main(["train", "folder", "--data-dir", str(photos), "--out", str(out), *OPTIONS]) == 0
    return out


@pytest.mark.slow
def test_a_run_leaves_a_checkpoint_with_its_command(run, photos):
    params = jaxcam.load(run / "checkpoint")
    assert params.card.classes == ("ant", "bee")
    assert params.card.image_size == (16, 16)
    record = jaxcam.describe(run / "checkpoint")
    assert record["command"].startswith(f"jaxcam train folder --data-dir {photos}")
    assert (record["network"], record["options"]) == ("resnet10", {"width": 8, "stem": "small"})
    (line,) = (run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2


@pytest.mark.slow
def test_fine_tuning_takes_network_and_size_from_the_checkpoint(run, photos, tmp_path_factory, capsys):
    three, tmp_path = tmp_path_factory.mktemp("three"), tmp_path_factory.mktemp("tuned")
    shutil.copytree(photos, three, dirs_exist_ok=True)
    (three / "cat").mkdir()
    Image.fromarray(np.zeros((20, 16, 3), np.uint8)).save(three / "cat/0.png")
    arguments = ["train", "folder", "--data-dir", str(three), "--out", str(tmp_path), "--epochs", "1"]
    assert main([*arguments, "--batch-size", "8", "--init", str(run / "checkpoint")]) == 0
    params = jaxcam.load(tmp_path / "checkpoint")
    assert params.card.classes == ("ant", "bee", "cat")
    assert params.card.image_size == (16, 16)
    assert params.card.threshold == 0.2
    assert "epoch 1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, message",
    [
        (["tiny"], "dataset: got 'tiny'; known are ilsvrc, cub"),
        (["tiny_imagenet"], "no such file"),
        (["folder", "--epochs", "0"], "epochs: got 0.0; give a number above 0"),
        (["folder", "--options", "width"], 'options: got width; write "name=value"'),
        (["folder", "--options", "depth=3"], "depth"),
        (["folder", "--network", "resnet19"], "network: got 'resnet19'; known are"),
        (["folder", "--init", "resnet"], "checkpoint: got 'resnet'; bundled are"),
        (
            ["folder", "--init", "tiny_imagenet", "--network", "vgg16_gap"],
            "--network: got vgg16_gap beside --init tiny_imagenet, which brings its own network (resnet18); leave it",
        ),
        (["folder", "--init", "tiny_imagenet", "--network", "resnet19"], "--network: got resnet19 beside --init"),
        (["folder", "--init", "tiny_imagenet", "--options", "width=8"], "--options: got width=8 beside --init"),
        (["cub", "--init", "tiny_imagenet", "--network=resnet50"], "--network: got resnet50 beside --init"),
        (["folder", "--init", "tiny_imagenet", "--options"], "--options: got none beside --init"),
        (["folder", "--optimizer", "adam"], "optimizer: got 'adam'; use one of sgd, caffe, adamw"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_mistakes(photos, tmp_path, capsys, change, message):
    assert main(["train", *change, "--data-dir", str(photos), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--network", "resnet18", "--options", "width=48", "stem=small", "strides=[2,1,2,1]"],  # its own
        ["--network", "resnet18_gap", "--options", "width=8"],  # made of its own, if there were any
    ],
    ids=len,
)
def test_networks_beside_a_checkpoint(photos, tmp_path, monkeypatch, options):
    asked = []
    monkeypatch.setattr(training, "_train", lambda images, recipe, **_: asked.append(recipe.network) or 0)
    arguments = ["train", "folder", "--data-dir", str(photos), "--out", str(tmp_path), "--init", "tiny_imagenet"]
    assert main([*arguments, *options]) == 0
    assert asked == [options[1] if options else "resnet18"]


def test_a_network_with_other_layers_than_the_plain_one_is_refused(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "describe", lambda initial: {"network": "alexnet", "options": {}})
    arguments = ["--data-dir", str(photos), "--out", str(tmp_path / "out"), "--network", "alexnet_plus_gap"]
    assert main(["train", "folder", *arguments, "--init", "mine"]) == 2
    told = "--network: got alexnet_plus_gap beside --init mine, which brings its own network (alexnet); leave it out"
    assert told in capsys.readouterr().err


def test_a_runs_folder_among_those_of_the_classes_is_refused(photos, capsys, monkeypatch):
    began = []
    monkeypatch.setattr(training, "_train", lambda *_, **__: began.append(1) or 0)
    monkeypatch.chdir(photos)
    assert main(["train", "folder", "--data-dir", ".", "--out", "runs/mine"]) == 2
    assert "--out: got runs/mine, inside ., where every folder is a class; give one" in capsys.readouterr().err
    assert main(["train", "folder", "--data-dir", ".", "--split", "ant", "--out", "ant"]) == 2
    assert main(["train", "folder", "--data-dir", ".", "--out", "../runs"]) == 0
    assert began == [1]


def test_without_the_extra_for_tensorboard_no_photo_is_looked_at(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setattr(training, "check_photos", lambda images: pytest.fail("they are looked at"))
    assert main(["train", "folder", "--data-dir", str(photos), "--out", str(tmp_path), "--tensorboard"]) == 2
    assert "pip install 'jaxcam[tensorboard]'" in capsys.readouterr().err


def test_the_data_set_comes_first(photos, tmp_path, capsys):
    arguments = ["--data-dir", str(photos), "--out", str(tmp_path / "out")]
    assert main(["train", *arguments, "folder"]) == 2
    assert "write jaxcam train folder --data-dir" in capsys.readouterr().err


@pytest.mark.slow
def test_a_record_tells_the_checkpoint_that_a_run_began_with(run, photos, tmp_path):
    arguments = ["train", "folder", "--data-dir", str(photos), "--out", str(tmp_path), "--epochs", "1"]
    assert main([*arguments, "--batch-size", "8", "--init", str(run / "checkpoint")]) == 0
    record = jaxcam.describe(tmp_path / "checkpoint")
    assert record["initial"] == str(run / "checkpoint")
    assert record["network"] == "resnet10"
    assert "network" not in record["recipe"]
    assert record["data"].startswith("folder: ")


def test_an_address_is_no_folder(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "folder", "--data-dir", str(photos), "--out", "gs://bucket/run", *OPTIONS]) == 2
    assert "out: got gs:/bucket/run, an address; give a folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, message",
    [
        (["--coordinator", "localhost:1"], "--process-id: got some of them; give all three, or none"),
        (
            ["--coordinator", "localhost:1", "--num-processes", "2", "--process-id", "2"],
            "--process-id: got 2 of 2; count from 0",
        ),
        (["--distributed"], "the other processes were not found"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_hosts_that_cannot_be_found(photos, tmp_path, capsys, command, options, message):
    arguments = [command, "folder", "--data-dir", str(photos), "--out", str(tmp_path / "out"), *options]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{", "3"])
def test_a_damaged_run_folder_is_named(photos, tmp_path, capsys, content):
    (tmp_path / "recipe.json").write_text(content)
    assert main(["train", "folder", "--data-dir", str(photos), "--out", str(tmp_path), *OPTIONS]) == 2
    assert "recipe.json is damaged" in capsys.readouterr().err


def test_photos_are_looked_at_before_anything_is_written(photos, tmp_path, capsys, monkeypatch):
    began = []
    monkeypatch.setattr(training, "_train", lambda *_, **__: began.append(1) or 0)
    home = shutil.copytree(photos, tmp_path / "photos")
    (home / "bee/3.png").write_bytes(b"no image")
    arguments = ["train", "folder", "--data-dir", str(home), "--out", str(tmp_path / "out"), *OPTIONS]
    assert main(arguments) == 2
    assert "images that cannot be read (1): " in (told := capsys.readouterr().err)
    assert "bee/3.png" in told
    assert not began
    assert not (tmp_path / "out").exists()
    (tmp_path / "out/states/4").mkdir(parents=True)  # of a run that has looked
    assert main(arguments) == 0
    assert began == [1]


def test_masks_are_not_looked_at_for_training(photos):
    dataset = folder(photos)
    masked = tuple(
        replace(example, masks=(photos / "none.png",), boxes=((0.0, 0.0, 999.0, 999.0),)) for example in dataset
    )
    check_photos(replace(dataset, examples=masked))
    with pytest.raises(ValueError, match=r"no such file; mend or remove"):
        check_photos(replace(dataset, examples=(replace(masked[0], path=photos / "none.png"), *masked[1:])))


def test_each_process_looks_at_its_share_of_the_photos(photos, monkeypatch):
    dataset, seen = folder(photos), []
    monkeypatch.setattr(datasets, "inspect", lambda part, **_: seen.append([*part]) or Findings({}, (), ()))
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    for process in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        check_photos(dataset)
    assert seen == [[*dataset][::2], [*dataset][1::2]]


@pytest.mark.slow
def test_another_run_in_the_folder_is_refused(run, photos, capsys):
    arguments = ["train", "folder", "--data-dir", str(photos), "--out", str(run), *OPTIONS]
    assert main([*arguments, "--seed", "1"]) == 2
    assert "holds another run" in capsys.readouterr().err
