"""An inference process: one child that serves one release."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from artifacts.errors import IrisError
from artifacts.release import Release
from serving.supervisor.child import Child, sign_in
from serving.supervisor.home import Home
from serving.supervisor.ports import Ports
from serving.supervisor.waiting import until


class CannotServe(IrisError):
    """The release did not come up; the reason is what the process itself said last."""


class Inference:
    """A process that serves `release` at `url`, or is about to."""

    def __init__(self, release: Release, url: str, child: Child, client: httpx.AsyncClient) -> None:
        self.release = release
        self.url = url
        self.child = child
        self.since = datetime.now(UTC)
        self._client = client

    async def until_ready(self, timeout_s: float) -> None:
        """Return once the process says that it is ready.

        Raises:
            CannotServe: it ended, says that it never will be, or takes too long.
        """
        if not await until(self._ready_or_ended, timeout_s):
            last = self.child.last_line()
            raise CannotServe(f"not ready after {timeout_s:g} s; its last line: {last}")
        if not self.child.running:
            raise CannotServe(self.child.last_line())

    async def _ready_or_ended(self) -> bool:
        return not self.child.running or await self.ready()

    async def ready(self) -> bool:
        """Ask whether it is ready.

        A free port may be another's by the time the process listens there. What answers then is
        not this process, which will end for want of the port.

        Raises:
            CannotServe: it has failed for good.
        """
        try:
            response = await self._client.get(f"{self.url}/health/ready")
            answer = response.json()
        except (httpx.TransportError, ValueError):
            return False
        if not isinstance(answer, dict) or answer.get("pid") != self.child.pid:
            return False
        if answer.get("status") == "failed":
            raise CannotServe(str(answer.get("reason")))
        return response.status_code == httpx.codes.OK

    async def describe(self) -> dict[str, Any]:
        """Return what it answers now, for the state that a promoter reads."""
        described: dict[str, Any] = {
            "url": self.url,
            "pid": self.child.pid,
            "release": None,
            "ready": False,
            "since": self.since.isoformat(timespec="seconds"),
        }
        try:
            answer = (await self._client.get(f"{self.url}/v1/model")).raise_for_status().json()
            described["ready"] = await self.ready()
        except (httpx.HTTPError, ValueError, CannotServe):
            return described
        described["release"] = {name: answer.get(name) for name in ("version", "blob", "sha256")}
        return described


@dataclass(frozen=True)
class Launcher:
    """What starts inference processes: files come from `store`, ports from `first` on."""

    home: Home
    store: str
    ports: Ports
    first: tuple[str, int]
    client: httpx.AsyncClient

    async def start(self, release: Release) -> Inference:
        """Fetch the release's file, as an init container does, and start a process with it.

        Raises:
            CannotServe: the file can't be had, or is not the release's.
            PortInUse: no port is free.
        """
        host, first = self.first
        port = self.ports.next_free(host, first)
        environ = {
            **release.environ(),
            "MODEL_PATH": str(self.home.model_path(release)),
            "INFERENCE_HOST": host,
            "INFERENCE_PORT": str(port),
            "BENTOML_HOME": str(self.home.bentoml),
        }
        await self._download({**environ, **sign_in(), "IRIS_STORE": self.store})
        child = await Child.start(self.home, f"inference-{port}", "bentos", environ)
        return Inference(release, f"http://{host}:{port}", child, self.client)

    async def _download(self, environ: dict[str, str]) -> None:
        child = await Child.start(self.home, "download-model", "serving.download_model", environ)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await child.kill()
            raise
        if code != 0:
            raise CannotServe(child.last_line())
