"""What is used, what is asked for, and what the page about it says: the same."""

import ast
import json
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.unit.project.pyproject import ROOT, asked_for

PAGE = (ROOT / "docs" / "dependencies.md").read_text()
PARTS = ("artifacts", "bentos", "registry", "serving", "training")
OURS = {"iris", *(path.parent.name for path in ROOT.glob("*/__init__.py"))}
INSTALLED = packages_distributions()
IMAGES = {
    "load_tests/suite": ["load"],
    "artifacts": ["inference", "training", "download"],
    "bentos": ["inference"],
    "registry": ["registry"],
    "serving/download_model.py": ["download"],
    "serving/gateway": ["gateway"],
    "serving/inference": ["inference"],
    "training": ["training"],
}


def names(lock: str) -> set[str]:
    """Return the names of the packages that a lock is made for."""
    return {canonicalize_name(requirement.name) for requirement in asked_for(lock)}


def imported(part: str) -> set[str]:
    """Return the packages that the files of a part import, by the names they are installed by."""
    whole = ROOT / part
    files = [whole] if whole.is_file() else list(whole.rglob("*.py"))
    modules = {module for file in files for module in modules_of(file)}
    foreign = modules - sys.stdlib_module_names - OURS
    return {distribution for module in foreign for distribution in providers_of(module)}


def providers_of(module: str) -> list[str]:
    """Return who provides a module; of a name shared by several (`azure`), those we ask for."""
    providers = {canonicalize_name(name) for name in INSTALLED[module]}
    return sorted(providers & names("dev") if len(providers) > 1 else providers)


def modules_of(file: Path) -> set[str]:
    """Return the top-level names of what a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    of = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in plain + of}


def test_the_page_tells_of_every_package() -> None:
    """Whoever adds a dependency says what for, why this one, and how well it is kept."""
    node = set(json.loads((ROOT / "package.json").read_text())["devDependencies"])
    listed = re.findall(r"^\| `([^`]+)` \| \S", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(names("dev") | node)


@pytest.mark.parametrize("part", [*PARTS, "iris.py", "tests"])
def test_what_is_imported_is_asked_for(part: str) -> None:
    """What another package brings along today may be gone with its next release."""
    assert imported(part) <= names("dev")


@pytest.mark.parametrize("part", IMAGES)
def test_an_image_has_what_its_part_imports(part: str) -> None:
    """A part's own extra asks for all that the part imports."""
    assert imported(part) <= {name for image in IMAGES[part] for name in names(image)}
