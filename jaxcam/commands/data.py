"""Data sets by the names and options of the command line."""

from dataclasses import replace
from functools import partial

import tyro

DATASET = tyro.conf.arg(metavar="{ilsvrc,cub,tiny_imagenet,wsol,folder,tfds:NAME,packed}")


def find_layout(dataset):
    """The table's line for a data set; that of `tfds:NAME` knows the NAME.

    >>> find_layout("cub").test
    'test'
    """
    from jaxcam.datasets import DATASETS

    kind, colon, name = dataset.partition(":")
    layout = DATASETS.get(f"{kind}:NAME" if colon else kind)
    if layout is None or bool(colon) != bool(name):
        raise ValueError(f"dataset: got {dataset!r}; known are {', '.join(DATASETS)}")
    return replace(layout, read=partial(layout.read, name=name)) if name else layout


def read_dataset(dataset, data_dir, split, **options):
    """A data set by its name, told of the options that were given."""
    layout, given = find_layout(dataset), {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - set(layout.options):
        raise ValueError(f"--{name.replace('_', '-')}: {dataset} does not take it; leave it out")
    return layout.read(data_dir, split=split, **given)
