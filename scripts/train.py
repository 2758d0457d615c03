"""Train a network: `jaxcam train` as a file, for launchers that want one.

python scripts/train.py cub --data-dir CUB_200_2011 --init checkpoints/resnet50 --out runs/cub
"""

import sys

from jaxcam import cli

if __name__ == "__main__":
    sys.exit(cli.main(["train", *sys.argv[1:]]))
