"""What a run says of what it will lack, and what it looks at before it begins."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import jax
import pytest

from jaxcam.datasets import Dataset, Example
from jaxcam.training import loop, showing, start, train
from jaxcam.training.recipes import CUB, Recipe
from jaxcam.training.starting import check_crop, tell_of_none
from tests.small_classifier import CARD, CLASSES, small_params

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

DATASET = Dataset((Example(Path("photo.png"), 0),) * 25, CLASSES)
LACKING = "no heatmaps are drawn, and no accuracy is measured"


@pytest.mark.parametrize("share", [0.0, 0.02, 0.04])
def test_where_none_is_held_out_it_is_said(capsys, share):
    tell_of_none(DATASET, share)
    told = f"holdout: {share} of 25 images is none; {LACKING}: give a larger share\n"
    assert capsys.readouterr().err == (told if share == 0.02 else "")


def test_held_out_images_are_measured_as_many_at_once_as_fit(monkeypatch):
    sizes, recipe = [], Recipe(batch_size=8, accumulate=4)
    monkeypatch.setattr(loop, "accuracy", lambda params, dataset, batch_size: sizes.append(batch_size))
    state = start(small_params(), recipe, steps=9, steps_an_epoch=9.0)
    loop._Loop(*[MagicMock()] * 8)._end_epoch(state, {"epoch": 1.0})
    assert sizes == [2]


def test_without_the_extra_for_tensorboard_nothing_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxcam\[tensorboard\]'"):
        train(DATASET, Recipe(), out=tmp_path, tensorboard=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [0, 10, 11])
def test_a_profile_of_no_step_is_told_of(tmp_path, monkeypatch, capsys, steps):
    for name in ("save_curves", "save_emergence"):
        monkeypatch.setattr(showing, name, lambda *_, **__: None)
    monkeypatch.setattr(jax.profiler, "trace", lambda folder: nullcontext())
    with showing.Showing(tmp_path, since=0, held_out=DATASET, tensorboard=False, profile=True) as shown:
        for number in range(1, steps + 1):
            shown.step(number)
    told = f"profile: no step is traced; this start had {steps} steps, and the first 10, "
    assert capsys.readouterr().err.startswith(told) == (steps <= 10)


@pytest.mark.parametrize("change", [{}, {"image_size": 64}], ids=["of the checkpoint", "of the recipe"])
def test_crops_that_show_little_have_to_be_meant(change):
    side = change.get("image_size", 72)
    card, recipe, enough = replace(CARD, image_size=(side, side)), replace(CUB, **change), round(side * 8 / 7)
    told = rf"load_size: got 256 pixels, .*, {side}, show \d%; give --load-size {enough}, or --crop-size {side} to mean"
    with pytest.raises(ValueError, match=told):
        check_crop(recipe, card)
    for right in ({"load_size": enough}, {"load_size": side * 3 // 2}, {"crop_size": side}, {"crop": "resized"}):
        check_crop(replace(recipe, **right), card)
