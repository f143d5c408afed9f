"""The commands as a user types them, and a stream of requests against what serves."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from unittest.mock import patch

import httpx
from click.testing import CliRunner

from artifacts.errors import IrisError
from iris import cli

PREDICT = "/v1/predict"
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.0, 6.1, 2.3]]
SPECIES = ["setosa", "versicolor", "virginica"]

_PAUSE_S = 0.03


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def iris(home: Path, *words: str, code: int = 0, **environ: str) -> Done:
    """Run a command on a home, as `iris.main` does but in this process, and check its exit code.

    MLflow takes seconds to import; here that is paid once. A promotion is watched only where the
    test says so.
    """
    words = unwatched(words)
    with patch.dict(os.environ):  # where MLflow leaves the address of its last server
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        result = CliRunner().invoke(cli, words, env={"IRIS_HOME": str(home), **environ})
    error, stderr, found = result.exception, result.stderr, result.exit_code
    if isinstance(error, IrisError):
        stderr, found = f"{stderr}error: {error}", error.exit_code
    elif error is not None and not isinstance(error, SystemExit):
        raise error
    assert found == code, f"{result.stdout}\n{stderr}"
    return Done(found, result.stdout, stderr)


def unwatched(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a command, with no watch window where they ask for none."""
    asks = words[0] != "promote" or "--watch" in words
    return words if asks else (*words, "--watch", "0s")


def iris_process(home: Path, *words: str, **environ: str) -> Done:
    """Run a command as a process of its own, which may die."""
    done = subprocess.run(
        [sys.executable, "-m", "iris", *unwatched(words)],
        env={**_inherited(), "IRIS_HOME": str(home), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def promoting(home: Path, version: str, until_line: str, *options: str) -> subprocess.Popen[str]:
    """Start `iris promote`, and return when it has printed a line that contains those words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "iris", "promote", version, "--watch", "0s", *options],
        env={**os.environ, "IRIS_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert any(until_line in line for line in process.stdout), process.stderr.read()
    return process


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}


def asked(home: Path, *words: str) -> Any:
    """Run a command with `--json`, and return its last line."""
    return json.loads(iris(home, *words, "--json").stdout.splitlines()[-1])


class Stream:
    """Clients that send requests all the time, and keep what they are answered.

    Each pauses a little after an answer, so that the processors are there for what is tested.
    """

    def __init__(
        self, gateway: str, clients: int = 4, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.versions: list[list[str]] = [[] for _ in range(clients)]
        """For each client, the version of each answer, in order."""
        self.failures: list[str] = []
        self._gateway = gateway
        self._headers = headers
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(v,)) for v in self.versions]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def changes(self) -> list[list[str]]:
        """Return for each client the versions that it saw, each run of equal ones once."""
        return [[v for i, v in enumerate(s) if i == 0 or s[i - 1] != v] for s in self.versions]

    def _send(self, versions: list[str]) -> None:
        with httpx.Client(base_url=self._gateway, headers=self._headers, timeout=30) as client:
            while not self._ended.is_set():
                try:
                    answer = client.post(PREDICT, json={"instances": FLOWERS})
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                labels = [p["label"] for p in answer.json()["predictions"]]
                if labels != SPECIES:
                    self.failures.append(f"wrong answer: {labels}")
                versions.append(answer.headers["X-Model-Version"])
                self._ended.wait(_PAUSE_S)
