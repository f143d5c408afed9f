"""A stand-in for the inference service that speaks its contract and does as it is told.

`python -m tests.integration.gateway.upstream PORT VERSION` runs it. It answers the row `[x, …]`
with the probabilities `[x / 1000, 0, 1 - x / 1000]`, so that a test can tell whose answer it holds.
`POST /control` changes how it behaves; `GET /control` tells what it was asked.
"""

import asyncio
import hashlib
import os
import signal
import struct
import sys

import msgspec

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LABELS = ["setosa", "versicolor", "virginica"]


class Behaviour(msgspec.Struct):
    """How it answers calls."""

    delay_s: float = 0
    status: int = 200
    ready: bool = True
    body: str = ""
    probabilities: list[float] = []
    hang_up: bool = False


class Upstream:
    """One instance, which serves one release."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.sha256 = hashlib.sha256(version.encode()).hexdigest()
        self.behaviour = Behaviour()
        self.calls: list[int] = []
        self.traces: list[str] = []
        self.timeouts: list[int] = []
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split()
                answer = await self.answer(method, path, headers, body)
                if answer is None:
                    break
                status, content = answer
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
                    f"x-model-version: {self.version}\r\nx-model-sha256: {self.sha256}\r\n"
                    "content-type: application/octet-stream\r\n\r\n".encode()
                    + content
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes] | None:
        """Return status and body, or None for a connection that breaks off."""
        if path == "/control":
            if method == "POST":
                self.behaviour = msgspec.json.decode(body, type=Behaviour)
            asked = {"calls": self.calls, "traces": self.traces, "timeouts": self.timeouts}
            return 200, msgspec.json.encode(asked)
        if path.startswith("/health/"):
            return (200 if self.behaviour.ready else 503), b"{}"
        if path == "/v1/model":
            return 200, msgspec.json.encode(self.description())
        rows = list(struct.iter_unpack("<4d", body))
        self.calls.append(len(rows))
        self.traces.append(headers.get("traceparent", ""))
        self.timeouts.append(int(headers["request-timeout-ms"]))
        behaviour = self.behaviour
        if behaviour.delay_s:
            await asyncio.sleep(behaviour.delay_s)
        if behaviour.hang_up:
            return None
        if behaviour.body:
            return behaviour.status, behaviour.body.encode()
        given = behaviour.probabilities
        answers = [given or (row[0] / 1000, 0.0, 1 - row[0] / 1000) for row in rows]
        return behaviour.status, b"".join(struct.pack(f"<{len(a)}d", *a) for a in answers)

    def description(self) -> dict[str, object]:
        """Return what `/v1/model` says."""
        return {
            "name": "iris-classifier",
            "version": self.version,
            "sha256": self.sha256,
            "blob": f"iris-classifier/v{self.version}/model.onnx",
            "features": [
                {"name": name, "unit": "cm", "minimum": 0.1, "maximum": 999.0} for name in FEATURES
            ],
            "labels": LABELS,
            "metrics": {},
        }


async def main(port: int, version: str) -> None:
    """Serve until SIGTERM, then finish the calls that are under way."""
    upstream = Upstream(version)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1000)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()
    await asyncio.sleep(upstream.behaviour.delay_s + 0.2)
    for writer in upstream.open:
        writer.close()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
