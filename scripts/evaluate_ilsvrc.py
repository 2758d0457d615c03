"""The paper's tables on ILSVRC's validation images, with the errors of one's own checkpoints beside.

python scripts/evaluate_ilsvrc.py checkpoints/googlenet_gap checkpoints/vgg16_gap --data-dir ILSVRC --out report
python scripts/evaluate_ilsvrc.py checkpoints/vgg16 --data-dir ILSVRC --method saliency
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

import jaxcam
from jaxcam.datasets import ilsvrc
from jaxcam.evaluation import Protocol, save_report
from jaxcam.report.published import ilsvrc_table


def main(
    checkpoints: tyro.conf.Positional[tuple[Path, ...]],
    data_dir: Path,
    out: Path = Path("out"),
    protocol: Annotated[Protocol, tyro.conf.arg(name="")] = Protocol(),
    blacklist: Path | None = None,
    limit: int | None = None,
    batch_size: int = 64,
) -> int:
    """Evaluate checkpoints and print their errors beside the published ones.

    Args:
        checkpoints: folders; a network of the paper's is set beside its row.
        data_dir: ILSVRC CLS-LOC as it is distributed.
        out: folder for a folder with the report of each.
        protocol: how maps and boxes are made.
        blacklist: the development kit's list of validation images whose boxes are not to be scored.
        limit: use only so many images, evenly spaced.
        batch_size: images a step.
    """
    dataset, measured = ilsvrc(data_dir, blacklist=blacklist).spread(limit or sys.maxsize), {}
    for checkpoint in map(str, checkpoints):
        name = jaxcam.describe(checkpoint)["network"]
        row = f"backprop on {name}" if protocol.method == "saliency" else name
        journal = out / name / "predictions.jsonl.part"
        how = {"protocol": protocol, "batch_size": batch_size, "journal": journal}
        report = jaxcam.evaluate(jaxcam.load(checkpoint), dataset, **how)
        measured[row] = replace(report, dataset="ilsvrc val", checkpoint=checkpoint)
        save_report(measured[row], dataset, out / name)
        journal.unlink()
    print(ilsvrc_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
