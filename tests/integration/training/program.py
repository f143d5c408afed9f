"""The command `iris`, run as a user runs it, in a home of the test's own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient


@dataclass(frozen=True)
class Home:
    """An `IRIS_HOME`."""

    folder: Path

    @property
    def tracking_uri(self) -> str:
        """Where MLflow is."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        """MLflow in the home."""
        return MlflowClient(self.tracking_uri, self.tracking_uri)

    def environment(self) -> dict[str, str]:
        """Return the variables of a user who set nothing but the home."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("IRIS_", "MLFLOW_"))}
        return kept | {"IRIS_HOME": str(self.folder)}


def start(
    home: Home,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    """Start `iris`; what is given as `before` runs in the new process first."""
    return subprocess.Popen(
        [sys.executable, "-m", "iris", *arguments],
        env=home.environment() | dict(variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,  # noqa: PLW1509  it sets a limit and starts no thread
    )


def run(
    home: Home, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `iris` to its end."""
    process = start(home, *arguments, variables=variables)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
