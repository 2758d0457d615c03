"""`jaxcam train`: a network's weights from a data set."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxcam.commands.data import read_dataset
from jaxcam.training.recipes import RECIPES, Recipe


def train_with(default: Recipe, arguments: Sequence[str]) -> Callable[..., int]:
    """The command `train`, whose options have the values of a recipe; the arguments go into the checkpoint's record."""

    def train(
        dataset: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar=f"{{{','.join(RECIPES)}}}")],
        *,
        data_dir: Path,
        out: Path,
        split: str | None = None,
        init: str | None = None,
        cache: bool = False,
        parallel: Literal["jit", "pmap"] = "jit",
        recipe: Annotated[Recipe, tyro.conf.arg(name="")] = default,
    ) -> int:
        """Train a network; started again with the same arguments, go on where it was cut off.

        Args:
            dataset: the layout of the data; its recipe gives the other options' defaults.
            data_dir: the data set's folder, as it is distributed.
            out: folder of the run: its checkpoint (after every epoch), the states to resume from, its log.
            split: part of the data set: train for tiny_imagenet; for folder the class folders of DATA_DIR itself.
            init: a checkpoint to fine-tune: its network, and all its weights that fit.
            cache: keep all decoded images in memory.
            parallel: how the devices of this host share a batch: one program for all, or replicas.
            recipe: how to train.
        """
        from jaxcam.datasets import DATASETS
        from jaxcam.training import train as train_network

        if dataset not in RECIPES:
            raise ValueError(f"dataset: got {dataset!r}; known are {', '.join(RECIPES)}")
        if arguments[1] != dataset:
            raise ValueError(f"dataset: got it behind other options; write jaxcam train {dataset} --data-dir ...")
        images = read_dataset(dataset, data_dir, DATASETS[dataset].train if split is None else split)
        data = f"{dataset}: {len(images)} images of {len(images.classes)} classes"
        record = {"data": data, "command": shlex.join(["jaxcam", *arguments])}
        train_network(images, recipe, out=out, initial=init, cache=cache, record=record, how=parallel)
        print(f"in {out}: checkpoint, log.jsonl")
        return 0

    return train
