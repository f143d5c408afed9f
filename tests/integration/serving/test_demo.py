"""`iris demo`, where it cannot begin. Where it is ended is in `tests/faults`."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving.supervisor.ports import LOOPBACK
from tests.integration.serving.processes import free_port


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "INFERENCE_PORT", "MLFLOW_PORT"])
def test_a_port_asked_for_and_in_use_is_named_at_once(tmp_path: Path, variable: str) -> None:
    """A port that was asked for and is in use ends the demo before it makes anything."""
    with socket.create_server((LOOPBACK, free_port())) as taken:
        port = taken.getsockname()[1]
        demo = subprocess.run(
            [sys.executable, "-m", "iris", "demo"],
            env={**os.environ, "IRIS_HOME": str(tmp_path / "home"), variable: str(port)},
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,  # a supervisor is waited for longer than that
            check=False,
        )
    assert demo.returncode in {1, 2}
    assert f"{variable}={port} is in use" in demo.stderr
    assert not (tmp_path / "home" / "mlflow.db").exists()


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """What can't be started is named with the reason, without a traceback."""
    (tmp_path / "logs" / "demo-iris.log").mkdir(parents=True)
    demo = subprocess.run(
        [sys.executable, "-m", "iris", "demo", "--once"],
        env={**os.environ, "IRIS_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
        check=False,
    )
    assert demo.returncode == 1
    first, *rest = demo.stderr.splitlines()
    assert first == f"error: iris cannot be started in {tmp_path}: Is a directory"
    assert all(line.startswith("  → ") for line in rest)
