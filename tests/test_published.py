"""The paper's ILSVRC tables, and the script that sets one's own errors beside them."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest

import jaxcam
from jaxcam.metrics import LocalizationCounts
from jaxcam.report.published import ILSVRC_TEST, ILSVRC_VAL, ilsvrc_table
from jaxcam.report.table import Baselines, Figure, Report
from tests.made_data import SYNSETS, make_cub, make_ilsvrc
from tests.random_network import random_params

SCRIPTS = Path(__file__).parents[1] / "scripts"


def report_of(checkpoint, **changes):
    counts = LocalizationCounts(
        images=200, boxed=100, top1=128, top5=172, gt_known=60, top1_loc=43, top5_loc=56, whole_image=0
    )
    given = {"counts": counts, "baselines": Baselines(1, 1, 0.8, 1), **changes}
    return Report(num_classes=1000, image_size=(224, 224), rule="paper", threshold=0.2, checkpoint=checkpoint, **given)


def place_of(lines, start):
    return next(index for index, line in enumerate(lines) if line.startswith(start))


def test_errors_stand_beneath_the_published_ones():
    bare = report_of("alexnets/c", baselines=None, counts=LocalizationCounts(200, 0, 128, 172, 0, 0, 0, 0))
    measured = [
        ("vgg16_gap", report_of("a" * 20)),
        ("resnet50", report_of("b")),
        ("vgg16", bare),
        ("vgg16_gap", report_of("./d")),
        ("vgg16", report_of("e", method="saliency")),
    ]
    lines = ilsvrc_table(measured).splitlines()
    place = place_of(lines, "vgg16_gap ")
    assert lines[place].split()[1:] == ["33.40", "12.20", "57.20", "45.14"]
    assert lines[place + 1].split() == ["a" * 20 + ",", "here", "36.00", "14.00", "57.00", "44.00"]
    assert lines[place + 2].split() == ["./d,", "here", "36.00", "14.00", "57.00", "44.00"]
    place = place_of(lines, "resnet50 (b), here")
    assert lines[place].split()[3:] == ["36.00", "14.00", "57.00", "44.00"]
    place = place_of(lines, "vgg16 ")
    assert lines[place].split() == ["vgg16", "31.20", "11.40"]
    assert lines[place + 1].split() == ["alexnets/c,", "here", "36.00", "14.00"]
    assert lines[place_of(lines, "backprop on vgg16") + 1].split() == ["e,", "here", "36.00", "14.00", "57.00", "44.00"]
    # Every column ends where its heading does.
    blank = lines.index("")
    assert {len(line) for line in lines[:blank] if line.split()[-1] in ("45.14", "44.00", "top-5")} == {len(lines[1])}
    assert blank == 2 + len(ILSVRC_VAL) + len(measured) + 1 + len(ILSVRC_TEST)


def test_the_benchmark_and_how_ours_were_made_stand_below():
    best = {"max_box_acc_v2": Figure(61.0, 60.0, 62.0, 9)}
    measured = [("vgg16_gap", report_of("./a", further=best)), ("vgg16", report_of("b", method="saliency"))]
    text = ilsvrc_table(measured)
    lines = text.split("\n\n")[1].splitlines()
    place = place_of(lines, "vgg16_gap")
    assert [line.split() for line in lines[place : place + 3]] == [
        ["vgg16_gap", "60.00"],
        ["./a,", "here", "61.00", "60.00", "43.00", "64.00"],
        ["inception_v3", "63.40"],
    ]
    assert lines[place_of(lines, "backprop on vgg16 (b), here")].split()[5:] == ["60.00", "43.00", "64.00"]
    assert lines[place_of(lines, "centred box")].split() == ["centred", "box", "52.50"]
    assert {len(line) for line in lines if line.endswith(("64.00", "class"))} == {len(lines[0])}
    ours = text.split("\n\n")[2].splitlines()[1:]
    assert ours[0].startswith(
        './a: 200 images, 1000 classes; images squashed to 224x224; box rule "paper" at threshold'
    )
    assert "maps by saliency" in ours[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, folder, row",
    [
        ("cam", "net", "resnet10 (./net), here"),
        ("saliency", "net_saliency", "backprop on resnet10 (./net), here"),
    ],
)
def test_script_evaluates_each_checkpoint(tmp_path, monkeypatch, capsys, method, folder, row):
    """By its folder, which "./" tells from a bundled name."""
    make_ilsvrc(tmp_path)
    card = jaxcam.Card(tuple(SYNSETS.values()), class_ids=tuple(SYNSETS), image_size=(32, 32))
    jaxcam.save(random_params(card), tmp_path / "net")
    monkeypatch.chdir(tmp_path)
    arguments = ["./net", "--data-dir", ".", "--batch-size", "4", "--method", method]
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / "evaluate_ilsvrc.py"), run_name="__main__")
    assert stop.value.code == 0
    kept = json.loads(Path("out", folder, "report.json").read_text())
    assert (kept["dataset"], kept["checkpoint"], kept["counts"]["images"]) == ("ilsvrc val", "./net", 6)
    assert "jaxcam" in kept["versions"]
    assert {"report.html", "predictions.jsonl"} < {path.name for path in Path("out", folder).iterdir()}
    lines = capsys.readouterr().out.splitlines()
    errors = [float(error) for error in lines[place_of(lines, row)].removeprefix(row).split()]
    names = ("top1_accuracy", "top5_accuracy", "top1_localization", "top5_localization")
    assert errors == pytest.approx([100 - kept["figures"][name]["value"] for name in names], abs=0.005)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["./net", "--data-dir", "."], "checkpoint: .*net"),
        (
            ["a/net", "b/net", "--data-dir", "."],
            "checkpoints: got a/net and b/net, whose files would both be called 'net'",
        ),
    ],
)
@pytest.mark.parametrize("script", ["evaluate_ilsvrc.py", "evaluate_cub.py"])
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, script, arguments, message):
    (make_cub if "cub" in script else make_ilsvrc)(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert stop.value.code == 2
    assert re.fullmatch(f"error: {message}.*\n", capsys.readouterr().err)
