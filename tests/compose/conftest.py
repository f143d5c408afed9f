"""The system in containers, started once by `make up`."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
ENDED_S = 900


class System:
    """A Compose project of its own, by the commands that an operator types."""

    def __init__(self) -> None:
        self.gateway = f"http://127.0.0.1:{(port := free_port())}"
        self._environ = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"iris-test-{os.getpid()}",
            "GATEWAY_PORT": str(port),
            "GATEWAY_ADDRESS": "127.0.0.1",
            # With none of what a runner set for `make test-compose` itself.
            "MAKEFLAGS": "",
        }
        self._compose = shlex.split(os.environ.get("COMPOSE", "docker compose"))

    def make(self, target: str) -> str:
        """Run one of the project's own targets."""
        return self._run("make", "--no-print-directory", target)

    def compose(self, *words: str, code: int = 0) -> str:
        """Run a command of Compose, and return what it printed."""
        return self._run(*self._compose, *words, code=code)

    def iris(self, *words: str, code: int = 0) -> str:
        """Run a command of the promoter."""
        return self.compose("run", "--rm", "-T", "promoter", *words, code=code)

    def status(self) -> dict[str, Any]:
        """Return what `iris status` says."""
        found: dict[str, Any] = json.loads(self.iris("status", "--json"))
        return found

    def inside(self, service: str, *words: str, code: int = 0) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", service, *words, code=code)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of each container, by service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self._run("docker", "inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def kill(self, service: str) -> None:
        """Kill a container's first process, as the kernel does when memory is short."""
        os.kill(int(self.containers()[service]["State"]["Pid"]), signal.SIGKILL)

    def remove(self) -> None:
        """Leave neither containers nor volumes."""
        self._environ["COMPOSE_PROFILES"] = "load,observe,promoter,trainer,worker"
        self.compose("down", "--volumes", "--timeout", "5")

    def _run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDED_S,
            check=False,
        )
        assert done.returncode == code, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The system, with a first version that `make up` has trained and promoted."""
    system = System()
    try:
        system.make("up")
        yield system
    finally:
        system.remove()
