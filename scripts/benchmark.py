"""jaxcam beside what one would use instead, by turns in one run: python scripts/benchmark.py maps --out report.

Each prints a table of ratios (speed of jaxcam by the peer's, at the median), and writes JSON and a picture.
"""

import os
import sys
from functools import partial


def main() -> int:
    # Imported here: a process whose peak memory is measured runs this file's first lines too, and needs none of it.
    import tyro
    from benchmarks import runs

    from jaxcam.commands.running import answer

    # On a GPU, torch works in the same process.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    benchmarks = {
        "maps": runs.maps,
        "boxes": runs.boxes,
        "evaluate": runs.evaluate,
        "train": runs.train,
        "start": runs.start,
    }
    config = (tyro.conf.FlagCreatePairsOff,)
    return answer(partial(tyro.extras.subcommand_cli_from_dict, benchmarks, args=sys.argv[1:], config=config))


if __name__ == "__main__":
    sys.exit(main())
