"""The README keeps its word: its Python runs, its commands parse, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """The README's commands of that name, as arguments: a comment or a path before the name is dropped."""
    lines = (line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ "))
    words = [shlex.split(line, comments=True) for line in lines]
    return [arguments[1:] for arguments in words if Path(arguments[0]).name == name]


@pytest.mark.core
def test_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert len(blocks("python")) > 1
    assert names["why"].boxes.shape == (5, 4)


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {arguments[0] for arguments in commands("make")} <= targets
