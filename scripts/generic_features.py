"""Linear SVMs on the features that `jaxcam features` wrote: a table with the columns of the CAM paper's, and heatmaps.

jaxcam features caltech101 --data-dir 101_ObjectCategories --layer gap --out features/caltech101
python scripts/generic_features.py features/caltech101 features/scene15
"""

import sys
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import tyro

from jaxcam.applications.benchmarks import BENCHMARKS
from jaxcam.applications.generic import has_maps, report_features
from jaxcam.commands.running import answer
from jaxcam.report.feature_table import feature_table


def main(
    folders: tyro.conf.Positional[tuple[Path, ...]],
    checkpoint: str | None = None,
    pictures: int = 24,
    threshold: float | None = None,
) -> int:
    """Train and measure SVMs on stored features, and print all figures in one table.

    What an SVM looks at in test images of the first split is drawn into heatmaps.png, beside the features. Interrupted,
    the same command goes on behind the last split that was measured.

    Args:
        folders: that `jaxcam features` wrote.
        checkpoint: where the one is that the features are from; by default, where it was then.
        pictures: how many images heatmaps.png shows; 0 for none.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
    """
    if not folders:
        raise ValueError("folders: got none; give folders that `jaxcam features` wrote")
    measured, notes = [], []
    for folder in folders:
        found = report_features(folder, checkpoint=checkpoint, pictures=pictures, threshold=threshold)
        about = found.about
        row = f"{about['layer']} of {about['network']} ({Path(about['checkpoint']).name})"
        measured.append((row, about["dataset"], (found.mean, found.spread)))
        notes.append(f"{about['dataset']}: {found.measure}; {found.rule}")
        if found.class_means:
            spread = f"±{stdev(found.class_means):.2f}" if len(found.class_means) > 1 else ""
            notes[-1] += f"; mean of the classes' accuracies {fmean(found.class_means):.2f}{spread}"
        notes[-1] += f"; {folder}: svm.json" + (", heatmaps.png" if pictures > 0 and has_maps(about) else "")
    headings = {name: benchmark.title for name, benchmark in BENCHMARKS.items()}
    print(feature_table(headings, measured))
    print(*notes, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(answer(partial(tyro.cli, main)))
