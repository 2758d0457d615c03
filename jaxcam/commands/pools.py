"""Data sets with their splits, by the names of the command line."""

from pathlib import Path

import tyro

from jaxcam.commands.data import find_layout, read_dataset

POOL = tyro.conf.arg(
    metavar="{sun397,indoor67,scene15,sun_attribute,caltech101,caltech256,action40,event8,"
    "folder,tfds:NAME,cub,tiny_imagenet,ilsvrc,wsol,packed}"
)


def read_pool(dataset, data_dir, *, split=None, train=None, test=None, splits=None, on_error="stop"):
    """A data set and how it is split: by the published lists, its own two parts, or a rule.

    `split` takes one part alone, and `train`, `test` and `splits` draw from it what the rule of the data set leaves
    open.
    """
    from dataclasses import replace

    from jaxcam.applications.benchmarks import BENCHMARKS
    from jaxcam.applications.pools import Pool, Rule, join

    if dataset in BENCHMARKS:
        if split is not None:
            raise ValueError(f"--split: {dataset} is split by its published rule; leave it out")
        pool = BENCHMARKS[dataset].read(data_dir)
    else:
        try:
            layout = find_layout(dataset)
        except ValueError as error:
            raise ValueError(f"{error}, {', '.join(BENCHMARKS)}") from None
        on_error = on_error if "on_error" in layout.options else None
        parts = _parts(dataset, layout, data_dir) if split is None else (split,)
        read = [read_dataset(dataset, data_dir, part, on_error=on_error) for part in parts]
        pool = join([tuple(read)]) if len(read) == 2 else Pool(read[0])
    given = {"train": train, "test": test, "splits": splits}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return pool
    if pool.lists:
        raise ValueError(f"--{min(given)}: {dataset} has training and test images of its own; leave it out")
    if pool.rule is None and train is None:
        raise ValueError(f"--{min(given)}: {dataset} has no rule to change; give --train too, the images of a class")
    return replace(pool, rule=replace(pool.rule or Rule(train), **given))


def _parts(dataset, layout, data_dir):
    """The names of the two parts of a data set, or of the one where it has no two."""
    if layout.train is not None:
        return layout.train, layout.test
    tests = [name for name in ("test", "val") if Path(data_dir, name).is_dir()]
    folders = dataset == "folder" and tests and Path(data_dir, "train").is_dir()
    return ("train", tests[0]) if folders else (None,)
