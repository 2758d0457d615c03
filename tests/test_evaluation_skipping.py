"""`--on-error`: a damaged or missing file stops an evaluation and is named, or is left out and counted."""

import json
from dataclasses import replace

import pytest

from jaxcam.cli import main
from jaxcam.datasets import DATASETS
from jaxcam.evaluation import Protocol, choose_threshold, evaluate
from tests.colour_network import colour_dataset, colour_params
from tests.made_data import make_ilsvrc, make_wsol_masks
from tests.test_evaluation_resumed import HOW, interrupt

NAME = "ILSVRC2012_val_00000003"


def halve(path):
    """A file whose header can be read, and whose contents cannot."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def run(home, out, *arguments):
    how = ["--data-dir", str(home), "--out", str(out), "--rule", "release", "--batch-size", "4", "--gallery", "0"]
    return main(["evaluate", *arguments, *how])


def written(out):
    """report.json, report.txt and the lines of predictions.jsonl."""
    lines = (out / "predictions.jsonl").read_text().splitlines()
    return json.loads((out / "report.json").read_text()), (out / "report.txt").read_text(), list(map(json.loads, lines))


@pytest.mark.core
@pytest.mark.parametrize(
    "damage, file, named",
    [
        (halve, f"ILSVRC/Data/CLS-LOC/val/{NAME}.JPEG", ".JPEG: cannot be read"),
        (lambda path: path.unlink(), f"ILSVRC/Data/CLS-LOC/val/{NAME}.JPEG", ".JPEG: no such file"),
        (halve, f"ILSVRC/Annotations/CLS-LOC/val/{NAME}.xml", ".xml"),
    ],
)
def test_a_damaged_file_stops_or_is_left_out(tmp_path, monkeypatch, capsys, damage, file, named):
    home, out = make_ilsvrc(tmp_path), tmp_path / "out"
    whole = DATASETS["ilsvrc"].read(home, split="val")
    params = colour_params(whole.classes, whole.class_ids)
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: params)
    rest = replace(whole, examples=tuple(example for example in whole if NAME not in example.path.name))
    expected = evaluate(params, rest, **HOW)
    damage(home / file)
    assert run(home, out, "ilsvrc") == 2
    shown = capsys.readouterr()
    assert f"{NAME}{named}" in shown.err
    assert shown.out == ""
    # No report, at most what to go on from.
    assert {path.name for path in out.glob("*")} <= {"predictions.jsonl.0.part"}
    assert run(home, out, "ilsvrc", "--on-error", "skip") == 0
    report, text, lines = written(out)
    (reason,) = report["skipped"]
    assert f"{NAME}{named}" in reason
    assert "Files that could not be read, and count for nothing: 1." in text
    assert text in capsys.readouterr().out
    (line,) = (line for line in lines if "skipped" in line)
    assert line["skipped"] == reason
    if named == ".JPEG: cannot be read":  # the others were left out by the data set's reader
        assert (line["index"], line["image"]) == (2, str(home / file))
    assert len(lines) == 6
    # All others are as if it had never been there, but for the noise of the random map.
    index_free = [
        [{name: value for name, value in line.items() if name not in ("index", "random_map")} for line in of]
        for of in ([line for line in lines if "skipped" not in line], expected.predictions)
    ]
    assert index_free[0] == index_free[1]
    figures = {name: figure._asdict() for name, figure in expected.figures.items()}
    assert report["figures"].pop("gt_known_random_map")["n"] == figures.pop("gt_known_random_map")["n"] == 5
    assert report["figures"] == figures
    # A line of the development kit's file is an image: with one left out, all later ones would be another's.
    assert not (out / "report.pred.loc.txt").exists()


@pytest.mark.parametrize("damage", [halve, lambda path: path.unlink()])
def test_a_damaged_mask(tmp_path, monkeypatch, capsys, damage):
    home, out = make_wsol_masks(tmp_path), tmp_path / "out"
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: colour_params())
    damage(home / "masks/2_two.png")
    arguments = ["wsol", "--split", "val", "--images", str(home / "photos"), "--masks", str(home / "masks")]
    assert run(home, out, *arguments) == 2
    assert "2_two.png" in capsys.readouterr().err
    assert not (out / "report.json").exists()
    assert run(home, out, *arguments, "--on-error", "skip") == 0
    report, _, lines = written(out)
    assert len(report["skipped"]) == 1
    assert report["figures"]["pxap"]["n"] == report["counts"]["images"] == 5
    assert [(line["index"], line["image"]) for line in lines if "skipped" in line] == [
        (2, str(home / "photos/part 0/a,2.jpg"))
    ]
    assert "2_two.png" in report["skipped"][0]


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_nothing_can_be_read(tmp_path, monkeypatch, capsys, on_error):
    home, out = make_wsol_masks(tmp_path), tmp_path / "out"
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: colour_params())
    for path in (home / "photos").rglob("*.jpg"):
        path.write_bytes(b"")
    arguments = ["wsol", "--split", "val", "--images", str(home / "photos"), "--masks", str(home / "masks")]
    assert run(home, out, *arguments, "--on-error", on_error) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    told = "images that cannot be read (6)" if on_error == "stop" else "none of 6 images could be read; the first: "
    assert last.startswith("error: ")
    assert told in last
    assert not (out / "report.json").exists()


def test_a_journal_of_skipped_images(tmp_path, monkeypatch):
    """They are read again: with "skip" they are left out again or count, with "stop" they stop or count."""
    dataset, journal = colour_dataset(make_wsol_masks(tmp_path)), tmp_path / "journal"
    broken, whole = dataset[1].path, dataset[1].path.read_bytes()
    expected = evaluate(colour_params(), dataset, **HOW)
    halve(broken)
    skipping = evaluate(colour_params(), dataset, on_error="skip", **HOW)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, 1)
        evaluate(colour_params(), dataset, journal=journal, on_error="skip", **HOW)
    assert [line["index"] for line in map(json.loads, journal.read_bytes().splitlines()) if "skipped" in line] == [1]
    with pytest.raises(ValueError, match=r"a,1\.jpg: cannot be read"):
        evaluate(colour_params(), dataset, journal=journal, **HOW)
    resumed = evaluate(colour_params(), dataset, journal=journal, on_error="skip", **HOW)
    assert resumed == skipping
    assert resumed.predictions == skipping.predictions
    assert resumed.counts.images == 5
    broken.write_bytes(whole)
    left_out = journal.read_bytes()
    for on_error in ("skip", "stop"):
        journal.write_bytes(left_out)
        found = evaluate(colour_params(), dataset, journal=journal, on_error=on_error, **HOW)
        assert found.predictions == expected.predictions


@pytest.mark.slow
def test_a_threshold_is_chosen_on_what_can_be_read(tmp_path):
    dataset = replace(colour_dataset(make_wsol_masks(tmp_path)), split="train")
    rest = replace(dataset, examples=(dataset[0], *dataset[2:]))
    how = {"thresholds": (0.2, 0.5, 0.8), "batch_size": 4, "progress": False, "protocol": Protocol(rule="wsol")}
    expected = choose_threshold(colour_params(), rest, **how)
    halve(dataset[1].path)
    with pytest.raises(ValueError, match=r"a,1\.jpg: cannot be read"):
        choose_threshold(colour_params(), dataset, **how)
    assert choose_threshold(colour_params(), dataset, on_error="skip", **how) == expected
    for example in dataset:
        halve(example.path)
    with pytest.raises(ValueError, match="none of its images with boxes could be read"):
        choose_threshold(colour_params(), dataset, on_error="skip", **how)
