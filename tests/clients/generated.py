"""Clients that OpenAPI Generator makes of the gateway's own document, compiled, to be run."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from artifacts.digests import sha256_hex
from tests.unit.project.pyproject import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / ".clients"
DOCUMENT = FOLDER / "openapi.json"
GENERATOR = FOLDER / "openapi-generator-cli.jar"
# Of the version in pom.xml.
GENERATOR_SHA256 = "41ce4f6b07f196676439d710759fa1ced7a08066d06ff1bf314681470289efae"
COMPILER = ROOT / "node_modules" / ".bin" / "tsc"


class Client(NamedTuple):
    """A compiled program with its generated client."""

    command: tuple[str, ...]
    generator_said: str

    def run(self, url: str, *key: str) -> dict[str, Any]:
        """Return what the program prints: the outcome of each of its calls."""
        outcomes: dict[str, Any] = msgspec.json.decode(run(*self.command, url, *key))
        return outcomes


def why_absent() -> str:
    """Return why clients can't be made here, or nothing where they can."""
    missing = [name for name in ("java", "javac", "mvn", "node") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed: see CONTRIBUTING.md"
    return "" if COMPILER.exists() else "npm ci has not been run"


def run(*command: str | Path) -> str:
    """Return what the command prints; one that fails fails the test, with all that it said."""
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def generator(*arguments: str | Path) -> str:
    """Run OpenAPI Generator, which is fetched where it is missing, and return what it says."""
    if not is_pinned(GENERATOR):
        GENERATOR.unlink(missing_ok=True)
        maven("dependency:copy@generator")
        assert is_pinned(GENERATOR), f"Maven fetched another {GENERATOR.name} than is pinned"
    return run("java", "-jar", GENERATOR, *arguments)


def is_pinned(file: Path) -> bool:
    """Whether it is the very generator that is asked for."""
    return file.exists() and sha256_hex(file.read_bytes()) == GENERATOR_SHA256


def maven(*goals: str) -> None:
    """Run goals of `pom.xml`."""
    run("mvn", "--batch-mode", "--quiet", *goals)


def typescript() -> Client:
    """Make the TypeScript client, with fetch."""
    folder = emptied("typescript")
    said = generate("typescript-fetch", folder / "client")
    shutil.copy(HERE / "main.ts", folder)
    run(COMPILER, "--project", HERE)
    return Client(("node", str(folder / "compiled" / "main.js")), said)


def java() -> Client:
    """Make the Java client, on the HTTP client of Java 11."""
    folder = emptied("java")
    said = generate("java", folder, "--library", "native")
    shutil.copy(HERE / "Main.java", folder / "src" / "main" / "java")
    maven("compiler:compile", "dependency:copy-dependencies")
    target = folder / "target"
    classes = os.pathsep.join([str(target / "classes"), str(target / "libraries" / "*")])
    return Client(("java", "-cp", classes, "Main"), said)


def generate(name: str, folder: Path, *options: str) -> str:
    """Make a client of the document, and return what the generator says."""
    arguments = ("--input-spec", DOCUMENT, "--generator-name", name, "--output", folder)
    return generator("generate", *arguments, *options)


def emptied(name: str) -> Path:
    """Return an empty folder, without what an earlier document led to."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
