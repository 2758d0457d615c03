"""Names in pictures: as much of them as there is room for, whether they have blanks or none."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxcam.report.contact_sheet import LETTERS, Sample, draw_sample
from jaxcam.report.sheet import shortened

BIRD = "187.American_Three_toed_Woodpecker"


@pytest.mark.parametrize(
    "name, letters, expected",
    [
        (BIRD, 28, "187.American_Three_toed_Woo…"),
        (BIRD, 34, BIRD),
        (BIRD, 33, "187.American_Three_toed_Woodpeck…"),
        ("tabby, tabby cat", 16, "tabby, tabby cat"),
        ("tabby,  tabby\ncat", 16, "tabby, tabby cat"),
        ("tabby, tabby cat", 15, "tabby, tabby c…"),
        ("tabby, tabby cat", 8, "tabby,…"),
        ("猫" * 9, 5, "猫猫猫猫…"),
        ("", 5, ""),
        (" \n", 5, ""),
    ],
)
def test_shortened(name, letters, expected):
    assert shortened(name, letters) == expected


def test_a_long_name_over_a_sample():
    box, nothing = np.array([0, 0, 6, 4], np.float32), np.zeros((0, 4), np.float32)
    parts = {"photo": np.zeros((4, 6, 3), np.uint8), "map": np.zeros((4, 6), np.float32), "box": box, "truth": nothing}
    told = {"guess": BIRD, "probability": 0.5, "label": BIRD, "class_right": True, "box_right": False}
    axes = Figure().add_subplot()
    draw_sample(axes, Sample(**parts, **told))
    assert axes.get_title().startswith(f"{BIRD[: LETTERS - 1]}… 50%")
    assert [text.get_text() for text in axes.texts] == [f"true: {BIRD[: LETTERS - 1]}…"]
