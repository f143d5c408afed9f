"""Real processes for the tests: an inference process, and `iris serve` with its control."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec

from artifacts.digests import sha256_hex
from artifacts.file_store import open_file_store
from artifacts.release import Release, registry_release
from serving.supervisor.ports import LOOPBACK, is_free
from tests.support.model_files import model_file

PATIENCE_S = 60.0

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true value of the condition."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s until {what}"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether the process is there, and is not just waiting for its parent to note its end."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    status = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return status != "" and not status.startswith("Z")


def publish(home: Path, version: int, data: bytes | None = None) -> Release:
    """Put a release into the home's store; another version is another model."""
    data = model_file(tilt=3.0 * version) if data is None else data
    release = registry_release(version, sha256_hex(data))
    open_file_store(home / "store").models.create(release.blob, data)
    return release


# Below 32,768, from where on the system itself gives ports to whoever connects.
_ports = itertools.count(20_000 + os.getpid() % 60 * 200, 10)


def free_port() -> int:
    """Return a port that was free a moment ago, with room after it, out of the defaults' way."""
    return next(port for port in _ports if is_free(LOOPBACK, port))


class Inference:
    """`python -m bentos`, or another command that serves the same."""

    def __init__(
        self, environ: Mapping[str, str], folder: Path, command: tuple[str, ...] = ("bentos",)
    ) -> None:
        self.port = int(environ["INFERENCE_PORT"])
        self.log = folder / "log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**os.environ, "BENTOML_HOME": str(folder / "bentoml"), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = httpx.Client(base_url=f"http://{LOOPBACK}:{self.port}", timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def status(self) -> int:
        """Return what the readiness route answers; 0 where nothing answers."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/health/ready").status_code
        except httpx.TransportError:
            return 0

    def until_ready(self) -> Self:
        """Wait for it."""
        until(lambda: self.status() == 200, "the inference process is ready")
        return self


class Supervisor:
    """`iris serve` on a home of its own, and its control interface.

    Its ports are free ones, where they aren't set; one that is set to nothing is its own to choose.
    """

    def __init__(self, home: Path, *options: str, **environ: str) -> None:
        self.home = home
        environ = {"GATEWAY_PORT": str(free_port()), "INFERENCE_PORT": str(free_port()), **environ}
        self.gateway = f"http://{LOOPBACK}:{environ['GATEWAY_PORT']}"
        environ = {name: value for name, value in environ.items() if value}
        self.numbers = itertools.count(1)
        self.log = home.parent / f"{home.name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "iris", "serve", *options],
                env={**os.environ, "IRIS_HOME": str(home), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = httpx.Client(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE_S)

    def until_listening(self) -> Self:
        """Wait for the control interface."""
        until(self.address, "the supervisor listens")
        return self

    def state(self) -> dict[str, Any]:
        """Return what `GET /v1/state` answers."""
        answer = self._call("GET", "/v1/state").raise_for_status().json()
        assert isinstance(answer, dict)
        return answer

    def put(self, release: Release | None, **changes: Any) -> httpx.Response:
        """Set the desired release at the revision that is, under the next record of a ledger."""
        revision = changes.pop("revision", None)
        revision = self.state()["revision"] if revision is None else revision
        number = changes.pop("number", None) or next(self.numbers)
        fence = {"ledger": "ledger", "number": number, "digest": f"digest {number}", **changes}
        body = {"release": msgspec.to_builtins(release), "fence": fence}
        return self._call("PUT", "/v1/release", json=body, headers={"If-Match": f'"{revision}"'})

    def put_by_hand(self, release: Release) -> None:
        """Set the desired release as a hand does: past the ledger, under the stamp there."""
        state = self.state()
        body = {"release": msgspec.to_builtins(release), "fence": state["fence"]}
        headers = {"If-Match": f'"{state["revision"]}"'}
        self._call("PUT", "/v1/release", json=body, headers=headers).raise_for_status()
        self.until_rollout("idle")

    def until_rollout(self, state: str) -> dict[str, Any]:
        """Wait until the rollout is in that state, and return what the supervisor says then."""

        def there() -> dict[str, Any]:
            found = self.state()
            return found if found["rollout"]["state"] == state else {}

        return until(there, f"the rollout is {state}; log: {self.log.read_text()}")

    def promote(self, release: Release) -> dict[str, Any]:
        """Set the desired release and wait until it serves."""
        self.put(release).raise_for_status()
        return self.until_rollout("idle")

    def pids(self) -> list[int]:
        """Return the processes of gateway and inference, as their lock files name them."""
        files = (self.home / "run").glob("*.pid")
        return [pid for pid in (int(f.read_text() or 0) for f in files) if pid and alive(pid)]

    def address(self) -> dict[str, Any]:
        """Return what it has published of itself; nothing where it does not listen yet."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            found = msgspec.json.decode((self.home / "supervisor.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found if found["pid"] == self.process.pid else {}

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        token = (self.home / "supervisor.token").read_text()
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        url = self.address()["url"]
        return self.client.request(method, url + path, headers=headers, **options)
