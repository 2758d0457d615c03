"""The wheel holds what a user needs: the package, its checkpoints, its command."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_an_installed_wheel_finds_its_checkpoints(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, ROOT], check=True)
    installed = tmp_path / "installed"
    (wheel,) = tmp_path.glob("jaxcam-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    script = """if True:
        import jaxcam, jaxcam.cli
        from jaxcam.checkpoints import find
        from jaxcam.class_names import class_names
        assert class_names(1000)[1][0] == "n01440764"
        assert class_names(205)[0][0] == "abbey"
        from jaxcam.report.page import save_page
        save_page("report.html", title="Tiny", settings={}, figures={})
        params = jaxcam.load("tiny_imagenet")
        print(jaxcam.__version__, jaxcam.__file__, find("tiny_imagenet"), sep="\\n")
    """
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    version, module, checkpoint = answer.stdout.split()
    assert version in wheel.name
    assert Path(module) == installed / "jaxcam" / "__init__.py"
    assert Path(checkpoint) == installed / "jaxcam" / "_checkpoints" / "tiny_imagenet"
