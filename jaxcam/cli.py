"""The command `jaxcam`: its table of commands."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from functools import partial

import tyro

from jaxcam.commands.comparing import compare
from jaxcam.commands.concept_mining import concept
from jaxcam.commands.discovering import scenes
from jaxcam.commands.evaluation import evaluate
from jaxcam.commands.exporting import export
from jaxcam.commands.methods import methods
from jaxcam.commands.networks import networks
from jaxcam.commands.packing import pack
from jaxcam.commands.photos import explain
from jaxcam.commands.pooling import features
from jaxcam.commands.questions import vqa
from jaxcam.commands.recognizing import recognize
from jaxcam.commands.running import answer, keep_programs
from jaxcam.commands.text import text
from jaxcam.commands.training import train_with
from jaxcam.commands.units import units
from jaxcam.commands.weights import import_with
from jaxcam.training.recipes import Recipe, find_recipe

COMMANDS: dict[str, Callable[..., int]] = {
    "explain": explain,
    "evaluate": evaluate,
    "export": export,
    "features": features,
    "compare": compare,
    "concept": concept,
    "methods": methods,
    "networks": networks,
    "pack": pack,
    "scenes": scenes,
    "vqa": vqa,
    "text": text,
    "units": units,
    "recognize": recognize,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit code: 0; 1 where some photos could not be read; 2 for a mistake of the user's; 130 for Ctrl-C; 143
        for a training that SIGTERM stopped.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    keep_programs()
    return answer(partial(_run, arguments))


def _run(arguments):
    train = train_with(_recipe(arguments), arguments)
    return tyro.extras.subcommand_cli_from_dict(
        {**COMMANDS, "train": train, "import-weights": import_with(arguments)},
        prog="jaxcam",
        description="Class activation maps: where a network sees what it says, and how well it finds it.",
        args=arguments,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _recipe(arguments):
    """The recipe whose values are the defaults that `train` shows, which is looked up before parsing."""
    if arguments[:1] != ["train"]:
        return Recipe()
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--recipe", nargs="?")
    return find_recipe("".join(arguments[1:2]), finder.parse_known_args(arguments)[0].recipe)
