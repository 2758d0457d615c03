"""The paper's ILSVRC tables, and the script that sets one's own errors beside them."""

import json
import runpy
from pathlib import Path

import jax
import pytest

import jaxcam
from jaxcam.metrics import LocalizationCounts
from jaxcam.report.published import ILSVRC_TEST, ILSVRC_VAL, ilsvrc_table
from jaxcam.report.table import Report
from tests.made_data import SYNSETS, make_ilsvrc

SCRIPTS = Path(__file__).parents[1] / "scripts"


def report_of(**counts):
    given = LocalizationCounts(
        images=200, boxed=100, top1=128, top5=172, gt_known=60, top1_loc=43, top5_loc=56, whole_image=0
    )
    return Report(given._replace(**counts), 1000, (224, 224), "paper", 0.2)


def test_errors_stand_beneath_the_published_ones():
    lines = ilsvrc_table({"vgg16_gap": report_of(), "resnet50": report_of(), "vgg16": report_of(boxed=0)}).splitlines()
    place = [line.split()[0] for line in lines].index("vgg16_gap")
    assert lines[place].split()[1:] == ["33.40", "12.20", "57.20", "45.14"]
    assert lines[place + 1].split() == ["measured", "here", "36.00", "14.00", "57.00", "44.00"]
    place = [line.split()[0] for line in lines].index("resnet50,")
    assert lines[place].split() == ["resnet50,", "here", "36.00", "14.00", "57.00", "44.00"]
    place = [line.split()[0] for line in lines].index("vgg16")
    assert lines[place].split() == ["vgg16", "31.20", "11.40"]
    assert lines[place + 1].split() == ["measured", "here", "36.00", "14.00"]
    # Every column ends where its heading does.
    assert {len(line) for line in lines if line.split()[-1] in ("45.14", "44.00", "top-5")} == {len(lines[1])}
    assert len(lines) == 2 + len(ILSVRC_VAL) + 3 + 1 + len(ILSVRC_TEST)


def test_script_evaluates_each_checkpoint(tmp_path, capsys):
    make_ilsvrc(tmp_path)
    card = jaxcam.Card(tuple(SYNSETS.values()), class_ids=tuple(SYNSETS), image_size=(64, 64))
    params = jaxcam.init("nin", jax.random.key(0, impl="rbg"), card=card)
    jaxcam.save(params, tmp_path / "net")
    main = runpy.run_path(str(SCRIPTS / "evaluate_ilsvrc.py"))["main"]
    assert main((tmp_path / "net",), tmp_path, out=tmp_path / "out", batch_size=4) == 0
    kept = json.loads((tmp_path / "out/nin/report.json").read_text())
    assert (kept["dataset"], kept["counts"]["images"]) == ("ilsvrc val", 6)
    lines = capsys.readouterr().out.splitlines()
    place = [line.split()[0] for line in lines].index("nin")
    errors = [float(word) for word in lines[place + 1].split()[2:]]
    names = ("top1_accuracy", "top5_accuracy", "top1_localization", "top5_localization")
    assert (tmp_path / "out/nin/report.html").exists()
    assert errors == pytest.approx([100 - kept["figures"][name]["value"] for name in names], abs=0.005)
