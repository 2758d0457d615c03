"""Data sets by the names and options of the command line."""


def read_dataset(dataset, data_dir, split, **options):
    """A data set by its name, told of the options that were given."""
    from jaxcam.datasets import DATASETS

    layout, given = DATASETS[dataset], {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - set(layout.options):
        raise ValueError(f"--{name}: {dataset} does not take it; leave it out")
    return layout.read(data_dir, split=split, **given)
