"""The script that times jaxcam beside torch runs, and tells both speeds and their ratio."""

import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("mixed_dtypes")]
SCRIPT = Path(__file__).parents[1] / "scripts/benchmark.py"


def test_training_steps_are_timed(capsys):
    train = runpy.run_path(str(SCRIPT))["train"]
    train(batch_size=2, size=32, rounds=2, threads=1)
    told = re.search(r"jaxcam ([\d.]+) .*, torch ([\d.]+) .*, jaxcam / torch ([\d.]+)", capsys.readouterr().out)
    ours, theirs, ratio = map(float, told.groups())
    assert ratio == pytest.approx(ours / theirs, rel=0.1)
