"""A release in a home of its own, put there by the commands that a user types."""

import os
import subprocess
import sys
import time
from pathlib import Path

from load_tests.benchmark.errors import SystemFailed
from load_tests.benchmark.service import Service

_DEADLINE_S = 120.0
MODEL_FILE = Path("store/models/iris-classifier/v1/model.onnx")


def environ_of(home: Path, gateway_port: int, inference_port: int) -> dict[str, str]:
    """Return the variables of `iris serve`: its home and free ports, all else as by default."""
    ours = ("IRIS_", "GATEWAY_", "INFERENCE_", "SUPERVISOR_", "MODEL_", "MLFLOW_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    ports = {"GATEWAY_PORT": str(gateway_port), "INFERENCE_PORT": str(inference_port)}
    return {**environ, "IRIS_HOME": str(home), **ports}


def prepare(home: Path, pipeline: Path, environ: dict[str, str]) -> Path:
    """Import the pipeline, promote it, and return the model file that serves.

    Raises:
        SystemFailed: a command failed; its output is shown.
    """
    _iris(environ, "import", str(pipeline), "--trust")
    command = [sys.executable, "-m", "iris", "serve"]
    with Service(command, environ, home, home.with_suffix(".log")):
        deadline = time.monotonic() + _DEADLINE_S
        while not (home / "supervisor.json").exists():
            if time.monotonic() > deadline:
                raise SystemFailed("iris serve does not start")
            time.sleep(0.05)
        # Nothing says on which rows a pickle was fitted, so quality can't be judged.
        _iris(environ, "promote", "1", "--accept-inconclusive", "a benchmark")
    return home / MODEL_FILE


def _iris(environ: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "iris", *words],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        start_new_session=True,
    )
    if done.returncode:
        raise SystemFailed(f"iris {words[0]} failed:\n{done.stdout}{done.stderr}")
