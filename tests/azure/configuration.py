"""What the configurations of `terraform` say, read as text that `tofu fmt` has laid out."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.azure.tofu import TERRAFORM

_RESOURCE = re.compile(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r'^  source\s+= "(\.[^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Resource:
    """A resource that a folder declares."""

    folder: str
    kind: str
    name: str
    body: str


def resources(folder: Path) -> list[Resource]:
    """Return what a root declares, itself and by its modules."""
    text = "\n".join(file.read_text() for file in sorted(folder.glob("*.tf")))
    where = str(folder.relative_to(TERRAFORM))
    own = [Resource(where, *found) for found in _RESOURCE.findall(text)]
    modules = {(folder / source).resolve() for source in _SOURCE.findall(text)}
    return own + [r for module in sorted(modules) for r in resources(module)]
