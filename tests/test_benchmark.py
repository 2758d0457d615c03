"""Benchmarks: jaxcam's results equal its peers', and every one leaves its table, JSON and picture."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from benchmarks import agreement, growth, measuring, runs, with_jaxcam_boxes, with_jaxcam_evaluation, with_opencv, works
from benchmarks.measuring import Contender, Row, Work, by_turns, measure, peak_memory, table
from benchmarks.subjects import Subject

import jaxcam

with_torch = pytest.mark.usefixtures("torch_present")
SMALL = {"batch_size": 2, "size": 64, "rounds": 1, "memory": False, "threads": 1}


@pytest.fixture
def torch_present():
    pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
    pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
    pytest.importorskip("torchcam", reason="torchcam is not installed")


def rows_of(folder, name):
    """What a benchmark wrote, of which nothing is missing and every result agreed."""
    assert (folder / f"{name}.png").stat().st_size > 5000
    found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert found["hardware"]["cores"]
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"])
        assert row["note"]
    return found


def test_boxes_and_max_box_acc(tmp_path, capsys):
    assert runs.boxes(count=6, threads=2, rounds=1, memory=False, out=tmp_path) == 0
    found = rows_of(tmp_path, "boxes")
    assert [row["peer"] for row in found["rows"]] == ["scikit-image", "OpenCV", "OpenCV, 2 threads", "OpenCV"] * 2
    assert {row["note"] for row in found["rows"]} == {"equal"}
    assert len(capsys.readouterr().out.splitlines()) == 1 + 8


def test_a_sweep_gives_the_share_of_maps_at_each_threshold():
    options = {"count": 6, "cells": 7, "threads": 1}
    ours, theirs = (prepare(**options)() for prepare in (with_jaxcam_boxes.swept_accuracy, with_opencv.opencv_sweep))
    assert agreement.equal(ours, theirs)
    assert ours.shape == (1000,)
    assert len(set(ours)) > 3


def test_overlaps_of_all_boxes_with_all_true_boxes():
    boxes, targets = np.array([[0, 0, 2, 2], [4, 4, 8, 6]]), np.array([[0, 0, 4, 2], [1, 1, 3, 3], [6, 4, 10, 6]])
    np.testing.assert_allclose(with_opencv.overlaps(boxes, targets), [[1 / 2, 1 / 7, 0], [0, 0, 1 / 3]])


@pytest.mark.slow
@pytest.mark.torch
@with_torch
def test_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(works, "of_masks", lambda subject: [])  # its hundreds of forward passes; see test_peer_masking
    runs.maps(networks=("mobilenet_v2",), growth=False, out=tmp_path, **SMALL)
    found = rows_of(tmp_path, "maps")
    assert {row["peer"] for row in found["rows"]} == {"torch-cam", "pytorch-grad-cam", "own forward pass"}
    assert set(found["stages"]["top-5 maps, mobilenet_v2"]) >= {"preprocess", "network", "boxes"}
    near = found["limits"]["forward pass, mobilenet_v2"]
    # 0.3 billion multiplications an image of 224 x 224, as its paper says; here there are two of 64 x 64.
    assert near["operations"] == pytest.approx(2 * 2 * 0.3e9 * (64 / 224) ** 2, rel=0.3)
    assert 0 < near["share_of_matrix_rate"] < 1
    assert near["share_of_bandwidth"] > 0


@pytest.mark.slow
@pytest.mark.torch
@with_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with it")
@pytest.mark.usefixtures("mixed_dtypes")
def test_maps_in_bfloat16_beside_a_compiled_peer(tmp_path, monkeypatch):
    monkeypatch.setattr(works, "of_masks", lambda subject: [])
    how = {"dtype": "bfloat16", "compiled": True, "growth": False, **SMALL}
    runs.maps(networks=("resnet18",), out=tmp_path, **how)
    found = rows_of(tmp_path, "maps")
    assert {row["peer"] for row in found["rows"]} == {"torch-cam", "own forward pass"}
    assert found["options"]["dtype"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.torch
@with_torch
def test_maps_of_a_network_with_a_normalization_of_its_own(tmp_path):
    from benchmarks import with_jaxcam, with_torch

    subject = Subject("googlenet_torchvision", str(tmp_path), batch_size=2, size=64, threads=1)
    with_torch.make_weights(subject)
    assert agreement.close(with_jaxcam.class_maps(subject)(), with_torch.torch_cam(subject)())


@pytest.mark.slow
@pytest.mark.torch
@with_torch
def test_evaluation(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "DEVICES", (1, 2))
    runs.evaluate(count=6, growth=True, out=tmp_path, **{**SMALL, "size": 224})
    found = rows_of(tmp_path, "evaluate")
    assert found["growth"][0]["steps"] == [1, 2]


def test_every_second_photo_has_the_class_that_the_network_says(tmp_path, tiny_params, monkeypatch):
    monkeypatch.setattr(with_jaxcam_evaluation, "params_of", lambda subject: tiny_params)
    subject, photos = Subject("resnet10", str(tmp_path), batch_size=2), str(tmp_path / "photos")
    labels = with_jaxcam_evaluation.made_labels(subject, photos=photos, count=5)
    dataset = with_jaxcam_evaluation.dataset_of(tiny_params, photos, labels)
    lines = jaxcam.evaluate(tiny_params, dataset, batch_size=5, progress=False).predictions
    assert list(labels[::2]) == [line["top5"][0] for line in lines[::2]]


@pytest.mark.torch
@with_torch
@pytest.mark.usefixtures("mixed_dtypes")
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_training(tmp_path, dtype):
    runs.train(out=tmp_path, dtype=dtype, **SMALL)
    assert rows_of(tmp_path, "train")["rows"][0]["peer"] == "torch"


@pytest.mark.slow
@pytest.mark.torch
@with_torch
def test_start(tmp_path):
    runs.start(rounds=1, memory=False, out=tmp_path)
    seconds = rows_of(tmp_path, "start")["stages"]["start"]
    assert seconds["python"] < seconds["import jaxcam"] < seconds["import jaxcam, jaxcam.cam"]  # which imports jax


def test_results_that_differ_are_no_comparison():
    for agree in (agreement.equal, agreement.close, partial(agreement.percentages, count=100)):
        assert agree([1.0, 2.0], [1.0, 2.0])
        with pytest.raises(ValueError, match=r"differ|apart"):
            agree([1.0, 2.0], [1.0, 4.0])
    rising, falling = [[[0.0, 1.0], [2.0, 3.0]]], [[[3.0, 2.0], [1.0, 0.0]]]
    assert agreement.alike(rising, rising) == "correlation 1.000"
    with pytest.raises(ValueError, match="correlate"):
        agreement.alike(rising, falling)


def test_percentages_may_differ_by_one_image():
    assert agreement.percentages([50.0, 16.0], [50.0, 16.5], count=200) == "within 1 of 200 images"
    assert agreement.percentages([50.0, 16.0], [50.0, 17.0], count=100) == "within 1 of 100 images"
    for images, most in ((200, 1), (64, 0)):
        with pytest.raises(ValueError, match=f"more than {most} images apart"):
            agreement.percentages([50.0, 16.0], [50.0, 17.5], count=images)


def test_the_first_loss_is_compared_closely():
    assert agreement.losses(np.array([6.9, 6.6, 6.3]), np.array([6.9, 6.6, 6.4]))
    for wrong in ([6.91, 6.6, 6.3], [6.9, 6.6, 6.5]):
        with pytest.raises(ValueError, match="differ"):
            agreement.losses(np.array(wrong), np.array([6.9, 6.6, 6.3]))


@pytest.mark.parametrize(
    "spoilt, match",
    [(np.nan, "finite"), (np.inf, "finite"), (0.0, "correlate by 0.000"), (1.0, "correlate by 0.000")],
)
def test_maps_that_one_side_leaves_empty_are_not_alike(spoilt, match):
    maps = np.random.default_rng(0).random((3, 4, 5))
    other = maps.copy()
    other[1] = spoilt
    for pair in ((maps, other), (other, maps)):
        with pytest.raises(ValueError, match=match):
            agreement.alike(*pair)
    if np.isfinite(spoilt):  # constant on both sides: of the others alone
        assert agreement.alike(other, other) == "correlation 1.000"
        with pytest.raises(ValueError, match="all 1 are constant"):
            agreement.alike(other[1:2], other[1:2])


def test_top_classes_are_those_of_the_scores():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.5 - 1e-7, 0.0]])
    assert agreement.top_classes([[1, 2], [1, 0]], scores)  # rounding may change the order of equal scores
    for wrong in ([[2, 1], [0, 1]], [[1, 0], [0, 1]]):
        with pytest.raises(ValueError, match="differ"):
            agreement.top_classes(wrong, scores)


def test_a_peer_that_is_missing_is_said():
    ours = Contender("jaxcam", f"{__name__}:nothing", {})
    absent = Contender("nobody", "nobody:run", {}, needs=("nobody_at_all",), goal=2.0)
    rows = measure(Work("rest", 1, "images", ours, (absent,)), rounds=1, memory=False)
    assert rows == [Row("rest", "images", "nobody", 2.0, note="needs nobody_at_all: pip install '.[peers]'")]
    assert rows[0].note in table(rows)


def nothing():
    return lambda: None


def test_peak_memory_is_that_of_the_work():
    idle, busy = (peak_memory(Contender("", f"{__name__}:hoard", {"mebibytes": size})) for size in (0, 400))
    assert 380 < busy - idle < 440


def test_a_process_whose_peak_is_measured_begins_without_jax():
    script = Path(runs.__file__).parents[1] / "benchmark.py"  # which such a process runs under this name
    program = f"import runpy, sys; runpy.run_path({str(script)!r}, run_name='__mp_main__'); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=script.parent, stdout=PIPE, text=True, check=True)
    assert done.stdout == "False\n"


def test_peak_memory_of_a_gpu_is_what_the_library_there_says(monkeypatch):
    assert measuring._peak_of_gpu() == 0
    device = SimpleNamespace(memory_stats=lambda: {"peak_bytes_in_use": 3})
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    monkeypatch.setitem(sys.modules, "torch", None)
    assert measuring._peak_of_gpu() == 3
    cuda = SimpleNamespace(is_initialized=lambda: True, max_memory_allocated=lambda: 5)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert measuring._peak_of_gpu() == 5


@pytest.mark.slow
@pytest.mark.torch
@with_torch
def test_a_gpu_that_torch_does_not_find_is_said():
    import torch
    from benchmarks.with_torch import device_of

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match=r"JAX runs on a GPU, and torch .* finds none"):
        device_of(Subject("resnet18", "", device="gpu"))


def test_peak_memory_counts_a_worker_that_is_kept():
    assert peak_memory(Contender("", f"{__name__}:Helped", {"mebibytes": 1500})) > 1500


class Helped:
    """Work with a process that goes on as long as the work may be asked for."""

    def __init__(self, mebibytes):
        program = f"import sys; kept = b'1' * {mebibytes * 2**20}; print(flush=True); sys.stdin.read()"
        self.process = Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE)
        self.process.stdout.readline()

    def __call__(self):
        assert self.process.poll() is None

    def __del__(self):
        self.process.communicate()


def test_each_begins_a_round_in_its_turn():
    called = []
    runs_by_name = {name: partial(called.append, name) for name in "abc"}
    assert [len(times) for times in by_turns(runs_by_name, rounds=4, title="").values()] == [4, 4, 4]
    assert "".join(called) == "abcbcacababc"


def test_the_last_of_the_warming_runs_is_compared():
    ours, theirs = (Contender(name, f"{__name__}:counting", {}) for name in ("jaxcam", "peer"))
    theirs = replace(theirs, agree=lambda ours, theirs: f"{ours} {theirs}")
    assert measure(Work("count", 1, "runs", ours, (theirs,), warm=3), rounds=1, memory=False)[0].note == "3 3"


def counting():
    return partial(next, count(1))


def test_there_are_no_peers_on_a_tpu(monkeypatch):
    monkeypatch.setattr("jax.default_backend", lambda: "tpu")
    with pytest.raises(ValueError, match="on a tpu, where its peers do not"):
        runs.measured([], rounds=1, memory=False)


def hoard(mebibytes):
    return lambda: np.ones(mebibytes * 2**17)
