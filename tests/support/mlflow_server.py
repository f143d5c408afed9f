"""MLflow's own server, on the database of a home."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.integration.serving.processes import free_port, until

_START_S = 180.0


@contextmanager
def mlflow_server(home: Path) -> Iterator[str]:
    """Run MLflow's own server on a home's database, and yield its address."""
    port, log = free_port(), home / "mlflow-server.log"
    options = {
        "--backend-store-uri": f"sqlite:///{home / 'mlflow.db'}",
        "--default-artifact-root": (home / "artifacts").as_uri(),
        "--port": str(port),
        "--workers": "1",
    }
    words = [word for option in options.items() for word in option]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--no-serve-artifacts", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/health").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, "MLflow's server answers", _START_S)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
