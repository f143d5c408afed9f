"""The system that is put under load where none is named: trained, promoted and served here.

It is kept in `.load/home`, so only the first run trains. Everything is done by the commands that a
user types.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from load_tests.benchmark.ours import environ_of
from load_tests.benchmark.ports import free_ports
from load_tests.benchmark.service import Service
from load_tests.suite import host as hosts
from load_tests.suite.errors import HostFailed, SystemFailed
from load_tests.suite.host import Host
from load_tests.suite.screen import say

START_S = 60.0
COMMAND_S = 300.0
CANDIDATES = ("discriminant", "logistic")
"""What each version is, where one has to be trained; they differ, so that a wrong one is seen."""


@contextlib.contextmanager
def started(home: Path, variables: Mapping[str, str], versions: int) -> Iterator[Host]:
    """Serve a promoted version from a home of our own, until the block ends.

    Args:
        home: the folder, which is made where there is none.
        variables: of `iris serve`, beside those of its home and its ports.
        versions: how many versions shall have served once.

    Raises:
        SystemFailed: it does not start, or a command failed.
    """
    gateway_port, inference_port, _ = free_ports()
    environ = {**environ_of(home, gateway_port, inference_port), **variables}
    command = [sys.executable, "-m", "iris", "serve", "--tethered"]
    log = home.with_name("iris-serve.log")
    with Service(command, environ, home, log, tethered=True):
        _until_supervised(home)
        _release(home, environ, versions)
        url = f"http://127.0.0.1:{gateway_port}"
        _until_ready(url)
        supervisor = hosts.supervised(url, home)
        if supervisor is None:
            raise SystemFailed(f"the supervisor of {home} says nothing of {url}")
        yield Host(url, gateways=(url,), pid=supervisor[0], home=home, environ=environ)


def iris(environ: Mapping[str, str], *words: str) -> str:
    """Run a command of ours, and return what it says.

    Raises:
        SystemFailed: it failed; what it said last is in the message.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "iris", *words],
            env=dict(environ),
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SystemFailed(f"iris {' '.join(words)} takes more than {COMMAND_S:g} s") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise SystemFailed(f"iris {' '.join(words)} failed: {lines[-1]}")
    return done.stdout


def status(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what `iris status` says.

    Raises:
        SystemFailed: it says nothing, or that MLflow does not answer.
    """
    found: dict[str, Any] = json.loads(iris(environ, "status", "--json"))
    if found["registered"] is None:
        raise SystemFailed("MLflow does not answer; check MLFLOW_TRACKING_URI")
    return found


def _release(home: Path, environ: Mapping[str, str], versions: int) -> None:
    """Do what is missing until something serves, and so many versions have."""
    found = status(environ)
    if any(trouble["action"] == "iris recover" for trouble in found["troubles"]):
        iris(environ, "recover", "--takeover", "the load test was started again")
    while len(found["registered"]["versions"]) < versions:
        candidate = CANDIDATES[len(found["registered"]["versions"])]
        say(f"training a {candidate} model; it is kept in {home}")
        iris(environ, "train", "--only", candidate)
        found = status(environ)
    for version in sorted(found["registered"]["versions"])[:versions]:
        file = home / "store" / "models" / "iris-classifier" / f"v{version}" / "model.onnx"
        if found["release"] is None or not file.exists():
            say(f"promoting version {version}")
            reason = ("--reason", "a load test", "--watch", "0s")
            iris(environ, "promote", str(version), *reason)
            found = status(environ)


def _until_supervised(home: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            hosts.state(home)
            return
        time.sleep(0.1)
    raise SystemFailed(f"iris serve does not start; see {home.with_name('iris-serve.log')}")


def _until_ready(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(HostFailed):
            hosts.get(url, "/health/ready")
            return
        time.sleep(0.1)
    raise SystemFailed(f"{url} does not become ready; see iris status")
