"""`jaxcam train`: a network's weights from a data set."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxcam.commands.data import DATASET, check_photos, find_layout, read_dataset
from jaxcam.commands.hosts import Hosts
from jaxcam.commands.running import keep_freed_memory
from jaxcam.training.recipes import PRESETS, Recipe

PREEMPTED = 143  # the exit code of a process that SIGTERM ended, so that clusters start it again
PRESET = tyro.conf.arg(metavar=f"{{{','.join(PRESETS)}}}")


@dataclass(frozen=True)
class Running:
    """How a run goes about it, whatever it is to learn.

    Attributes:
        cache: keep all decoded images in memory.
        parallel: how the devices share a batch: one program for all, or replicas.
        save_every: steps between two states kept, besides those of the epochs' ends.
        tensorboard: write the figures for TensorBoard too.
        profile: trace the steps 11 to 20 of this start, into OUT/profile, for TensorBoard or Perfetto.
    """

    cache: bool = False
    parallel: Literal["jit", "pmap"] = "jit"
    save_every: int = 1000
    tensorboard: bool = False
    profile: bool = False


def train_with(default: Recipe, arguments: Sequence[str]) -> Callable[..., int]:
    """The command `train`, whose options have the values of a recipe; the arguments go into the checkpoint's record."""

    def train(
        dataset: Annotated[tyro.conf.Positional[str], DATASET],
        *,
        data_dir: Path,
        out: Path,
        split: str | None = None,
        recipe: Annotated[str | None, PRESET] = None,
        init: str | None = None,
        running: Annotated[Running, tyro.conf.arg(name="")] = Running(),
        hosts: Annotated[Hosts, tyro.conf.arg(name="")] = Hosts(),  # noqa: B008 (a constant)
        values: Annotated[Recipe, tyro.conf.arg(name="")] = default,
    ) -> int:
        """Train a network; started again with the same arguments, go on where it was cut off.

        Args:
            dataset: the layout of the data; its recipe gives the other options' defaults.
            data_dir: the data set's folder, as it is distributed.
            out: folder of the run: its checkpoint, the states to resume from, its log, curves and heatmaps.
            split: part of the data set: train for most; for folder, wsol and packed what lies in DATA_DIR itself.
            recipe: another recipe, for the other options' defaults; README.md lists them.
            init: a checkpoint to fine-tune: its network and weights, but for what tells other classes apart; --network
                and --options beside it name the network that is made of its plain one, as vgg16_gap is of vgg16.
            running: how to go about it.
            hosts: the processes of the run.
            values: how to train.
        """
        if arguments[1] != dataset:
            raise ValueError(f"dataset: got it behind other options; write jaxcam train {dataset} --data-dir ...")
        _check_before(values, running, arguments, init)
        split = find_layout(dataset).train if split is None else split
        hosts.join()
        images = _read_photos(dataset, data_dir, split, out)
        data = f"{dataset}: {len(images)} images of {len(images.classes)} classes"
        record = {"data": data, "command": shlex.join(["jaxcam", *arguments])}
        return _train(images, values, out=out, initial=init, record=record, **asdict(running))

    return train


def _check_before(recipe, running, arguments, initial):
    """What can be refused before the photos are looked at."""
    if initial is not None:
        _check_network(recipe, arguments, initial)
    if running.tensorboard:
        from jaxcam.training.run_log import summary_writer

        summary_writer()


def _read_photos(dataset, data_dir, split, out):
    classes = data_dir / (split or "")
    if dataset == "folder" and out.resolve().is_relative_to(classes.resolve()):  # a class, when the run goes on
        raise ValueError(f"--out: got {out}, inside {classes}, where every folder is a class; give one outside of it")
    images = read_dataset(dataset, data_dir, split)
    if not [*(out / "states").glob("[0-9]*")]:  # a run that goes on has looked at them
        check_photos(images)
    return images


def _check_network(recipe, arguments, initial):
    """Refuse another network, or options, than the checkpoint's own, where they were typed and this one is trained."""
    from jaxcam.checkpoints import describe
    from jaxcam.training.starting import is_made_of

    record = describe(initial)
    own = record.get("network")
    if is_made_of(recipe.network, own):
        return
    told = f"beside --init {initial}, which brings its own network ({own}); leave it out"
    typed = {argument.partition("=")[0] for argument in arguments}
    if "--network" in typed and recipe.network != own:
        raise ValueError(f"--network: got {recipe.network} {told}")
    if "--options" in typed and recipe.network_options() != record.get("options"):
        raise ValueError(f"--options: got {' '.join(recipe.options) or 'none'} {told}")


def _train(images, recipe, *, out, **options):
    keep_freed_memory()
    import jax

    from jaxcam.training import Preempted, train

    try:
        train(images, recipe, out=out, **options)
    except Preempted as stopped:
        print(stopped, file=sys.stderr)
        return PREEMPTED
    files = ("checkpoint", "metrics.jsonl", "curves.png", "heatmaps", "emergence.png")
    if jax.process_index() == 0:
        print(f"in {out}: {', '.join(name for name in files if (out / name).exists())}")
    return 0
