"""jaxcam.export: files that a process with JAX alone runs to the same results, on any batch; mistakes and damage."""

import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam import Card, Preprocessing, cli
from jaxcam.explanation import answers
from jaxcam.methods.table import METHODS
from jaxcam.params import Params, default_card, make_network, network_shapes
from tests.reference.weights import random_variables

RANDOM = np.random.default_rng(6)
PHOTOS = RANDOM.integers(0, 256, (3, 40, 36, 3), np.uint8)
PLAIN = Preprocessing(mean=(0.0,), std=(1.0,))

# One with each kind of head, and of cells; `test_network_gradients` lowers `cam` of all.
FAMILIES = ("alexnet", "mobilenet_v3_small", "squeezenet1_1", "vit_b_32")

# What makes a method quick.
OPTIONS = {
    "fem": {"num_stds": 0.5},
    "integrated_gradients": {"steps": 2},
    "occlusion": {"window": 16},
    "rise": {"num_masks": 4},
    "smooth_grad": {"num_samples": 2},
    "ss_cam": {"num_samples": 2},
}

JAX_ALONE = """
import sys, zipfile
import jax.export
import numpy as np

program = jax.export.deserialize(bytearray(zipfile.ZipFile(sys.argv[1]).read("program.bin")))
photos = np.load(sys.argv[2])
print(*program.platforms, {"jaxcam", "flax"} & {*sys.modules})
np.savez(sys.argv[3], **program.call(photos))
"""


def features(weights, pixels):
    return jax.nn.relu(pixels[:, ::2, ::2] @ weights["in"])


def logits(weights, features):
    return features.mean((1, 2)) @ weights["out"]


def kernel(weights):
    return weights["out"]


@pytest.fixture(scope="module")
def small():
    weights = {"in": RANDOM.normal(size=(3, 5)), "out": RANDOM.normal(size=(5, 4))}
    weights = {name: jnp.asarray(values, jnp.float32) for name, values in weights.items()}
    card = Card(("ant", "bee", "cat", "dög"), image_size=(8, 8), preprocessing=PLAIN)
    return jaxcam.from_functions(features, logits, kernel, variables=weights, card=card)


def check(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5), found, expected)


@pytest.mark.slow
@pytest.mark.core
def test_a_process_with_jax_alone(tiny_params, tmp_path):
    """What the command writes, run without jaxcam and Flax, beside `answers` called here."""
    path, photos, out = (str(tmp_path / name) for name in ("tiny.jaxcam", "photos.npy", "found.npz"))
    jaxcam.save(tiny_params, tmp_path / "checkpoint")
    arguments = ["--checkpoint", str(tmp_path / "checkpoint"), "--photo-size", "40", "36", "--threshold", "0.5"]
    assert cli.main(["export", "--out", path, *arguments]) == 0
    np.save(photos, PHOTOS)
    ran = subprocess.run(
        [sys.executable, "-c", JAX_ALONE, path, photos, out], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.stdout == "cpu cuda tpu set()\n", ran.stderr
    expected = answers(tiny_params, PHOTOS, threshold=0.5)
    assert expected["boxes"].shape == (3, 5, 4)
    check(dict(np.load(out)), {name: np.asarray(array) for name, array in expected.items()})


def test_any_function_with_other_weights(small, tmp_path):
    """Several maps in one PyTree, of new weights without a new file."""

    def both(params, photos):
        return {"raw": (jaxcam.grad_cam(params, photos, size="cells"), jaxcam.logits(params, photos))}

    jaxcam.export(small, both, out=tmp_path / "both.jaxcam", photo_size=(40, 36), weights_inside=False)
    exported = jaxcam.load_exported(tmp_path / "both.jaxcam")
    assert exported.card == small.card
    doubled = jax.tree.map(lambda leaf: 2 * leaf, small)
    for params in (small, doubled):
        check(exported(PHOTOS, jax.tree.leaves(params)), both(params, PHOTOS))
    check(exported(PHOTOS[:1], jax.tree.leaves(small)), both(small, PHOTOS[:1]))
    with pytest.raises(ValueError, match=r"weights: got none, and this file has none; give jax.tree.leaves\(params\)"):
        exported(PHOTOS)


def test_signals_and_a_fixed_batch(tmp_path):
    """A function that loops over a batch, of float32 signals with seven channels."""
    card = Card(("up", "down"), image_size=(16,), channels=7, preprocessing=PLAIN)
    weights = jnp.asarray(RANDOM.normal(size=(7, 2)), jnp.float32)
    params = jaxcam.from_functions(lambda w, x: x, lambda w, f: f.mean(1) @ w, variables=weights, card=card)
    signals = RANDOM.random((2, 16, 7), np.float32)

    def one_by_one(params, batch):
        return [jaxcam.hires_cam(params, one, 1) for one in batch]

    with pytest.raises(ValueError, match=r"function: it cannot be traced for a batch of any size .*give batch_size="):
        jaxcam.export(params, one_by_one, out=tmp_path / "loop.jaxcam", dtype="float32")
    assert not list(tmp_path.iterdir())
    jaxcam.export(params, one_by_one, out=tmp_path / "loop.jaxcam", dtype="float32", batch_size=2, platforms=("cpu",))
    exported = jaxcam.load_exported(tmp_path / "loop.jaxcam")
    check(exported(signals), one_by_one(params, signals))
    with pytest.raises(
        ValueError, match=r"photos: got float32 of shape \(1, 16, 7\); .* float32 of shape \(2, 16, 7\)"
    ):
        exported(signals[:1])
    with pytest.raises(ValueError, match="boxes are of pictures"):
        jaxcam.export(params, out=tmp_path / "boxes.jaxcam")


def release_boxes(params, photos):
    return jaxcam.boxes(jaxcam.cam(params, photos), rule="release")


@pytest.mark.parametrize("platforms", [("cpu", "cuda", "tpu"), ("cpu",)])
def test_a_function_that_calls_back_is_refused(small, platforms, tmp_path):
    with pytest.raises(ValueError, match=r'function: it calls back to the host.* boxes by the rule "release" do'):
        jaxcam.export(small, release_boxes, out=tmp_path / "no.jaxcam", batch_size=1, platforms=platforms)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"photo_size": (8,)}, r"photo_size: got \(8,\); give 2 lengths"),
        ({"batch_size": 0}, "batch_size: got 0; give a number of at least 1, or None for any"),
        ({"dtype": "int8"}, "dtype: got 'int8'; use one of uint8, float32"),
        ({"platforms": "cpu"}, "platforms: got 'cpu'; give some of cpu, cuda, tpu, rocm"),
        ({"platforms": ("gpu",)}, "platforms: got"),
        ({"function": partial(answers, top=9)}, "top: got 9; this network has 4 classes"),
    ],
)
def test_mistakes(small, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        jaxcam.export(small, out=tmp_path / "no.jaxcam", **options)


def test_without_flatbuffers(small, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    for use in (partial(jaxcam.export, small, out=tmp_path / "x"), partial(jaxcam.load_exported, tmp_path / "x")):
        with pytest.raises(ValueError, match=r"pip install 'jaxcam\[export\]'"):
            use()


def without(path, name):
    """The same zip without a part."""
    with zipfile.ZipFile(path) as parts:
        kept = {other: parts.read(other) for other in parts.namelist() if other != name}
    with zipfile.ZipFile(path, "w") as parts:
        for other, payload in kept.items():
            parts.writestr(other, payload)


def test_damaged_files(small, tmp_path):
    path = tmp_path / "scores.jaxcam"
    jaxcam.export(small, jaxcam.logits, out=path)
    whole = path.read_bytes()
    # Nobody learns where the files of the one who exported it lie.
    assert str(Path(__file__).parent.parent).encode() not in whole
    assert b"site-packages" not in whole
    exported = jaxcam.load_exported(path)
    with pytest.raises(ValueError, match=r"photos: got uint8 of shape \(3, 40, 36, 3\); .* \(b, 8, 8, 3\), where b"):
        exported(PHOTOS)
    with pytest.raises(ValueError, match="photos: got float32"):
        exported(np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="weights: got some, but this file has its own"):
        exported(np.zeros((1, 8, 8, 3), np.uint8), jax.tree.leaves(small))
    half = len(whole) // 2
    for damaged in (whole[:half], whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :], b"", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"scores.jaxcam: it is damaged, or was not written by jaxcam.export: "):
            jaxcam.load_exported(path)
    for part in ("about.json", "program.bin"):
        path.write_bytes(whole)
        without(path, part)
        with pytest.raises(ValueError, match=f"scores.jaxcam: it is damaged, .*{part}"):
            jaxcam.load_exported(path)
    path.write_bytes(whole.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(ValueError, match=r"scores.jaxcam: it is damaged"):
        jaxcam.load_exported(path)
    with pytest.raises(ValueError, match="path: there is no file"):
        jaxcam.load_exported(tmp_path / "none.jaxcam")


def test_hostile_files(small, tmp_path):
    path = tmp_path / "scores.jaxcam"
    jaxcam.export(small, jaxcam.logits, out=path)
    with zipfile.ZipFile(path) as parts:
        read = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, payload in read.items():
            parts.writestr(name, payload)
    with pytest.raises(ValueError, match=r"its parts are compressed, and those that export writes are not"):
        jaxcam.load_exported(path)
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("about.json", read["about.json"].replace(b"weights_inside", b"weights_outside"))
        parts.writestr("program.bin", read["program.bin"])
    with pytest.raises(ValueError, match=r"it is damaged, .*weights_inside"):
        jaxcam.load_exported(path)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--stage", "layer3"], "which looks at no stage of one's choice"),
        (["--method", "layer_cam", "--stage", "layer9"], "stage: got 'layer9'; this network has"),
        (["--top", "300"], "top: got 300; this network has 200 classes"),
    ],
)
def test_mistakes_in_a_command(options, message, tmp_path, capsys):
    assert cli.main(["export", "--out", str(tmp_path / "no.jaxcam"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_map_method(name, tiny_params, tmp_path):
    """For all platforms and any batch. (Attention is only in transformers.)"""
    if name == "attention_rollout":
        network, card = make_network("vit_b_32", 5, depth=2, width=8, heads=2, hidden=8, grid=(1, 1)), tiny_params.card
        tiny_params = Params(random_variables(network, card), network, card)
    method, labels = partial(METHODS[name], **OPTIONS.get(name, {})), np.array([1, 4])

    def maps(params, photos):
        return method(params, photos, jnp.broadcast_to(labels, (photos.shape[0], 2)), size="cells")

    jaxcam.export(tiny_params, maps, out=tmp_path / "maps.jaxcam")
    found, photos = jaxcam.load_exported(tmp_path / "maps.jaxcam"), PHOTOS[:2, :32, :32]
    check(found(photos), maps(tiny_params, photos))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_networks(name, tmp_path):
    """Its program of any batch lowers for all platforms, and XLA finds the shapes of a batch of two."""
    network, card = make_network(name, 5), default_card(name, tuple("abcde"))
    shapes = network_shapes(network, card)
    params = Params(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes), network, card)
    function = partial(answers, method=None if hasattr(network.head, "kernel") else jaxcam.grad_cam)
    jaxcam.export(params, function, out=tmp_path / "network.jaxcam", weights_inside=False)
    photos = np.zeros((2, *card.image_size, 3), np.uint8)
    found = jaxcam.load_exported(tmp_path / "network.jaxcam")(photos, jax.tree.leaves(params))
    np.testing.assert_allclose(found["probabilities"], 0.2, rtol=1e-5)
