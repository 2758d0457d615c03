"""The figures in the record of the bundled checkpoint, measured again where Tiny ImageNet is at hand."""

import os
from pathlib import Path

import pytest

import jaxcam
from jaxcam.datasets import tiny_imagenet
from jaxcam.evaluation import evaluate

HOME = os.environ.get("TINY_IMAGENET", "tiny-imagenet-200")
NAMES = ("top1_accuracy", "top5_accuracy", "gt_known", "top1_localization", "top5_localization")
NAMES += ("gt_known_whole_image", "gt_known_centered_box")


@pytest.mark.slow
@pytest.mark.skipif(not Path(HOME).is_dir(), reason="TINY_IMAGENET names no folder of Tiny ImageNet")
def test_the_bundled_checkpoint_has_the_figures_of_its_record():
    report = evaluate(jaxcam.load("tiny_imagenet"), tiny_imagenet(HOME, split="val"), batch_size=256)
    recorded = jaxcam.describe("tiny_imagenet")["figures"]
    accuracies = [recorded["accuracy_percent"][name] for name in ("top1", "top5", "gt_known", "top1_loc", "top5_loc")]
    baselines = [recorded["baselines_gt_known"][name] for name in ("whole_image", "centred_box")]
    assert [round(report.figures[name].value, 2) for name in NAMES] == [*accuracies, *baselines]
