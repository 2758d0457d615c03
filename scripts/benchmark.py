"""jaxcam beside what one would use instead, by turns in one run: python scripts/benchmark.py maps --out report.

Each prints a table of ratios (speed of jaxcam by the peer's, at the median), and writes JSON and a picture.
"""

import sys
from functools import partial

import tyro
from benchmarks import runs

from jaxcam.commands.running import answer

BENCHMARKS = {
    "maps": runs.maps,
    "boxes": runs.boxes,
    "evaluate": runs.evaluate,
    "train": runs.train,
    "start": runs.start,
}

if __name__ == "__main__":
    config = (tyro.conf.FlagCreatePairsOff,)
    sys.exit(answer(partial(tyro.extras.subcommand_cli_from_dict, BENCHMARKS, args=sys.argv[1:], config=config)))
