"""jaxcam.checkpoints: what comes back is what was saved, bit by bit, and what writing leaves behind when it fails."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxcam
from jaxcam import Card, Params, Preprocessing
from jaxcam.checkpoints import folders, write_card
from jaxcam.networks import Classifier, LinearHead, ResNet
from jaxcam.params import make_network
from tests.reference.weights import random_variables

CARD = Card(
    classes=("Ameise", "Bär", "猫"),
    class_ids=("n1", "n2", "n3"),
    image_size=(16, 24),
    preprocessing=Preprocessing("bicubic", False, 255.0, (0.1, 1 / 3, 0.3), (0.7, 0.8, 0.9), "BGR"),
    threshold=0.1 + 0.2,
)


def make(network, card=CARD, seed=0):
    return Params(jax.device_put(random_variables(network, card, seed)), network, card)


@pytest.fixture(scope="module")
def params():
    return make(make_network("resnet10", 3, width=4, stem="small", strides=(2, 1, 1, 2)))


def check_equal(a, b):
    """Bit by bit, card and network too."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.core
@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip(params, tmp_path, kind):
    record = {"data": "Größe: 3 Bilder", "figures": {"top-1": 0.5, "loss": 1e-30}, "notes": [1, None, True]}
    jaxcam.save(params, kind(tmp_path / "new" / "folder"), record=record)
    check_equal(jaxcam.load(kind(tmp_path / "new" / "folder")), params)
    options = {"width": 4, "stem": "small", "strides": [2, 1, 1, 2]}
    assert jaxcam.describe(kind(tmp_path / "new" / "folder")) == {"network": "resnet10", "options": options, **record}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


def test_leaves_of_every_value_keep_their_bits(params, tmp_path):
    """Not-a-numbers, infinities, negative zeros and the smallest numbers."""
    special = np.array([np.nan, -np.inf, -0.0, 1e-45], np.float32)
    kernel = jnp.asarray(np.resize(special, (32, 3)))
    variables = jax.tree.map(lambda leaf: kernel if leaf.shape == kernel.shape else leaf, params.variables)
    jaxcam.save(params.replace(variables=variables), tmp_path / "a")
    check_equal(jaxcam.load(tmp_path / "a"), params.replace(variables=variables))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_weights_come_back_as_float32(params, tmp_path, dtype):
    jaxcam.save(params, tmp_path / "whole")
    jaxcam.save(params, tmp_path / "half", dtype=dtype)
    expected = jax.tree.map(lambda leaf: leaf.astype(dtype).astype(np.float32), params.variables)
    check_equal(jaxcam.load(tmp_path / "half"), params.replace(variables=expected))
    whole, half = (
        sum(file.stat().st_size for file in (tmp_path / name / "arrays").rglob("*")) for name in ("whole", "half")
    )
    assert whole - half > 0.4 * sum(leaf.nbytes for leaf in jax.tree.leaves(params.variables))
    jaxcam.save(jaxcam.load(tmp_path / "half"), tmp_path / "again", dtype=dtype)  # nothing more is lost
    check_equal(jaxcam.load(tmp_path / "again"), jaxcam.load(tmp_path / "half"))


def test_what_weights_cannot_be_rounded_to(params, tmp_path):
    with pytest.raises(ValueError, match="dtype: got 'int8'; use bfloat16 or float16"):
        jaxcam.save(params, tmp_path / "a", dtype="int8")
    large = jax.tree.map(lambda leaf: leaf + 7e4, params.variables)
    with pytest.raises(ValueError, match=r"dtype: got float16 for .*, which has 70000.*; use bfloat16"):
        jaxcam.save(params.replace(variables=large), tmp_path / "a", dtype="float16")
    assert not (tmp_path / "a").exists()
    not_finite = jax.tree.map(lambda leaf: leaf * np.float32(np.inf), params.variables)
    jaxcam.save(params.replace(variables=not_finite), tmp_path / "a", dtype="float16")


@pytest.mark.parametrize(
    "network, name, options",
    [
        (make_network("resnet18", 3, width=2), "resnet18", {"width": 2}),
        (make_network("resnet18", 3, width=2, blocks=(1,) * 4, pool="max"), "resnet10", {"width": 2, "pool": "max"}),
        (make_network("resnet50", 3, width=2, dropout=0.3), "resnet50", {"width": 2, "dropout": 0.3}),
        (Classifier(ResNet("bottleneck", (1,) * 4, 2), LinearHead(3)), "resnet10", {"block": "bottleneck", "width": 2}),
    ],
)
def test_the_record_names_the_network(network, name, options, tmp_path, monkeypatch):
    monkeypatch.setattr(folders.ocp, "save_checkpointables", lambda *_: None)
    jaxcam.save(make(network), tmp_path / "a")
    assert jaxcam.describe(tmp_path / "a") == {"network": name, "options": options}


class OwnBackbone(nn.Module):
    depth: int
    stages = ("only",)

    @nn.compact
    def __call__(self, x, since=None, upto="only", train=False):
        return nn.Conv(self.depth, (3, 3))(x)


@pytest.mark.parametrize(
    "network",
    [
        Classifier(OwnBackbone(4), LinearHead(3)),
        make_network("resnet10", 3, width=4, activation=nn.gelu),
    ],
    ids=["own module", "own activation"],
)
def test_a_network_outside_the_table(network, tmp_path):
    own = make(network)
    jaxcam.save(own, tmp_path / "a", record={"network": "resnet18", "data": "mine"})
    assert jaxcam.describe(tmp_path / "a") == {"data": "mine"}
    check_equal(jaxcam.load(tmp_path / "a", network=network), own)
    with pytest.raises(ValueError, match=r"its network is not in the table; give load\(folder, network=module\)"):
        jaxcam.load(tmp_path / "a")


def test_a_network_given_comes_before_the_record(params, tmp_path):
    jaxcam.save(params, tmp_path / "a")
    smooth = make_network("resnet10", 3, width=4, stem="small", strides=(2, 1, 1, 2), activation=nn.gelu)
    check_equal(jaxcam.load(tmp_path / "a", network=smooth), params.replace(network=smooth))


@pytest.mark.parametrize("network", [make_network("resnet10", 3, width=8), make_network("resnet18", 3, width=4)])
def test_another_networks_weights(params, tmp_path, network):
    jaxcam.save(params, tmp_path / "a")
    with pytest.raises(ValueError, match=r"it holds another network's weights: .*the network needs .* holds"):
        jaxcam.load(tmp_path / "a", network=network)


def test_a_record_can_be_handed_on(params, tmp_path):
    """Network and options are those of the params saved, not those of an older record."""
    jaxcam.save(params, tmp_path / "a", record={"licence": "Apache-2.0"})
    wider = make(make_network("resnet10", 3, width=6))
    jaxcam.save(wider, tmp_path / "b", record=jaxcam.describe(tmp_path / "a"))
    assert jaxcam.describe(tmp_path / "b") == {"network": "resnet10", "options": {"width": 6}, "licence": "Apache-2.0"}
    check_equal(jaxcam.load(tmp_path / "b"), wider)


def test_two_checkpoints_of_one_kind_share_a_trace(params, tmp_path):
    jaxcam.save(params, tmp_path / "a", record={"data": "some"})
    jaxcam.save(jax.tree.map(lambda leaf: 2 * leaf, params), tmp_path / "b", record={"data": "other"})
    traced = []

    @jax.jit
    def run(params):
        traced.append(params.network)
        return params.variables["params"]["head"]["classifier"]["bias"]

    one, two = (run(jaxcam.load(tmp_path / name)) for name in "ab")
    np.testing.assert_array_equal(2 * one, two)
    assert len(traced) == 1


def test_an_existing_folder_is_only_replaced_on_request(params, tmp_path):
    other = jax.tree.map(lambda leaf: -leaf, params)
    jaxcam.save(params, tmp_path / "a")
    with pytest.raises(ValueError, match=r"folder: .*a exists; give another one, or overwrite=True"):
        jaxcam.save(other, tmp_path / "a")
    check_equal(jaxcam.load(tmp_path / "a"), params)
    jaxcam.save(other, tmp_path / "a", overwrite=True)
    check_equal(jaxcam.load(tmp_path / "a"), other)
    jaxcam.save(params, tmp_path / "b", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_no_checkpoint_is_never_replaced(params, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    (tmp_path / "file").write_bytes(b"text")
    for name in ("photos", "file"):
        with pytest.raises(ValueError, match=f"{name} exists and is no checkpoint; give another one"):
            jaxcam.save(params, tmp_path / name, overwrite=True)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


@pytest.mark.core
@pytest.mark.parametrize("step", ["arrays", "card", "old folder", "new folder"])
def test_a_save_that_fails_changes_nothing(params, tmp_path, monkeypatch, step):
    jaxcam.save(params, tmp_path / "a")
    other = jax.tree.map(lambda leaf: -leaf, params)
    rename = Path.rename

    def fail(*_, **__):
        raise OSError("no space left")

    def fail_from(name):
        return lambda path, target: fail() if path.name == name else rename(path, target)

    with monkeypatch.context() as patch:
        match step:
            case "arrays":
                patch.setattr(folders.ocp, "save_checkpointables", fail)
            case "card":
                patch.setattr(Path, "replace", fail)
            case "old folder":
                patch.setattr(Path, "rename", fail_from("a"))
            case "new folder":
                patch.setattr(Path, "rename", fail_from("fresh"))
        for name in ("a", "b") if step != "old folder" else ("a",):
            with pytest.raises(OSError, match="no space left"):
                jaxcam.save(other, tmp_path / name, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    check_equal(jaxcam.load(tmp_path / "a"), params)


@pytest.mark.parametrize("record", [{"figures": np.float32(1)}, {"when": {1, 2}}])
def test_a_record_that_is_no_json(params, tmp_path, record):
    with pytest.raises(ValueError, match="record: got a value that JSON has not: "):
        jaxcam.save(params, tmp_path / "a", record=record)
    assert list(tmp_path.iterdir()) == []


def test_a_model_made_from_functions_is_not_saved(tmp_path):
    own = jaxcam.from_functions(lambda w, x: x, lambda w, x: x.mean((1, 2)) @ w, variables=jnp.eye(3))
    with pytest.raises(ValueError, match="params: got a model made from functions; save its variables with Orbax"):
        jaxcam.save(own, tmp_path / "a")


def test_write_card(params, tmp_path, monkeypatch):
    jaxcam.save(params, tmp_path / "a", record={"data": "some", "figures": {}})
    card = replace(CARD, threshold=0.35)
    write_card(tmp_path / "a", card, record={"figures": {"top-1": 41.5}, "network": "resnet18"})
    check_equal(jaxcam.load(tmp_path / "a"), params.replace(card=card))
    described = jaxcam.describe(tmp_path / "a")
    assert (described["network"], described["data"], described["figures"]) == ("resnet10", "some", {"top-1": 41.5})
    write_card(tmp_path / "a", record={"licence": "Apache-2.0"})
    assert jaxcam.load(tmp_path / "a").card == card
    before = (tmp_path / "a" / "card.json").read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_card(tmp_path / "a", CARD)
    assert (tmp_path / "a" / "card.json").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["arrays", "card.json"]


def test_bundled_names(params, tmp_path, monkeypatch):
    """Inside the package first, then beside it, as in a clone."""
    homes = (tmp_path / "package", tmp_path / "clone")
    monkeypatch.setattr(folders, "BUNDLED", homes)
    with pytest.raises(ValueError, match=r"checkpoint: got 'mine'; bundled are none; for a folder write \./mine"):
        jaxcam.load("mine")
    jaxcam.save(params, homes[1] / "mine")
    check_equal(jaxcam.load("mine"), params)
    (homes[1] / "notes").mkdir()
    jaxcam.save(params, homes[0] / "other", record={"data": "package"})
    jaxcam.save(params, homes[1] / "other", record={"data": "clone"})
    assert jaxcam.describe("other")["data"] == "package"
    for name in ("notes", "", "resnet10"):
        with pytest.raises(ValueError, match=f"checkpoint: got '{name}'; bundled are mine, other; for a folder write"):
            jaxcam.load(name)


def test_a_clone_bundles_its_own_checkpoints():
    assert folders.BUNDLED[1] == Path(__file__).parent.parent / "checkpoints"


def test_the_card_is_readable(params, tmp_path):
    jaxcam.save(params, tmp_path / "a")
    text = (tmp_path / "a" / "card.json").read_text(encoding="utf-8")
    assert "Bär" in text
    assert json.loads(text)["card"]["threshold"] == 0.1 + 0.2


def test_a_checkpoint_does_not_tell_where_it_was_written(tiny_params, tmp_path):
    jaxcam.save(tiny_params, tmp_path / "here")
    files = [path for path in (tmp_path / "here").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if str(tmp_path).encode() in path.read_bytes()]
