"""An evaluation that was interrupted and is run again: the same report, no image read twice, no journal of another."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import pytest

import jaxcam
from jaxcam.cli import main
from jaxcam.evaluation import Protocol, evaluate
from jaxcam.evaluation.figures import dataset_hash
from jaxcam.evaluation.journal import Journal
from tests.colour_network import colour_dataset, colour_params
from tests.made_data import make_wsol_masks

# The rule on the host: it compiles fastest.
HOW = {"protocol": Protocol(rule="release"), "batch_size": 4, "progress": False}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """11 images: batches of 4, 4 and 3."""
    return colour_dataset(make_wsol_masks(tmp_path_factory.mktemp("home"), 11))


@pytest.fixture(scope="module")
def expected(dataset):
    """The report of an uninterrupted run."""
    return evaluate(colour_params(), dataset, **HOW)


def interrupt(monkeypatch, written):
    """Ctrl-C when so many batches have been written to the journal."""
    append, left = Journal.append, [None] * written

    def interrupted(self, lines):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        append(self, lines)

    monkeypatch.setattr(Journal, "append", interrupted)


def cut(path, lost):
    """Take bytes from the end of a file, as a crash while writing does."""
    os.truncate(path, path.stat().st_size - lost)


def same(report, expected):
    assert report == expected
    assert report.predictions == expected.predictions
    assert report.as_json() == expected.as_json()


@pytest.mark.core
@pytest.mark.parametrize("written, lost, done", [pytest.param(0, 0, 0, marks=pytest.mark.slow), (1, 0, 4), (2, 50, 7)])
def test_the_report_is_that_of_an_uninterrupted_run(dataset, expected, tmp_path, monkeypatch, written, lost, done):
    params, journal = colour_params(), tmp_path / "journal"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, written)
        evaluate(params, dataset, journal=journal, **HOW)
    cut(journal, lost)
    reads, read = [], jaxcam.batches.read_image
    monkeypatch.setattr("jaxcam.batches.read_image", lambda path: reads.append(path) or read(path))
    same(evaluate(params, dataset, journal=journal, **HOW), expected)
    assert sorted(reads) == sorted(example.path for example in dataset[done:])
    # A journal that is complete needs no image.
    reads.clear()
    same(evaluate(params, dataset, journal=journal, **HOW), expected)
    assert reads == []
    kept = [json.loads(line) for line in journal.read_bytes().splitlines()[1:]]
    assert [line["index"] for line in kept] == list(range(11))
    names = "top1_accuracy top5_accuracy gt_known top1_localization top5_localization max_box_acc max_box_acc_v2"
    names += " pointing_game pxap gt_known_whole_image gt_known_centered_box gt_known_random_map"
    assert list(expected.figures) == names.split()


@pytest.fixture
def begun(dataset, tmp_path, monkeypatch):
    """The journal of an evaluation that was interrupted with one line in it; nothing is ever computed."""

    def nothing(*arguments, **options):
        raise RuntimeError

    monkeypatch.setattr("jaxcam.evaluation.figures.steps", nothing)
    with pytest.raises(RuntimeError):
        evaluate(colour_params(), dataset, journal=tmp_path / "journal")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"index": 0}\n')
    return tmp_path / "journal"


def relabelled(dataset):
    return replace(dataset, examples=(replace(dataset[0], label=1), *dataset[1:]))


def without_a_mask(dataset):
    return replace(dataset, examples=(replace(dataset[0], ignored=None), *dataset[1:]))


def brighter(params):
    return params.replace(card=replace(params.card, preprocessing=jaxcam.Preprocessing(mean=(0.0, 0.0, 0.1))))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda params, data: (params, data, {"threshold": 0.5}), r"\(threshold: 0\.4 there, 0\.5 here\)"),
        (lambda params, data: (params, data, {"protocol": Protocol(rule="wsol")}), r"\(rule: paper there, wsol here\)"),
        (lambda params, data: (params, data, {"limit": 5}), r"\(dataset: "),
        (lambda params, data: (params, relabelled(data), {}), r"\(dataset: "),
        (lambda params, data: (params, without_a_mask(data), {}), r"\(dataset: "),
        (lambda params, data: (params.replace(variables=jnp.eye(3)), data, {}), r"\(params: "),
        (lambda params, data: (brighter(params), data, {}), r"\(params: "),
    ],
)
def test_a_journal_of_another_evaluation_is_refused_and_stays(dataset, begun, change, message):
    before = begun.read_bytes()
    params, data, options = change(colour_params(), dataset)
    with pytest.raises(ValueError, match=f"an unfinished evaluation with other settings.*{message}"):
        evaluate(params, data, journal=begun, **options)
    assert begun.read_bytes() == before
    with pytest.raises(RuntimeError):  # none of these matters to what is found in an image
        evaluate(colour_params(), dataset, journal=begun, batch_size=3, on_error="skip", threshold=0.4)


def test_the_same_relative_paths_elsewhere_are_other_images(dataset, tmp_path, monkeypatch):
    relative = replace(dataset, examples=tuple(replace(one, path=Path(one.path.name)) for one in dataset))
    hashes = set()
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        hashes |= {(dataset_hash(relative), dataset_hash(dataset))}
    assert [len({*column}) for column in zip(*hashes, strict=True)] == [2, 1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda header: b"",
        lambda header: b"no journal\n",
        lambda header: b"{}\n",
        lambda header: b'{"settings": 3}\n',
        lambda header: header + b'{"index": 0\n{"index": 1}\n',
        lambda header: header + b"\xff\n",
        lambda header: header + b'{"image": "a.jpg"}\n',
    ],
)
def test_a_damaged_journal_is_refused_and_stays(dataset, begun, damage):
    begun.write_bytes(damage(begun.read_bytes()))
    before = begun.read_bytes()
    with pytest.raises(ValueError, match=r"journal: damaged \(.*\); delete it to start the evaluation anew"):
        evaluate(colour_params(), dataset, journal=begun)
    assert begun.read_bytes() == before


def test_two_evaluations_do_not_mix_their_lines(tmp_path):
    path = tmp_path / "journal"
    first, second = Journal(path, {"threshold": 0.2}), Journal(path, {"threshold": 0.5})
    second.append([{"index": 1}])
    with pytest.raises(ValueError, match="journal: another run has used it since"):
        first.append([{"index": 0}])
    assert Journal(path, {"threshold": 0.5}).done == {1: {"index": 1}}
    path.unlink()
    with pytest.raises(ValueError, match="journal: another run has used it since"):
        second.append([{"index": 2}])
    assert not path.exists()


def test_a_journal_without_lines_binds_nobody(dataset, tmp_path):
    journal = tmp_path / "journal"
    with pytest.raises(ValueError, match="batch_size: got 0"):
        evaluate(colour_params(), dataset, journal=journal, batch_size=0)
    assert evaluate(colour_params(), dataset, journal=journal, **HOW).counts.images == 11


def test_the_same_command_goes_on(dataset, tmp_path, monkeypatch, capsys):
    home = dataset[0].path.parents[2]
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: colour_params())
    monkeypatch.setattr("jaxcam.commands.data.read_dataset", lambda *arguments, **options: dataset)
    monkeypatch.setattr("jaxcam.evaluation.measuring.origin", dict)  # the commit is no matter
    part = "predictions.jsonl.0.part"

    def run(out):
        arguments = ["evaluate", "wsol", "--data-dir", str(home), "--out", str(tmp_path / out)]
        return main([*arguments, "--rule", "release", "--batch-size", "4", "--gallery", "0"])

    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        assert run("twice") == 130
    assert "interrupted" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "twice").iterdir()] == [part]
    assert (tmp_path / "twice" / part).read_bytes().count(b"\n") == 1 + 8
    assert run("twice") == 0
    assert "8/11" in capsys.readouterr().err  # where the bar starts
    assert run("once") == 0
    names = {"report.json", "report.txt", "report.html", "predictions.jsonl"}
    for out in ("once", "twice"):
        assert {file.name for file in (tmp_path / out).iterdir()} == names
    for name in names:
        assert (tmp_path / "once" / name).read_text() == (tmp_path / "twice" / name).read_text(), name


KILLED = """
import os, signal, sys
from pathlib import Path
from jaxcam.evaluation.journal import Journal
from tests.colour_network import colour_dataset, colour_params
from tests.test_evaluation_resumed import HOW, evaluate

append, written = Journal.append, []

def killed(self, lines):
    append(self, lines)
    written.append(lines)
    if len(written) == 2:
        os.truncate(self.path, os.path.getsize(self.path) - 100)
        os.kill(os.getpid(), signal.SIGKILL)

Journal.append = killed
evaluate(colour_params(), colour_dataset(Path(sys.argv[1])), journal=sys.argv[2], **HOW)
"""


@pytest.mark.slow
def test_after_a_kill_in_a_write(tmp_path):
    dataset, journal = colour_dataset(make_wsol_masks(tmp_path, 11)), tmp_path / "journal"
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(journal)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not journal.read_bytes().endswith(b"\n")
    resumed = evaluate(colour_params(), dataset, journal=journal, **HOW)
    same(resumed, evaluate(colour_params(), dataset, **HOW))
    assert resumed.counts.images == 11
