"""The paper's tables 1 and 2 on ILSVRC's validation images, with the errors of one's own checkpoints beside.

python scripts/evaluate_ilsvrc.py checkpoints/googlenet_gap checkpoints/vgg16_gap --data-dir ILSVRC --out report
"""

import sys
from dataclasses import replace
from pathlib import Path

import tyro

import jaxcam
from jaxcam.datasets import ilsvrc
from jaxcam.report.published import ilsvrc_table
from jaxcam.report.table import save_table


def main(
    checkpoints: tyro.conf.Positional[tuple[Path, ...]],
    data_dir: Path,
    out: Path = Path("out"),
    blacklist: Path | None = None,
    limit: int | None = None,
    batch_size: int = 64,
) -> int:
    """Evaluate checkpoints and print their errors beside the published ones.

    Args:
        checkpoints: folders; a network of the paper's is set beside its row.
        data_dir: ILSVRC CLS-LOC as it is distributed.
        out: folder for NETWORK.json and NETWORK.txt of each.
        blacklist: the development kit's list of validation images whose boxes are not to be scored.
        limit: use only so many images, evenly spaced.
        batch_size: images a step.
    """
    dataset, measured = ilsvrc(data_dir, blacklist=blacklist), {}
    for checkpoint in checkpoints:
        report = jaxcam.evaluate(jaxcam.load(str(checkpoint)), dataset, batch_size=batch_size, limit=limit)
        network = jaxcam.describe(str(checkpoint))["network"]
        measured[network] = replace(report, dataset="ilsvrc val", checkpoint=str(checkpoint))
        save_table(measured[network], out, name=network)
    print(ilsvrc_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
