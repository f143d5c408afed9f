"""`iris demo`, where it cannot begin, and where it is ended."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving.supervisor.ports import LOOPBACK
from tests.integration.serving.processes import alive, free_port, until


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_terminal_ends_every_process(tmp_path: Path, number: signal.Signals) -> None:
    """A closed terminal ends what the demo has started, as Ctrl-C does."""
    home = tmp_path / "home"
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "INFERENCE_PORT")}
    with subprocess.Popen(
        [sys.executable, "-m", "iris", "demo", "--once"],
        env={**os.environ, "IRIS_HOME": str(home), **ports},
        stdout=subprocess.DEVNULL,
    ) as demo:
        until((home / "supervisor.json").exists, "iris serve listens")
        supervisor = json.loads((home / "supervisor.json").read_text())["pid"]
        demo.send_signal(number)
        assert demo.wait(60) == 0
    assert not alive(supervisor)
