"""Start and stop: the one module that knows the server."""

import asyncio
import logging
import signal
import socket

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from artifacts.errors import IrisError
from serving.gateway.app import App
from serving.gateway.instances import Instances
from serving.gateway.keys import ApiKeys
from serving.gateway.settings import GatewaySettings

BACKLOG = 2048
CONNECTIONS = 65_536  # an idle or slow connection holds one; only the machine bounds them

log = logging.getLogger(__name__)


class CannotListen(IrisError):
    """The port is in use, or the address is not this machine's."""


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Raises:
        IrisError: the gateway can't start, or the server ended by itself.
    """
    keys = ApiKeys.from_file(settings.gateway_api_keys_file)
    instances = Instances(settings.inference_urls, settings.gateway_instances)
    address = _free_address(settings.gateway_host, settings.gateway_port)
    server = _server(App(settings, instances, keys), address, settings)
    stopping = _stop_on_signals(server)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(instances.watch())
        log.info("listening at http://%s:%d", settings.gateway_host, settings.gateway_port)
        await server.serve()
        watching.cancel()
    if not stopping.is_set():
        raise IrisError("the HTTP server ended by itself")
    log.info("stopped; every accepted request was answered")


def _server(app: App, address: str, settings: GatewaySettings) -> Server:
    return Server(
        app,
        address=address,
        port=settings.gateway_port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.gateway_body_timeout_ms),
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        log_enabled=False,
    )


def _stop_on_signals(server: Server) -> asyncio.Event:
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        server.stop()  # type: ignore[no-untyped-call]  # half of granian has types

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    return stopping


def _free_address(host: str, port: int) -> str:
    """Return the IP address of the host, on which the port is free.

    The server itself would share a port that is in use (SO_REUSEPORT), and each would get a part
    of the requests.

    Raises:
        CannotListen: it is not.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CannotListen(
            f"can't listen on {host}:{port}: {error.strerror}",
            hint="set GATEWAY_PORT (and GATEWAY_HOST) to a free address",
        ) from None
    return str(address[0])
