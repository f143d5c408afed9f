"""The body that was sent, sent back by other servers.

Run as a script, on granian embedded in a uvloop; `asgi` is for uvicorn.
"""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found"

import asyncio
import sys
from typing import Any

JSON = [("content-type", "application/json")]
JSON_BYTES = [(b"content-type", b"application/json")]


async def rsgi(_: Any, protocol: Any) -> None:
    """Answer one request on granian."""
    protocol.response_bytes(200, JSON, await protocol())


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request on uvicorn."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": JSON_BYTES})
    await send({"type": "http.response.body", "body": body})


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    server = Server(
        rsgi,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        backpressure=65_536,
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
