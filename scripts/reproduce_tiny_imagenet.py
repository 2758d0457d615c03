"""From the folder of Tiny ImageNet to a checkpoint, its threshold and its table, as checkpoints/tiny_imagenet was made.

python scripts/reproduce_tiny_imagenet.py --data-dir tiny-imagenet-200 --out runs/tiny_imagenet
"""

import sys
from pathlib import Path

import tyro

import jaxcam
from jaxcam import cli
from jaxcam.training.recipes import TINY_IMAGENET

RUNS = ("first", "second", "third", "fourth")
# In place of the recipe's values: small crops first, which are fast, at a constant rate.
FIRST = ["--crop-size", "32", "--attention-dropout", "0", "--cooldown", "0", "--ema", "0.999"]
SECOND = ["--warmup-epochs", "0.1"]
# Twice more, at a rate that falls from the beginning.
AGAIN = [*SECOND, "--cooldown", "1", "--learning-rate", "0.06"]


def main(
    data_dir: Path,
    out: Path = Path("runs/tiny_imagenet"),
    epochs: tuple[float, float, float, float] = (12.32, TINY_IMAGENET.epochs, 7.0, 8.0),
) -> None:
    """Train four times, choose the threshold on 10,000 images held out, round, and evaluate on all validation images.

    Args:
        data_dir: Tiny ImageNet as it is distributed.
        out: folder of the runs and of the report; started again it goes on where it was cut off.
        epochs: passes over the training images, by small crops, by larger ones, and twice by these again.
    """
    first, second, third, fourth, stored = (out / name for name in (*RUNS, "tiny_imagenet"))

    def run(command, *arguments):
        if status := cli.main([command, "tiny_imagenet", "--data-dir", str(data_dir), *map(str, arguments)]):
            sys.exit(status)

    run("train", "--out", first, "--epochs", epochs[0], "--cache", *FIRST)
    run("train", "--out", second, "--epochs", epochs[1], "--cache", "--init", first / "checkpoint", *SECOND)
    run("train", "--out", third, "--epochs", epochs[2], "--cache", "--init", second / "checkpoint", *AGAIN)
    run("train", "--out", fourth, "--epochs", epochs[3], "--cache", "--init", third / "checkpoint", *AGAIN)
    trained, report = fourth / "checkpoint", ("--out", out / "report")
    run("evaluate", "--checkpoint", trained, "--split", "train", "--limit", 10000, "--choose-threshold", *report)
    jaxcam.save(jaxcam.load(trained), stored, record=jaxcam.describe(trained), overwrite=True, dtype="float16")
    run("evaluate", "--checkpoint", stored, *report)


if __name__ == "__main__":
    tyro.cli(main)
