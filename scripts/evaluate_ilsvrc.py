"""The paper's tables on ILSVRC's validation images, with the errors of one's own checkpoints beside.

python scripts/evaluate_ilsvrc.py checkpoints/googlenet_gap checkpoints/vgg16_gap --data-dir ILSVRC --out report
python scripts/evaluate_ilsvrc.py checkpoints/vgg16 --data-dir ILSVRC --method saliency
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

import jaxcam
from jaxcam.commands.running import answer, last_names
from jaxcam.datasets import ilsvrc
from jaxcam.evaluation import Protocol, measure
from jaxcam.report.published import ilsvrc_table


def main(
    checkpoints: tyro.conf.Positional[tuple[str, ...]],
    data_dir: Path,
    out: Path = Path("out"),
    protocol: Annotated[Protocol, tyro.conf.arg(name="")] = Protocol(),
    blacklist: Path | None = None,
    limit: int | None = None,
    batch_size: int = 64,
) -> int:
    """Evaluate checkpoints and print their errors beside the published ones.

    Args:
        checkpoints: bundled names, or folders (with a separator: ./mine); set beside the row of their network.
        data_dir: ILSVRC CLS-LOC as it is distributed.
        out: folder for a folder with the report of each, named by the checkpoint's.
        protocol: how maps and boxes are made.
        blacklist: the development kit's list of validation images whose boxes are not to be scored.
        limit: use only so many images, evenly spaced.
        batch_size: images a step.
    """
    folders, measured = last_names(checkpoints), []
    networks = {checkpoint: jaxcam.describe(checkpoint)["network"] for checkpoint in checkpoints}
    dataset = ilsvrc(data_dir, blacklist=blacklist).spread(sys.maxsize if limit is None else limit)
    told = {"data_dir": str(data_dir), "blacklist": blacklist and str(blacklist), "limit": limit}
    run = partial(measure, name="ilsvrc val", protocol=protocol, batch_size=batch_size, options=told)
    for checkpoint, name in folders.items():
        params = jaxcam.load(checkpoint)
        method = "_".join(filter(None, (protocol.method, protocol.stage)))
        folder = out / (name if method == "cam" else f"{name}_{method}")
        report, _ = run(params, dataset, folder, checkpoint=checkpoint)
        measured.append((networks[checkpoint], report))
    print(ilsvrc_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(answer(partial(tyro.cli, main)))
