"""The command `jaxcam`: a function a command, which parses by its signature and calls the library.

The library is imported inside the functions, so that `jaxcam --help` answers at once.
"""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxcam.recipes import RECIPES, Recipe, parse_options

LONGEST = 2000  # characters of an error message


def explain(
    photos: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="[PHOTO ...]")] = (),
    *,
    checkpoint: str = "tiny_imagenet",
    top: int | None = None,
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME|INDEX")] = (),
    threshold: float | None = None,
    save_maps: bool = False,
    out: Path = Path("out"),
) -> int:
    """Show where a network sees its classes in photos: a PNG each, and one JSON.

    Args:
        photos: image files; without any, a bundled photo of a cat.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        top: number of classes to show, the most probable first; 5 by default, or all where there are fewer.
        label: a class to show instead of the top ones, by name or index; may be given several times.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        save_maps: write the raw maps too, as <photo>.npy (classes, height, width).
        out: folder for the results.
    """
    from skimage import data

    from jaxcam.checkpoints import load
    from jaxcam.photo_reports import explain_photos, find_label

    out.mkdir(parents=True, exist_ok=True)
    params = load(checkpoint)
    unreadable = explain_photos(
        params,
        photos or (Path(data.__file__).with_name("chelsea.png"),),
        out,
        checkpoint=checkpoint,
        top=top,
        labels=[find_label(params.card, wanted) for wanted in label],
        threshold=threshold,
        save_maps=save_maps,
    )
    return 1 if unreadable else 0


def evaluate(
    dataset: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="{ilsvrc,cub,tiny_imagenet,wsol,folder}")],
    *,
    data_dir: Path,
    checkpoint: str | None = None,
    split: str | None = None,
    images: Path | None = None,
    blacklist: Path | None = None,
    threshold: float | None = None,
    choose_threshold: bool = False,
    limit: int | None = None,
    batch_size: int = 64,
    out: Path = Path("out"),
) -> int:
    """Measure a network on a data set: a table, its JSON and a sheet of samples.

    Args:
        dataset: the layout of the data.
        data_dir: the data set's folder, as it is distributed.
        checkpoint: a bundled name, or a folder (with a separator: ./mine); tiny_imagenet by default.
        split: part of the data set: by default val, cub's test, and for wsol and folder what lies in DATA_DIR itself.
        images: with wsol: the folder that the lists' paths start from; DATA_DIR by default.
        blacklist: with ilsvrc: the development kit's list of validation images whose boxes are not to be scored.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        choose_threshold: with --split train: measure every threshold on these images instead, and write the best one
            into the checkpoint.
        limit: use only so many images, evenly spaced over the data set.
        batch_size: images a step.
        out: folder for the results.
    """
    from jaxcam import evaluation
    from jaxcam.checkpoints import load
    from jaxcam.datasets import DATASETS
    from jaxcam.report.contact_sheet import save_contact_sheet
    from jaxcam.report.table import save_table

    if dataset not in DATASETS:
        raise ValueError(f"dataset: got {dataset!r}; known are {', '.join(DATASETS)}")
    if choose_threshold and (split != "train" or threshold is not None or checkpoint is None):
        needs = "--split train, where it is chosen, --checkpoint, whose card it is written into, and no --threshold"
        raise ValueError(f"--choose-threshold: it needs {needs}")
    checkpoint = checkpoint or "tiny_imagenet"
    out.mkdir(parents=True, exist_ok=True)
    split = DATASETS[dataset].test if split is None else split
    examples, params = _read(dataset, data_dir, split, images=images, blacklist=blacklist), load(checkpoint)
    _check(params, examples if limit is None else examples.spread(limit))
    name = dataset if split is None else f"{dataset} {split}"
    if choose_threshold:
        curve = evaluation.choose_threshold(params, examples, batch_size=batch_size, limit=limit)
        return _keep_threshold(curve, params, checkpoint, name, out)
    report = evaluation.evaluate(params, examples, batch_size=batch_size, threshold=threshold, limit=limit)
    report = replace(report, dataset=name, checkpoint=checkpoint)
    save_table(report, out)
    save_contact_sheet(out / "samples.png", evaluation.samples(params, examples, threshold=threshold))
    print(report, f"in {out}: report.json, report.txt, samples.png", sep="\n")
    return 0


def _keep_threshold(curve, params, checkpoint, name, out):
    """Write what was measured, and the best threshold into the checkpoint's card."""
    from jaxcam.evaluation import write_threshold
    from jaxcam.report.table import save_table

    write_threshold(checkpoint, params.card, curve, dataset=name)
    save_table(curve, out, name="thresholds")
    print(curve, f"threshold {curve.best:g} written into the card of {checkpoint}", sep="\n")
    return 0


def _read(dataset, data_dir, split, **options):
    """A data set by its name, told of the options that were given."""
    from jaxcam.datasets import DATASETS

    layout, given = DATASETS[dataset], {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - set(layout.options):
        raise ValueError(f"--{name}: {dataset} does not take it; leave it out")
    return layout.read(data_dir, split=split, **given)


def _check(params, examples):
    """Before the long work: the classes, and one look at every file."""
    from jaxcam.datasets import inspect
    from jaxcam.evaluation import check_classes

    check_classes(params.card, examples)
    findings = inspect(examples)
    if findings.unreadable:
        raise ValueError(str(findings))
    if findings.outside:
        print(f"warning: {findings}", file=sys.stderr)


def networks(
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")] = (),
) -> int:
    """List the networks: parameters, multiply-adds, sizes of input and map, whether `cam` works, importable weights.

    Args:
        names: beginnings of names, such as resnet; without any, all networks.
    """
    from jaxcam.network_table import HEADER, summarize
    from jaxcam.networks import NETWORKS

    chosen = [name for name in NETWORKS if name.startswith(names or "")]
    if not chosen:
        raise ValueError(f"networks: none begins with {' or '.join(names)}; known are {', '.join(NETWORKS)}")
    print(HEADER)
    for name in chosen:
        print(summarize(name), flush=True)
    return 0


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
            recipe: how to train.
        """
        from jaxcam.datasets import DATASETS
        from jaxcam.training import train as train_network

        if dataset not in RECIPES:
            raise ValueError(f"dataset: got {dataset!r}; known are {', '.join(RECIPES)}")
        if arguments[1] != dataset:
            raise ValueError(f"dataset: got it behind other options; write jaxcam train {dataset} --data-dir ...")
        images = _read(dataset, data_dir, DATASETS[dataset].train if split is None else split)
        data = f"{dataset}: {len(images)} images of {len(images.classes)} classes"
        record = {"data": data, "command": shlex.join(["jaxcam", *arguments])}
        train_network(images, recipe, out=out, initial=init, cache=cache, record=record)
        print(f"in {out}: checkpoint, log.jsonl")
        return 0

    return train


def import_with(arguments: Sequence[str]) -> Callable[..., int]:
    """The command `import-weights`; the arguments go into the checkpoint's record."""

    def import_weights(
        source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE|MODEL")],
        *,
        network: str,
        out: Path,
        origin: str | None = None,
        classes: Path | None = None,
        num_classes: int | None = None,
        options: tuple[str, ...] = (),
        overwrite: bool = False,
    ) -> int:
        """Make a checkpoint of weights from torchvision, timm or Caffe.

        Args:
            source: a .safetensors, .pth or .caffemodel file, or a model of timm's on the Hub (timm/resnet50.a1_in1k).
            network: a name that `jaxcam networks` lists.
            out: folder of the checkpoint.
            origin: torchvision, timm or caffe, where the file does not tell.
            classes: a file with a name a line, or "WordNet id<TAB>name"; by default ILSVRC's for 1000 classes and
                Places205's for 205.
            num_classes: another number of classes than the file's makes a fresh classifier, to be trained.
            options: of the network, as "name=value"; a value is JSON or a plain word.
            overwrite: replace an existing checkpoint.
        """
        from jaxcam.weights.checkpoint import make_checkpoint, summarize

        record = {"command": shlex.join(["jaxcam", *arguments])}
        given: dict[str, Any] = {"origin": origin, "classes": classes, "num_classes": num_classes}
        given |= {"options": parse_options(options), "overwrite": overwrite, "record": record}
        params, report = make_checkpoint(source, network, out, **given)
        print(summarize(params, report, out))
        return 0

    return import_weights


COMMANDS: dict[str, Callable[..., int]] = {"explain": explain, "evaluate": evaluate, "networks": networks}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit code: 0; 1 where some files could not be read; 2 for a mistake of the user's; 130 for Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A recipe's values are the defaults that `train` shows, so its data set is looked up before parsing.
    recipe = RECIPES.get(arguments[1], Recipe()) if arguments[:1] == ["train"] and arguments[1:] else Recipe()
    try:
        return tyro.extras.subcommand_cli_from_dict(
            {**COMMANDS, "train": train_with(recipe, arguments), "import-weights": import_with(arguments)},
            prog="jaxcam",
            description="Class activation maps: where a network sees what it says, and how well it finds it.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except SystemExit as stop:  # tyro's, after --help or arguments that do not parse
        return stop.code if isinstance(stop.code, int) else 2
    except (ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _one_line(error: Exception) -> str:
    """The message of an error in one line of bearable length, whatever names from a file are in it."""
    text = " ".join(str(error).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text) - LONGEST} more characters)"
