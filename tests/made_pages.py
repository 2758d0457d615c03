"""What the tests put on a page: samples, classes and curves, with names as bad as a file can hold."""

import numpy as np

from jaxcam.report.contact_sheet import Sample
from jaxcam.report.page import ClassRow, Curve
from jaxcam.report.table import Figure

NASTY = """</script><script>window.broken = 1</script> "a" 'b' & <img src=x onerror="window.broken = 1">"""


def sample(label="cat", *, class_right=True, box_right=True, height=40, width=60, **changes):
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    parts = {
        "photo": np.stack([4 * columns, 5 * rows, columns + rows], axis=-1).clip(0, 255).astype(np.uint8),
        # A hill at a quarter of the height and three quarters of the width.
        "map": 9 * np.exp(-4 * ((rows / height - 0.25) ** 2 + (columns / width - 0.75) ** 2)) - 1,
        "box": np.array([6, 4, 36, 38], np.float32),
        "truth": np.array([[15, 10, 45, 36], [-6, 0, 66, 40]], np.float32),
        "guess": label if class_right else "dog",
        "probability": 0.625,
        "label": label,
    }
    return Sample(**{**parts, **changes}, class_right=class_right, box_right=box_right)


SAMPLES = [
    sample("cat"),
    sample("cat", class_right=False),
    sample("bee", box_right=False),
    sample("bee"),
    sample("cat"),
    sample(NASTY, class_right=False, box_right=False),
]
CLASSES = [
    ClassRow("cat", 5, 40.0, 62.5, None),
    ClassRow("Ant", 12, 8.25, 7.0, 3.0),
    ClassRow(NASTY, 3, 100.0, None, 50.0),
    ClassRow("bee", 40, 9.0, 70.0, 6.0),
]
THRESHOLDS = tuple(step / 1000 for step in range(1000))
CURVES = {
    "IoU .5": Curve(THRESHOLDS, tuple(50 - 100 * abs(x - 0.3) for x in THRESHOLDS[:600]) + (0.0,) * 400),
    NASTY: Curve((0.0, 0.5, 1.0), (10.0, 25.0, 25.0)),
}
FIGURES = {"top1_accuracy": Figure(39.15, 38.2, 40.1, 10000), "gt_known": Figure(62.5, 60.0, 64.0, 8000)}
EVERYTHING = {
    "title": NASTY,
    "settings": {"rule": "paper", NASTY: NASTY},
    "figures": {**FIGURES, NASTY: Figure(1.0, 0.5, 1.5, 7)},
    "notes": ["A sentence.", NASTY],
    "curves": CURVES,
    "classes": CLASSES,
    "samples": SAMPLES,
}
