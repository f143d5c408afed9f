"""OpenTofu, and the provider of Azure's resources, built from their Go modules and run by tests.

The provider is the real one, so what it is given is checked by its schema; nothing is asked of
Azure, nor of a registry. `~/.cache/iris-cluster` keeps what was built.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.node import programs
from tests.unit.project.pyproject import ROOT

SOURCES = Path(__file__).parent / "go"
TERRAFORM = ROOT / "terraform"
FOLDERS = sorted(str(f.parent.relative_to(TERRAFORM)) for f in TERRAFORM.rglob("terraform.tf"))
"""Each module and each environment, by its path below `terraform`."""

_PROVIDER = "terraform-provider-azurerm"
_REQUIRED = (
    'terraform {\n  required_providers {\n    azurerm = { source = "hashicorp/azurerm" }\n  }\n}\n'
)


@dataclass(frozen=True)
class Tofu:
    """The program, and a copy of `terraform` in which it may leave what it likes."""

    program: Path
    copy: Path
    environ: dict[str, str]

    @classmethod
    def build(cls, scratch: Path) -> "Tofu":
        """Build what is not built yet, and copy the configurations."""
        program = programs.build("opentofu", SOURCES) / "tofu"
        provider = programs.build(_PROVIDER, SOURCES) / _PROVIDER
        environ = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        copy = scratch / "terraform"
        shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform*"))
        # modules/monitoring reads the rules of Prometheus there.
        shutil.copytree(ROOT / "observability", scratch / "observability")
        tofu = cls(program, copy, environ)
        tofu._use(provider, scratch)
        return tofu

    def run(self, folder: str, *arguments: str, code: int = 0) -> str:
        """Run it in a folder of the copy, and return what it printed."""
        done = subprocess.run(
            [self.program, f"-chdir={self.copy / folder}", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"tofu {' '.join(arguments)} in {folder}:\n{said}"
        return said

    def init(self, folder: str) -> None:
        """Bring modules and provider into a folder of the copy, and no state."""
        self.run(folder, "init", "-backend=false", "-no-color")

    def applied(self, folder: str) -> list[dict[str, Any]]:
        """Return the resources that a folder's run "everything" makes, on the mocked provider."""
        self.init(folder)
        said = map(json.loads, self.run(folder, "test", "-json", "-verbose").splitlines())
        (state,) = (
            line["test_state"]
            for line in said
            if "test_state" in line and line["@testrun"] == "everything"
        )
        return list(_resources(state["values"]["root_module"]))

    def _use(self, provider: Path, scratch: Path) -> None:
        """Lay out the provider as a mirror that stands for every registry."""
        version = re.search(
            r"^// (\S+) of", (SOURCES / _PROVIDER / "go.mod").read_text(), re.MULTILINE
        )
        assert version
        asking = scratch / "asking"
        asking.mkdir()
        (asking / "terraform.tf").write_text(_REQUIRED)
        self.environ["TF_CLI_CONFIG_FILE"] = str(scratch / "tofu.tfrc")
        (scratch / "tofu.tfrc").write_text("")
        found = re.search(r"provider\[(\S+)\]", self.run(str(asking), "providers"))
        assert found
        words = ["go", "env", "GOOS", "GOARCH"]
        machine = "_".join(subprocess.check_output(words, text=True).split())
        place = scratch / "mirror" / found[1] / version[1] / machine
        place.mkdir(parents=True)
        (place / f"{_PROVIDER}_v{version[1]}").symlink_to(provider)
        mirror = f'filesystem_mirror {{\n    path = "{scratch}/mirror"\n  }}'
        (scratch / "tofu.tfrc").write_text(f"provider_installation {{\n  {mirror}\n}}\n")


def _resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    below = (r for child in module.get("child_modules", []) for r in _resources(child))
    return [*module.get("resources", []), *below]
