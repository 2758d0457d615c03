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

    data_dir = Path(data_dir)
    if dataset in BENCHMARKS:
        if split is not None:
            raise ValueError(f"--split: {dataset} is split by its published rule; leave it out")
        pool = BENCHMARKS[dataset].read(data_dir)
    else:
        layout = find_layout(dataset)
        how = {"on_error": on_error} if "on_error" in layout.options else {}
        parts = (layout.train, layout.test) if split is None else None
        if parts == (None, None):
            parts = _folders(data_dir) if dataset == "folder" else None
        if parts is None or (parts[0] is None and not dataset.startswith("tfds:")):
            pool = Pool(read_dataset(dataset, data_dir, split, **how))
        else:
            pool = join([tuple(read_dataset(dataset, data_dir, part, **how) for part in parts)])
    if (train, test, splits) == (None, None, None):
        return pool
    if pool.lists:
        raise ValueError(f"--train-per-class, --test-per-class, --splits: {dataset} has lists of its own; leave them out")
    known = pool.rule or Rule(0.5 if train is None else train)
    given = {"train": train, "test": test, "splits": splits}
    return replace(pool, rule=replace(known, **{name: value for name, value in given.items() if value is not None}))


def _folders(data_dir):
    """The two parts of a folder that has one for each."""
    tests = [name for name in ("test", "val") if (data_dir / name).is_dir()]
    return ("train", tests[0]) if tests and (data_dir / "train").is_dir() else None
