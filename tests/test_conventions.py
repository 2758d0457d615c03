"""What the project agreed on, held by tests: layers, public names, sizes, dependencies, and words to keep out."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import combinations
from pathlib import Path

import pytest

import jaxcam

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jaxcam"

# A module imports from its own layer or from lower ones. Each is a file of jaxcam/ or a folder of it.
LAYERS = (
    {"arrays", "card", "class_names", "compilation", "geometry", "records", "whole_files"},
    {"networks", "box_rules", "metrics", "datasets", "image_files"},
    {"params", "checkpoints", "forward", "batches", "objectives"},
    {"methods", "report", "weights"},
    {
        "applications",
        "comparison",
        "concepts",
        "explanation",
        "exporting",
        "faithfulness",
        "network_table",
        "photo_reports",
        "evaluation",
        "training",
    },
    {"commands"},
    {"cli"},
    {"__init__", "__main__"},
)
LEVELS = {module: level for level, layer in enumerate(LAYERS) for module in layer}

# Within a layer these know nothing of each other.
STRANGERS = {
    "networks": {"box_rules", "metrics", "datasets", "image_files"},
    "box_rules": {"networks", "metrics", "datasets", "image_files"},
    "metrics": {"networks", "box_rules", "datasets", "image_files"},
    "datasets": {"networks", "box_rules", "metrics"},
}

PUBLIC = [name for name in jaxcam.__all__ if not name.startswith("__")]

# The order in which positional arguments come, whatever the function.
ARGUMENT_ORDER = (
    "network",
    "key",
    "params",
    "folder",
    "name",
    "images",
    "features",
    "logits",
    "kernel",
    "maps",
    "labels",
)

# Subjects that may be left out: the classes (then the predicted one), a model's linear layer, boxes to draw, what to
# export.
OPTIONAL_SUBJECTS = {"labels", "kernel", "boxes", "function"}

# What functions import; the other extras are no matter of the package's imports.
OPTIONAL_EXTRAS = ("applications", "export", "hub", "tensorboard", "torch")
NAMED_OTHERWISE = {"sklearn": "scikit-learn"}

# Machine paths and registry hosts; the brackets keep this file from matching itself.
FORBIDDEN = re.compile(r"/w[o]rk/|/r[o]ot/|/h[o]me/|/t[m]p/|p[y]pi\.|python[h]osted|npm[j]s\.")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """The name of the layer table that a file of the package belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, in_functions: bool = True) -> set[str]:
    """Full names that a file imports: at its top, for a type checker, and those that functions import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = set() if in_functions else {node for function in functions_of(path, tree) for node in ast.walk(function)}
    names = set()
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def inner_imports(path: Path) -> set[str]:
    """The modules of the layer table that a file imports; the package itself is `__init__`."""
    parts = [[*name.split("."), "__init__"] for name in imports(path)]
    inner = {second for first, second, *_ in parts if first == "jaxcam"}
    return {name if name in LEVELS else "__init__" for name in inner}


def functions_of(path: Path, tree: ast.Module | None = None) -> list[ast.FunctionDef]:
    tree = tree or ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function from its `def` to its end, less those of its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def test_every_module_has_a_layer():
    modules = {module_of(path) for path in python_files("jaxcam")}
    assert modules == set(LEVELS), "add the module to LAYERS, or take it out"


@pytest.mark.parametrize("path", python_files("jaxcam"), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    module = module_of(path)
    imported = inner_imports(path)
    above = {name for name in imported if LEVELS[name] > LEVELS[module]}
    assert not above, f"{module} (layer {LEVELS[module]}) imports {above} from above"
    assert not imported & STRANGERS.get(module, set()), f"{module} must not know {imported & STRANGERS[module]}"


def test_no_import_cycle_within_a_layer():
    needs = {module: set() for module in LEVELS}
    for path in python_files("jaxcam"):
        needs[module_of(path)] |= inner_imports(path) - {module_of(path)}
    for _ in LEVELS:
        needs = {module: needed.union(*(needs[name] for name in needed)) for module, needed in needs.items()}
    assert not [pair for pair in combinations(LEVELS, 2) if pair[0] in needs[pair[1]] and pair[1] in needs[pair[0]]]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name):
    value = getattr(jaxcam, name)
    text = inspect.getdoc(value) or ""
    assert ">>> " in text, f"jaxcam.{name}: give it an example that runs"
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        described = text.partition("Args:")[2].partition("Returns:")[0]
        assert [p for p in signature.parameters if not re.search(rf"^ *{p}: ", described, re.MULTILINE)] == []
        assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
        assert signature.return_annotation is None or "Returns:" in text


@pytest.mark.parametrize("name", PUBLIC)
def test_signature_order(name):
    """Subjects first, in one order; whatever has a default is an option, and an option goes by its name."""
    value = getattr(jaxcam, name)
    if not inspect.isfunction(value):
        return
    positional = [p for p in inspect.signature(value).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = [p.name for p in positional if p.default is not p.empty and p.name not in OPTIONAL_SUBJECTS]
    assert not options, f"jaxcam.{name}: make {options} keyword-only"
    known = [ARGUMENT_ORDER.index(p.name) for p in positional if p.name in ARGUMENT_ORDER]
    assert known == sorted(known), f"jaxcam.{name}: the order is {ARGUMENT_ORDER}"


def test_no_module_is_named_like_a_public_function():
    names = {name for name in PUBLIC if inspect.isfunction(getattr(jaxcam, name))}
    modules = {path.stem for path in python_files("jaxcam")} | {path.parent.name for path in python_files("jaxcam")}
    assert not names & modules


@pytest.mark.parametrize(
    "path", python_files("jaxcam", "scripts", "tests"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_and_functions_are_short(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= (60 if path.parent.name == "scripts" else 300)
    assert not {f.name: code_lines(f) for f in functions_of(path) if code_lines(f) > 40}


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ;]", requirement)[0] for requirement in requirements}


def distributions_of(names: set[str]) -> set[str]:
    """The distributions that provide modules; one that is not installed is mostly named like its module."""
    tops = {name.split(".")[0] for name in names} - {"jaxcam", "__future__"} - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    return {re.sub("[._]", "-", distributions.get(top, [NAMED_OTHERWISE.get(top, top)])[0].lower()) for top in tops}


def test_dependencies_are_those_imported():
    """Those of the core and of some extras, which only functions import, where they are needed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = names_of(project["dependencies"])
    optional = names_of([name for extra in OPTIONAL_EXTRAS for name in project["optional-dependencies"][extra]])
    files = python_files("jaxcam")
    anywhere = distributions_of({name for path in files for name in imports(path)})
    assert anywhere == core | optional
    assert distributions_of({name for path in files for name in imports(path, in_functions=False)}) <= core
    assert not optional & (core | names_of(project["optional-dependencies"]["test"]))


def test_version_is_the_declared_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert jaxcam.__version__ == project["version"]


def test_no_file_mentions_machines_or_registries():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        text = path.read_bytes().decode("utf-8", errors="ignore") if path.is_file() else ""
        found += [f"{name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert not found
