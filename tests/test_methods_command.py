"""`jaxcam methods`: every method with a line and a source."""

from itertools import pairwise

from jaxcam.cli import main
from jaxcam.methods.table import METHODS


def test_every_method_has_a_line_and_a_source(capsys):
    assert main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == list(METHODS)
    for line, below in pairwise(lines):
        if not line.startswith(" "):
            assert len(line.split("  ", 1)[1]) > 20
            assert below.startswith("    ")


def test_beginnings_choose(capsys):
    assert main(["methods", "layer", "xgrad"]) == 0
    out = capsys.readouterr().out
    assert "xgrad_cam  XGrad-CAM: " in out
    assert "IEEE TIP 2021" in out
    assert "saliency" not in out
    assert main(["methods", "zzz"]) == 2
    assert "methods: none begins with zzz; known are cam, " in capsys.readouterr().err
