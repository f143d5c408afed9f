"""The gateway and its upstreams as real processes on free ports."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

WAIT_S = 20

# Else each request reads the authorities that this machine trusts, for 24 ms of a processor.
NO_TLS = False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; a refused connection counts as "not yet"."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {WAIT_S} s: {what}")


class Program:
    """A Python module that runs as a process and listens on a port."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        port: int,
        before: Callable[[], None] | None = None,
        **variables: str,
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        environ = {
            k: v for k, v in os.environ.items() if not k.startswith(("GATEWAY", "INFERENCE"))
        }
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  a pipe that nobody reads fills up
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environ | variables,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            preexec_fn=before,  # noqa: PLW1509  it sets a limit and starts no thread
        )

    def get(self, path: str) -> httpx.Response:
        """Send a GET request."""
        return httpx.get(self.url + path, verify=NO_TLS)

    def post(self, path: str, **request: Any) -> httpx.Response:
        """Send a POST request, on a connection of its own."""
        return httpx.post(self.url + path, verify=NO_TLS, **request)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End the process and return its exit code and what it wrote."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        if not self._output.closed:
            self.wait()
            self._output.close()

    def wait(self) -> tuple[int, str]:
        """Wait for the end of the process and return its exit code and what it wrote."""
        return self.process.wait(timeout=WAIT_S), self.written()

    def written(self) -> str:
        """Return what it has written until now."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode()

    def log(self, event: str = "", **fields: object) -> list[dict[str, Any]]:
        """Return the lines of its log with the event and the fields."""
        lines = [json.loads(line) for line in self.written().splitlines()]
        wanted = {**({"event": event} if event else {}), **fields}
        return [line for line in lines if wanted.items() <= line.items()]

    def logged(self, event: str = "", **fields: object) -> dict[str, Any]:
        """Wait for the first such line; that of a request follows its answer."""
        wait_until(lambda: self.log(event, **fields), f"{event} {fields} is logged")
        return self.log(event, **fields)[0]


class UpstreamProgram(Program):
    """An upstream that does as it is told."""

    def __init__(self, version: str = "1", port: int = 0) -> None:
        port = port or free_port()
        super().__init__("tests.integration.gateway.upstream", str(port), version, port=port)

    def __enter__(self) -> Self:
        wait_until(lambda: self.get("/health/live").status_code, "the upstream answers")
        return self

    def behave(self, **behaviour: Any) -> None:
        """Set the behaviour; what is not named is as usual."""
        self.post("/control", json=behaviour).raise_for_status()

    def asked(self) -> dict[str, list[Any]]:
        """Return the number of rows of each call, and its trace."""
        answer: dict[str, list[Any]] = self.get("/control").json()
        return answer


class GatewayProgram(Program):
    """A gateway."""

    def __init__(self, before: Callable[[], None] | None = None, **variables: Any) -> None:
        variables.setdefault("GATEWAY_PORT", free_port())
        texts = {name: str(value) for name, value in variables.items()}
        port = int(texts["GATEWAY_PORT"])
        super().__init__("serving.gateway", port=port, before=before, **texts)

    def wait_ready(self, *, generation: int | None = None) -> None:
        """Wait until it is ready, with the list of that generation if one is named."""

        def ready() -> bool:
            answer = self.get("/health/ready")
            right = generation is None or answer.json()["generation"] == generation
            return answer.status_code == 200 and right

        wait_until(ready, f"the gateway is ready (generation {generation})")

    def port_when_ready(self) -> int:
        """Wait until it is ready, and return its port."""
        self.wait_ready()
        return self.port

    def listens(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def predict(self, *rows: Any, **options: Any) -> httpx.Response:
        """Ask for a prediction of the rows."""
        return self.post("/v1/predict", json={"instances": rows}, **options)


def raw(gateway: GatewayProgram, *parts: bytes) -> bytes:
    """Send bytes over a plain connection, and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=15) as connection:
        for part in parts:
            connection.sendall(part)
        got = b""
        while chunk := connection.recv(65536):
            got += chunk
        return got


def write_instances(file: Path, generation: int, *upstreams: UpstreamProgram) -> None:
    """Replace the list of instances as a supervisor does."""
    listed = {"generation": generation, "instances": [{"url": u.url} for u in upstreams]}
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(listed))
    fresh.replace(file)


def row(number: float) -> list[float]:
    """Return a row that the upstream answers with `number / 1000` for the first label."""
    return [number, 3.5, 1.4, 0.2]


def is_answer_to(body: dict[str, Any], *numbers: float) -> bool:
    """Tell whether a body answers exactly these rows, in this order."""
    given = [p["probabilities"]["setosa"] for p in body["predictions"]]
    return given == [number / 1000 for number in numbers]
