"""Data sets by the names and options of the command line."""

import sys
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


def read_split(dataset, data_dir, split, on_error, given):
    """A data set, by default the part that it is evaluated on; `on_error` is told to readers that take it."""
    layout = find_layout(dataset)
    given["on_error"] = on_error if "on_error" in layout.options else None
    return read_dataset(dataset, data_dir, layout.test if split is None else split, **given)


def check_dataset(params, examples, limit, on_error):
    """The images to use, as `check_files` has them, with their classes looked at too."""
    from jaxcam.evaluation import check_classes
    from jaxcam.evaluation.inputs import is_nameless

    check_classes(params.card, examples)
    if is_nameless(examples) and examples.classes != params.card.classes[: len(examples.classes)]:
        taken = f"its class 0 is taken for {params.card.classes[0]!r}, and so on"
        print(f"warning: the data set has no names of classes to compare: {taken}", file=sys.stderr)
    return check_files(examples, limit, on_error)


def check_photos(examples):
    """Look at every photo's file before a training; each process of a run at its share.

    Boxes and masks are not looked at, since nothing is learnt from them.
    """
    import jax

    from jaxcam.datasets import inspect

    share = examples.examples[jax.process_index() :: jax.process_count()]
    plain = tuple(replace(example, boxes=(), masks=(), ignored=None) for example in share)
    findings = replace(inspect(replace(examples, examples=plain), progress=jax.process_index() == 0), empty_classes=())
    if findings:
        raise ValueError(f"{findings}; mend or remove them")


def check_files(examples, limit, on_error):
    """The images to use, with every file looked at before the long work.

    What cannot be read is an error, or a warning.
    """
    from jaxcam.datasets import inspect

    examples = examples if limit is None else examples.spread(limit)
    findings = inspect(examples)
    if limit is not None:  # a class may well have none of so few
        findings = replace(findings, empty_classes=())
    if findings.unreadable and on_error == "stop":
        raise ValueError(f"{findings}; --on-error skip leaves out what cannot be read")
    if findings:
        print(f"warning: {findings}", file=sys.stderr)
    return examples
