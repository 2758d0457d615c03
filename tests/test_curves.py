"""The curves of a run show the numbers of its log, and gaps where there are none."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from jaxcam.report.curves import BLUE, POINTS, draw_curves, save_curves

LOG = (
    {"step": 50, "epoch": 0.5, "loss": 5.0, "accuracy": 0.1, "learning_rate": 0.1},
    {"step": 100, "epoch": 1.0, "loss": 4.0, "accuracy": 0.2, "learning_rate": 0.05, "held_out_accuracy": 0.25},
    {"step": 150, "epoch": 1.5, "loss": None, "accuracy": math.inf, "learning_rate": 0.02},
    {"step": 200, "epoch": 2.0, "loss": 3.0, "accuracy": 0.4, "learning_rate": 0.0, "held_out_accuracy": 0.5},
)


def curves_of(figure):
    """The data of every curve by its panel's title and its own label."""
    return {
        (axes.get_title("left"), line.get_label()): line.get_xydata() for axes in figure.axes for line in axes.lines
    }


def test_curves_are_the_numbers():
    curves = curves_of(draw_curves(LOG))
    nan = math.nan
    expected = {
        ("Loss", "training"): [(0.5, 5), (1, 4), (1.5, nan), (2, 3)],
        ("Accuracy", "training"): [(0.5, 10), (1, 20), (1.5, nan), (2, 40)],
        ("Accuracy", "held out"): [(1, 25), (2, 50)],  # no gap: the other lines do not have the figure
        ("Learning rate", "training"): [(0.5, 0.1), (1, 0.05), (1.5, 0.02), (2, 0)],
    }
    assert curves.keys() == expected.keys()
    for name, points in expected.items():
        np.testing.assert_allclose(curves[name], points, err_msg=str(name))


def test_axes_say_what_they_show(tmp_path):
    figure = draw_curves(LOG, title="a run of $2 and \\more")
    assert [axes.get_ylabel() for axes in figure.axes] == ["nats an image", "% of images", ""]
    assert figure.axes[-1].get_xlabel() == "epoch"
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["training", "held out"]
    without = draw_curves([*LOG, {"step": 250, "loss": 2.0}])
    assert without.axes[-1].get_xlabel() == "step"
    np.testing.assert_array_equal(curves_of(without)["Loss", "training"][:, 0], [50, 100, 150, 200, 250])
    save_curves(tmp_path / "curves.png", LOG, title="a run of $2 and \\more")
    assert plt.get_fignums() == []


def test_long_run_is_thinned_to_means():
    losses = np.random.default_rng(0).normal(3, 1, 2500)
    lines = [{"step": step, "loss": float(loss)} for step, loss in enumerate(losses, start=1)]
    lines[9] = {"step": 10, "loss": None}
    points = curves_of(draw_curves(lines))["Loss", "training"]
    assert len(points) == 834 <= POINTS
    np.testing.assert_allclose(points[5], (17, losses[15:18].mean()))
    np.testing.assert_allclose(points[-1], (2500, losses[-1]))
    assert np.flatnonzero(np.isnan(points[:, 1])).tolist() == [3]


def test_picture_has_a_gap_where_nothing_was_measured(tmp_path):
    lines = [{"step": step, "loss": None if 40 <= step < 60 else 2.0} for step in range(101)]
    save_curves(tmp_path / "new" / "curves.png", lines)
    with Image.open(tmp_path / "new" / "curves.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = [int(BLUE[start : start + 2], 16) for start in (1, 3, 5)]
    drawn = np.flatnonzero((np.abs(pixels - blue).sum(-1) < 12).any(0))
    holes = np.flatnonzero(np.diff(drawn) > 1)
    assert len(holes) == 1
    left, right = (drawn[holes[0] : holes[0] + 2] - drawn[0]) / (drawn[-1] - drawn[0])
    assert (left, right) == (pytest.approx(0.39, abs=0.01), pytest.approx(0.60, abs=0.01))


@pytest.mark.parametrize("line", [{"step": 0}, {"step": 0, "epoch": 0.0, "held_out_accuracy": 0.1}, LOG[0]])
def test_one_line_is_enough(tmp_path, line):
    save_curves(tmp_path / "curves.png", [line])
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_no_line():
    with pytest.raises(ValueError, match="lines: got none"):
        draw_curves([])
