"""`jaxcam methods`: every method with a line and a source."""

import inspect
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


def test_methods_are_short():
    """Docstring and all: a method fits on a screen."""
    lines = {name: len(inspect.getsource(inspect.unwrap(method)).splitlines()) for name, method in METHODS.items()}
    assert not {name: number for name, number in lines.items() if number > 60}
    assert lines["grad_cam"] > 10


def test_beginnings_choose(capsys):
    assert main(["methods", "layer", "xgrad"]) == 0
    out = capsys.readouterr().out
    assert "xgrad_cam  XGrad-CAM: " in out
    assert "IEEE TIP 2021" in out
    assert "saliency" not in out
    assert main(["methods", "zzz"]) == 2
    assert "methods: none begins with zzz; known are cam, " in capsys.readouterr().err
