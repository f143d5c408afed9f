"""The limit: the body that was sent, sent back by the gateway's own HTTP server."""

import asyncio
import sys

import uvloop

from serving.gateway.http_server import HttpServer, Limits, Request

JSON = "content-type: application/json\r\n"


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = HttpServer(_echo, Limits(body_bytes=2**20, timeout_s=10.0, connections=4096))
    await server.start("127.0.0.1", port)
    await asyncio.Event().wait()


def _echo(request: Request) -> None:
    request.respond(200, JSON, request.body)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
