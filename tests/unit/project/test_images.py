"""The images: the same ones in Dockerfile, Makefile and their page, each with what it imports."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from serving import __version__
from tests.unit.project.pyproject import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
PAGE = (ROOT / "docs" / "images.md").read_text()
WEIGH = (ROOT / "docker" / "weigh").read_text()
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}


def stages() -> dict[str, tuple[str, list[str]]]:
    """Return the stages of the Dockerfile: from what each is made, and its instructions."""
    text = (ROOT / "Dockerfile").read_text()
    plain = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, tuple[str, list[str]]] = {}
    for part in re.split(r"^FROM ", plain, flags=re.MULTILINE)[1:]:
        head, *lines = part.splitlines()
        base, name = head.split(" AS ")
        found[name] = (base, [" ".join(line.split()) for line in lines if line])
    return found


STAGES = stages()
IMAGES = [name for name, (_, lines) in STAGES.items() if any("LABEL" in line for line in lines)]
PROGRAMS = [name for name in STAGES if name.endswith("-program")]


def line_of(image: str, instruction: str) -> str:
    """Return what an instruction says in an image, or in the one that it is made from."""
    while image in STAGES:
        base, lines = STAGES[image]
        for line in lines:
            if line.startswith(f"{instruction} "):
                return line.removeprefix(f"{instruction} ")
        image = base
    return ""


def copied(program: str) -> set[Path]:
    """Return the files of ours that an image's program is copied from."""
    found: set[Path] = set()
    for line in STAGES[program][1]:
        if line.startswith("COPY "):
            *sources, _ = line.removeprefix("COPY ").split()
            for path in (ROOT / source for source in sources):
                found |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return found


def imported(file: Path) -> set[str]:
    """Return the modules of ours that a file imports, by all the names that they may have."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] in PACKAGES}


def files_of(module: str) -> list[Path]:
    """Return the file of a module; none where the name is that of something in a module."""
    place = ROOT.joinpath(*module.split("."))
    return [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()]


def test_makefile_and_page_tell_of_the_images_that_there_are() -> None:
    """Whoever adds an image builds it with the others, and says what it is for."""
    (built,) = re.findall(r"^IMAGES +\?= (.*)$", MAKEFILE, re.MULTILINE)
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    assert sorted(built.split()) == sorted(IMAGES)
    assert sorted(told) == sorted(IMAGES)


def test_the_page_tells_what_an_image_may_weigh() -> None:
    """The limits that a build is held to are those that are promised."""
    held = dict(re.findall(r"^ +([a-z-]+)\) echo (\d+) ;;$", WEIGH, re.MULTILINE))
    rows = re.findall(r"^\| `([a-z-]+)` \|.* (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert {image: most for image, _, most in rows} == held
    assert all(int(measured) <= int(most) for _, measured, most in rows)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_without_rights_and_hears_signals(image: str) -> None:
    """Its user is a number that isn't root's, and no shell stands between it and SIGTERM."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", line_of(image, "USER"))
    assert line_of(image, "ENTRYPOINT").startswith("[")
    assert line_of(image, "CMD")[:1] in {"", "["}
    assert line_of(image, "HEALTHCHECK")


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_what_it_is(image: str) -> None:
    """Name, version and commit are its labels."""
    label = line_of(image, "LABEL")
    assert f'org.opencontainers.image.title="iris-{image}"' in label
    for name in ("version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in label


def test_the_version_that_an_image_is_told_is_ours() -> None:
    """Wherever the version stands, it is found there; else an image would say none of itself."""
    (command,) = re.findall(r"VERSION=\$\$\((.*)\) \\$", MAKEFILE, re.MULTILINE)
    found = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == __version__


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_holds_what_its_modules_import(program: str) -> None:
    """An image holds only those packages of ours that it needs, and those whole."""
    files = copied(program)
    assert files
    wanted = {
        path
        for file in files
        if file.suffix == ".py"
        for m in imported(file)
        for path in files_of(m)
    }
    assert wanted <= files


def test_every_stage_is_used() -> None:
    """What no image is made from any more is gone."""
    text = (ROOT / "Dockerfile").read_text()
    used = set(re.findall(r"--from=(\S+)", text)) | {base for base, _ in STAGES.values()}
    assert set(STAGES) - set(IMAGES) <= used


def test_nothing_is_pulled_but_the_base() -> None:
    """A `# syntax=` line would be an image of a registry that not every machine reaches."""
    assert "# syntax" not in (ROOT / "Dockerfile").read_text()
    assert {base for base, _ in STAGES.values()} - set(STAGES) == {"${BASE}"}
