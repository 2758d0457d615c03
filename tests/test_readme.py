"""The README keeps its word: its Python runs, its commands parse, its links lead somewhere."""

import functools
import json
import re
import shlex
from pathlib import Path

import pytest
import tyro
from PIL import Image
from skimage import data

from jaxcam import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """The README's commands of that name, as arguments: a comment or a path before the name is dropped."""
    lines = (line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ "))
    words = [shlex.split(line, comments=True) for line in lines]
    return [arguments[1:] for arguments in words if Path(arguments[0]).name == name]


@pytest.mark.slow
@pytest.mark.usefixtures("mixed_dtypes")
def test_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        Path("my_photos", name).mkdir(parents=True)
        Image.fromarray(data.chelsea()).save(f"my_photos/{name}/1.jpg")
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert len(blocks("python")) > 1
    assert names["why"].boxes.shape == (5, 4)


@pytest.mark.parametrize("arguments", commands("jaxcam"), ids=" ".join)
def test_commands_parse(arguments, monkeypatch):
    parse = tyro.extras.subcommand_cli_from_dict

    def only_parse(commands, **options):
        idle = {name: functools.wraps(command)(lambda *_, **__: 0) for name, command in commands.items()}
        return parse(idle, **options)

    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", only_parse)
    assert cli.main(arguments) == 0


@pytest.mark.slow
def test_explain_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "a.jpg", "b.png"):
        Image.fromarray(data.chelsea()).save(name)
    runnable = [words for words in commands("jaxcam") if words[0] == "explain" and "--checkpoint" not in words]
    assert len(runnable) > 2
    for arguments in runnable:
        assert cli.main(arguments) == 0
    assert len(json.loads(Path("out/mine/explanations.json").read_text())["photos"]) == 2


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {arguments[0] for arguments in commands("make")} <= targets
