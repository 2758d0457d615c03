"""From the folder of Tiny ImageNet to a checkpoint, its threshold and its table, as checkpoints/tiny_imagenet was made.

python scripts/reproduce_tiny_imagenet.py --data-dir tiny-imagenet-200 --out runs/tiny_imagenet
"""

import sys
from pathlib import Path

import tyro

from jaxcam import cli
from jaxcam.training.recipes import TINY_IMAGENET


def main(data_dir: Path, out: Path = Path("runs/tiny_imagenet"), epochs: float = TINY_IMAGENET.epochs) -> int:
    """Train, choose the threshold on 10,000 training images, and evaluate on all validation images.

    Args:
        data_dir: Tiny ImageNet as it is distributed.
        out: folder of the run; started again it goes on where it was cut off.
        epochs: passes over the training images.
    """
    data, checkpoint = ["tiny_imagenet", "--data-dir", str(data_dir)], ["--checkpoint", str(out / "checkpoint")]
    threshold = ["--split", "train", "--limit", "10000", "--choose-threshold"]
    steps = (
        ["train", *data, "--out", str(out), "--epochs", str(epochs), "--cache"],
        ["evaluate", *data, *checkpoint, *threshold, "--out", str(out / "report")],
        ["evaluate", *data, *checkpoint, "--out", str(out / "report")],
    )
    return next((status for status in map(cli.main, steps) if status), 0)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
