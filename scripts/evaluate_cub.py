"""CUB-200-2011 with one's own checkpoints, beside the published figures: localization, or fine-grained recognition.

python scripts/evaluate_cub.py checkpoints/vgg16_gap_cub --data-dir CUB_200_2011 --out report
python scripts/evaluate_cub.py checkpoints/googlenet_gap --data-dir CUB_200_2011 --recognition
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import tyro

import jaxcam
from jaxcam.datasets import cub
from jaxcam.recognition import recognize
from jaxcam.report.published import cub_table, recognition_table
from jaxcam.report.table import save_table
from jaxcam.whole_files import whole_file


def main(
    checkpoints: tyro.conf.Positional[tuple[Path, ...]],
    data_dir: Path,
    out: Path = Path("out"),
    recognition: bool = False,
    limit: int | None = None,
    batch_size: int = 64,
) -> int:
    """Evaluate checkpoints and print their figures beside the published ones.

    Args:
        checkpoints: folders: of networks trained on CUB's classes; with --recognition, on any.
        data_dir: CUB-200-2011 as it is distributed.
        out: folder for NETWORK.json and NETWORK.txt of each; with --recognition, NETWORK.recognition.json.
        recognition: train linear SVMs on features of full images, of CAM-box crops and of true-box crops.
        limit: use only so many images of a split, evenly spaced.
        batch_size: images a step.
    """
    train, test = (cub(data_dir, split=split).spread(limit or sys.maxsize) for split in ("train", "test"))
    measured = {}
    for checkpoint in checkpoints:
        params, network = jaxcam.load(str(checkpoint)), jaxcam.describe(str(checkpoint))["network"]
        if recognition:
            found = recognize(params, train, test, batch_size=batch_size)
            figures = {name: figure._asdict() for name, figure in found.figures.items()}
            with whole_file(out / f"{network}.recognition.json") as file:
                file.write(json.dumps({"figures": figures, "penalties": found.penalties}, indent=1).encode())
            print(network, recognition_table(found.figures), sep="\n")
        else:
            report = jaxcam.evaluate(params, test, batch_size=batch_size)
            save_table(replace(report, dataset="cub test", checkpoint=str(checkpoint)), out, name=network)
            measured[network] = report.figures
    if measured:
        print(cub_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
