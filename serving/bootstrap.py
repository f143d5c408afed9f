"""A first version, where none serves yet, by the commands that a user would type."""

import json
import shlex
import subprocess
import sys
from typing import Any

import click

from artifacts.errors import IrisError


class StepFailed(IrisError):
    """A step failed; the step itself has said why."""


@click.command(epilog="Example: iris bootstrap")
def bootstrap() -> None:
    """Train and promote a first version, unless one serves.

    Run again, it goes on with what is there.
    """
    let_one_serve()


def let_one_serve(*, takeover: str = "") -> None:
    """Do what is missing until something serves.

    Args:
        takeover: why an operation that is open may be taken over; empty where it may not.

    Raises:
        StepFailed: a command failed.
    """
    status = _status()
    if any("iris recover" in trouble["action"] for trouble in status["troubles"]):
        _iris("recover", *(("--takeover", takeover) if takeover else ()))
        status = _status()
    if not status["registered"]["versions"]:
        _iris("train")
        status = _status()
    if status["release"] is None:
        version = str(status["registered"]["versions"][0])
        _iris("promote", version, "--reason", "the first", "--watch", "0s")
    else:
        click.echo(f"version {status['release']['version']} serves already")


def _iris(*words: str) -> None:
    """Run one of our commands, as it would be typed."""
    click.secho(f"\n$ iris {shlex.join(words)}", bold=True)
    if subprocess.run([sys.executable, "-m", "iris", *words], check=False).returncode != 0:
        raise StepFailed(f"iris {words[0]} failed, see above", hint="mend it, then run this again")


def _status() -> dict[str, Any]:
    command = [sys.executable, "-m", "iris", "status", "--json"]
    found = subprocess.run(command, check=False, stdout=subprocess.PIPE)
    if found.returncode != 0:
        raise StepFailed("iris status failed, see above")
    status: dict[str, Any] = json.loads(found.stdout)
    if status["registered"] is None:
        raise StepFailed("MLflow does not answer", hint="check MLFLOW_TRACKING_URI")
    return status
