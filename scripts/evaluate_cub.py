"""CUB-200-2011 with one's own checkpoints, beside the published figures: localization, or fine-grained recognition.

python scripts/evaluate_cub.py checkpoints/vgg16_gap_cub --data-dir CUB_200_2011 --out report
python scripts/evaluate_cub.py checkpoints/googlenet_gap --data-dir CUB_200_2011 --recognition
"""

import sys
from functools import partial
from pathlib import Path

import tyro

import jaxcam
from jaxcam.applications import recognize, save_recognition
from jaxcam.commands.running import answer, last_names
from jaxcam.datasets import cub
from jaxcam.evaluation import measure
from jaxcam.report.published import cub_table, recognition_table


def main(
    checkpoints: tyro.conf.Positional[tuple[str, ...]],
    data_dir: Path,
    out: Path = Path("out"),
    recognition: bool = False,
    limit: int | None = None,
    batch_size: int = 64,
) -> int:
    """Evaluate checkpoints and print their figures beside the published ones.

    Args:
        checkpoints: bundled names, or folders (./mine), of networks trained on CUB; with --recognition, on anything.
        data_dir: CUB-200-2011 as it is distributed.
        out: folder for a report's folder each, named by the checkpoint's; with --recognition, for JSON files.
        recognition: train linear SVMs on features of full images, of CAM-box crops and of true-box crops.
        limit: use only so many images of a split, evenly spaced.
        batch_size: images a step.
    """
    folders, measured = last_names(checkpoints), []
    networks = {checkpoint: jaxcam.describe(checkpoint)["network"] for checkpoint in checkpoints}
    most = sys.maxsize if limit is None else limit
    train, test = (cub(data_dir, split=split).spread(most) for split in ("train", "test"))
    told = {"data_dir": str(data_dir), "limit": limit}
    run = partial(measure, name="cub test", batch_size=batch_size, options=told)
    for checkpoint, name in folders.items():
        params = jaxcam.load(checkpoint)
        if recognition:
            found = recognize(params, train, test, batch_size=batch_size)
            save_recognition(found, out / f"{name}.recognition.json", checkpoint=checkpoint)
            print(f"{networks[checkpoint]} ({checkpoint}): {found.heading()}")
            print(recognition_table(found.figures))
        else:
            measured.append((networks[checkpoint], run(params, test, out / name, checkpoint=checkpoint)[0]))
    if not recognition:
        print(cub_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(answer(partial(tyro.cli, main)))
