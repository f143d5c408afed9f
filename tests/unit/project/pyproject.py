"""What the project asks for and what its locks hold, as values."""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
OURS = "iris-ml-api"

_PIN = re.compile(r"^(?P<requirement>[^\s#][^\\]*?)\s*\\$(?P<rest>(\n    .*)*)", re.MULTILINE)


class Pin(NamedTuple):
    """One package of a lock."""

    requirement: Requirement
    """Name and version, and the systems that it is for."""
    hashes: int
    """How many files may be installed for it."""
    asked_for_by_us: bool
    """Whether it is asked for in `pyproject.toml` itself, not only by another package."""

    @property
    def name(self) -> str:
        """The package's name, as all spell it the same."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The one version that it may have."""
        (specifier,) = self.requirement.specifier
        return specifier.version


def project() -> dict[str, Any]:
    """Return `pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def asked_for(lock: str) -> list[Requirement]:
    """Return the requirements that the lock `requirements/<lock>.txt` is made from."""
    table = project()
    if lock == "bootstrap":
        return [Requirement("uv")]
    extra = "all" if lock == "dev" else lock
    found = [*table["project"]["dependencies"], *_of_extra(table, extra)]
    if lock == "dev":
        found += table["dependency-groups"]["dev"]
    return [Requirement(text) for text in found]


def _of_extra(table: dict[str, Any], extra: str) -> list[str]:
    """Return what an extra asks for, with the extras of ours that it names."""
    found = []
    for text in table["project"]["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == OURS:
            found += [more for name in requirement.extras for more in _of_extra(table, name)]
        else:
            found.append(text)
    return found


def pins(lock: str) -> list[Pin]:
    """Read a lock."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return [
        Pin(
            Requirement(match["requirement"]),
            match["rest"].count("--hash=sha256:"),
            f"{OURS} (pyproject.toml" in match["rest"],
        )
        for match in _PIN.finditer(text)
    ]
