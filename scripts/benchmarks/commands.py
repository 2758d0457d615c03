"""Commands as a user types them, each a process of its own, and what they take to start."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.subjects import Subject, photos_in


def jaxcam_explain(subject: Subject, *, folder: str) -> Callable[[], np.ndarray]:
    """`jaxcam explain photo.jpg`; gives the probabilities of the classes."""
    checkpoint, out = Path(folder, subject.network), Path(folder, "explained")
    if not checkpoint.exists():
        program = "import sys; from benchmarks import with_jaxcam; with_jaxcam.save_checkpoint(*sys.argv[1:])"
        _run(["-c", program, subject.network, subject.folder, str(checkpoint)])
    photo = photos_in(f"{folder}/photos", [0])[0].path
    command = ["-m", "jaxcam", "explain", str(photo), "--checkpoint", str(checkpoint), "--out", str(out)]

    def run() -> np.ndarray:
        _run(command)
        report = json.loads((out / "explanations.json").read_text(encoding="utf-8"))
        return np.array([found["probability"] for found in report["photos"][0]["classes"]])

    return run


def torch_cam_script(subject: Subject, *, folder: str) -> Callable[[], np.ndarray]:
    """A script of torch-cam's user that does the same."""
    photo, out = photos_in(f"{folder}/photos", [0])[0].path, Path(folder, "explained_by_torch_cam")

    def run() -> np.ndarray:
        _run(["-m", "benchmarks.explain_with_torch_cam", str(photo), str(subject.file), subject.network, str(out)])
        return np.array(json.loads((out / "explanations.json").read_text(encoding="utf-8")))

    return run


def starts() -> dict[str, Callable[[], object]]:
    """What has to be loaded before anything happens."""
    return {
        "python": lambda: _run(["-c", "pass"]),
        "import jaxcam": lambda: _run(["-c", "import jaxcam"]),
        "import jaxcam, jaxcam.cam": lambda: _run(["-c", "import jaxcam; jaxcam.cam"]),
        "jaxcam --help": lambda: _run(["-m", "jaxcam", "--help"]),
    }


def _run(arguments: list[str]) -> None:
    home = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=home)
    if done.returncode:
        raise ValueError(f"{' '.join(arguments)}: ended with {done.returncode}:\n{done.stderr}")
