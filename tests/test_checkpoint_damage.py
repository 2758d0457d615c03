"""Damaged checkpoints: each gives one clear ValueError, never wrong values, whatever is wrong with it."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam import Card, Params
from jaxcam.checkpoints import folders
from jaxcam.checkpoints.card_file import read_card_file, write_card_file
from jaxcam.params import make_network
from tests.reference.weights import random_variables

HEAD = "params/head/classifier/bias"
FOREIGN = "does not describe a network of this version"
DAMAGED = "1 of its arrays are missing or not as they were saved"


@pytest.fixture(scope="module")
def params():
    card = Card(classes=("a", "b", "c"), image_size=(16, 16))
    network = make_network("resnet10", 3, width=4, stem="small")
    return Params(jax.device_put(random_variables(network, card)), network, card)


@pytest.fixture(scope="module")
def saved(params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    jaxcam.save(params, folder, record={"data": "some"})
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def check_refused(folder, message=""):
    with pytest.raises(ValueError, match=f"checkpoint {folder}: .*{message}"):
        jaxcam.load(folder)


def check_equal(folder, params):
    loaded = jaxcam.load(folder)
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def array_files(folder):
    return sorted(path.relative_to(folder) for path in (folder / "arrays").rglob("*") if path.is_file())


@pytest.mark.core
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "rename"])
def test_every_file_of_the_arrays(saved, copy, damage):
    for path in array_files(saved):
        content = (saved / path).read_bytes()
        if damage in ("flip", "truncate", "empty") and not content:
            continue
        match damage:
            case "flip":
                middle = len(content) // 2
                (copy / path).write_bytes(content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :])
            case "truncate":
                (copy / path).write_bytes(content[:-1])
            case "empty":
                (copy / path).write_bytes(b"")
            case "remove":
                (copy / path).unlink()
            case "rename":
                (copy / path).rename(copy / path.with_suffix(".other"))
        name = path.relative_to("arrays").as_posix()
        check_refused(copy, rf"1 of its files are missing or not as they were saved \({re.escape(name)}\)")
        (copy / path).write_bytes(content)


def test_leaves_have_hashes_of_their_own(saved, copy, params):
    """Whatever the files' hashes say, a flipped bit of a number is found."""
    change(copy, lambda contents: contents.update(files={}))
    check_equal(copy, params)
    largest = max(array_files(copy), key=lambda path: (copy / path).stat().st_size)
    content = bytearray((copy / largest).read_bytes())
    content[len(content) // 2] ^= 16
    (copy / largest).write_bytes(content)
    check_refused(copy, DAMAGED)


@pytest.mark.parametrize("error", [OSError(), RuntimeError("first line\nsecond line")])
def test_whatever_orbax_raises(copy, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(folders.ocp, "load_checkpointables", fail)
    reason = str(error).partition("\n")[0] or "OSError"
    check_refused(copy, f"its arrays cannot be read, restore the folder: {reason}$")


def test_a_flipped_bit_anywhere_in_the_card(saved, copy):
    """A digit of a mean, a letter of a class or of the record: changed by damage, they are refused too."""
    content = bytearray((saved / "card.json").read_bytes())
    start = content.index(b'"leaves"')
    positions = [*range(0, start, 7), *np.linspace(start, len(content) - 1, 40).astype(int)]
    for position in positions:
        bit = 1 << (position % 7)
        content[position] ^= bit
        (copy / "card.json").write_bytes(content)
        try:
            assert read_card_file(copy) == read_card_file(saved)  # in white space
        except ValueError as error:
            assert f"checkpoint {copy}: its card.json" in str(error) or "got format" in str(error)  # noqa: PT017
        content[position] ^= bit


def test_missing_folders_and_files(copy, tmp_path):
    with pytest.raises(ValueError, match=f"checkpoint: there is no folder {tmp_path}/none"):
        jaxcam.load(tmp_path / "none")
    with pytest.raises(ValueError, match=f"checkpoint: there is no folder {copy}/card.json"):
        jaxcam.load(f"{copy}/card.json")
    shutil.rmtree(copy / "arrays")
    check_refused(copy, "of its files are missing or not as they were saved")
    change(copy, lambda contents: contents.update(files={}))
    check_refused(copy, "its arrays cannot be read, restore the folder")
    (copy / "card.json").unlink()
    check_refused(copy, r"it has no card\.json, so it is no jaxcam checkpoint")
    with pytest.raises(ValueError, match=r"it has no card\.json"):
        jaxcam.describe(copy)


@pytest.mark.parametrize("content", [b"3", b"null", b"[]", b'"card"'])
def test_a_card_of_another_json_value(copy, content):
    (copy / "card.json").write_bytes(content)
    check_refused(copy, r"its card\.json lacks card, record, leaves, files")


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 1', b"\xff\xfe", b"card", b"[" * 100_000])
def test_a_card_that_is_no_json(copy, content):
    (copy / "card.json").write_bytes(content)
    check_refused(copy, r"its card\.json is damaged: ")


def change(folder, edit):
    """Edit the contents of the card.json, and give it the hash that fits."""
    contents = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    contents.pop("sha256")
    edit(contents)
    write_card_file(folder, contents)


def test_a_card_changed_by_hand(copy):
    text = (copy / "card.json").read_text(encoding="utf-8")
    (copy / "card.json").write_text(text.replace('"threshold": 0.2', '"threshold": 0.3'), encoding="utf-8")
    check_refused(copy, r"its card\.json is not as it was saved; restore it \(jaxcam\.checkpoints\.write_card")


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda c: c.pop("card"), r"its card\.json lacks card"),
        (lambda c: c.pop("record"), r"its card\.json lacks record"),
        (lambda c: c.update(leaves=None, card=[]), r"its card\.json lacks card, leaves"),
        (lambda c: c.clear(), r"its card\.json lacks card, record, leaves"),
        (lambda c: c.update(files=["a"]), r"its card\.json lacks files"),
        (lambda c: c.update(format=2), "got format 2, this version reads 1"),
        (lambda c: c.update(format=None), "got format None, this version reads 1"),
        (lambda c: c["record"].pop("network"), "its network is not in the table"),
        (lambda c: c["record"].update(network="resnet11"), f"{FOREIGN}: network: got 'resnet11'"),
        (lambda c: c["record"].update(network=["resnet10"]), FOREIGN),
        (lambda c: c["record"].update(options=["width"]), FOREIGN),
        (lambda c: c["record"]["options"].update(depth=3), f"{FOREIGN}: network resnet10: got opt"),
        (lambda c: c["record"]["options"].update(stem="big"), f"{FOREIGN}: stem: got 'big'"),
        (lambda c: c["record"]["options"].update(width="8"), FOREIGN),
        (lambda c: c["record"]["options"].update(width=0), f"{FOREIGN}|another network's weights"),
        (lambda c: c["record"]["options"].update(width=8), "it holds another network's weights: .* and .* more"),
        (lambda c: c["card"].update(colour="red"), f"{FOREIGN}: .*colour"),
        (lambda c: c["card"].pop("preprocessing"), f"{FOREIGN}: 'preprocessing'"),
        (lambda c: c["card"].update(classes=None), FOREIGN),
        (lambda c: c["card"].update(classes=["a", "b"]), "it holds another network's weights: .*bias"),
        (lambda c: c["card"].update(channels=1), "it holds another network's weights: .*conv1/kernel"),
        (lambda c: c["card"]["preprocessing"].update(interpolation="area"), "interpolation: got 'area'"),
        (lambda c: c["leaves"].pop(HEAD), f"{HEAD}: the network needs .*, the checkpoint holds nothing"),
        (lambda c: c["leaves"].update(more=c["leaves"][HEAD]), "more: the network needs nothing, the checkpoint holds"),
        (lambda c: c["leaves"][HEAD].update(dtype="float64"), f"{HEAD}: the network needs .*float32.* holds .*float64"),
        (
            lambda c: c["leaves"][HEAD].update(dtype="float16"),
            rf"1 of its arrays .* as they were saved .*{HEAD}",
        ),
        (lambda c: c["leaves"][HEAD].pop("shape"), f"{FOREIGN}: 'shape'"),
        (lambda c: c["leaves"][HEAD].pop("sha256"), f"{DAMAGED} .{HEAD}"),
        (lambda c: c["leaves"][HEAD].update(sha256="0" * 64), f"{DAMAGED} .{HEAD}"),
        (lambda c: c["leaves"].update({HEAD: "gone"}), FOREIGN),
    ],
)
def test_a_card_of_wrong_content(copy, edit, message):
    change(copy, edit)
    check_refused(copy, message)
