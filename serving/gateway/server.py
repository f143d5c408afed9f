"""Start and stop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal

from artifacts.errors import IrisError
from artifacts.store import open_store
from serving.gateway.app import App
from serving.gateway.http_server import HttpServer, Limits
from serving.gateway.instances import Instances
from serving.gateway.keys import ApiKeys
from serving.gateway.recording import Recorder
from serving.gateway.settings import GatewaySettings

FILES = (65_536, 10_240)  # the most that are wanted; what macOS allows, whatever it says
SPARE_FILES = 64  # what is open besides connections to clients

log = logging.getLogger(__name__)


class CannotListen(IrisError):
    """The port is in use, or the address is not this machine's."""


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Raises:
        IrisError: the gateway can't start.
    """
    keys = ApiKeys(settings.gateway_api_keys_file, settings.gateway_api_keys_grace_ms / 1000)
    instances = Instances(settings.inference_urls, settings.gateway_instances)
    recorder = _recorder(settings)
    stop = _stop_on_signals()
    record = recorder.record if recorder else None
    server = HttpServer(App(settings, instances, keys, record), _limits(settings))
    await _start(server, settings.gateway_host, settings.gateway_port)
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked at for garbage
    url = f"http://{settings.gateway_host}:{settings.gateway_port}"
    log.info("the gateway listens", extra={"url": url})
    if recorder is not None:
        recorder.start()
    elif settings.gateway_record_share:
        log.info("nothing that is served is recorded, as IRIS_STORE is not set")
    watching = asyncio.create_task(_watch(instances, keys))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await server.stop()
    watching.cancel()
    await asyncio.wait({watching})
    if not watching.cancelled():
        watching.result()  # raises what ended it
    if recorder is not None:
        recorder.stop()
    log.info("stopped; every request that had begun was answered")


async def _watch(instances: Instances, keys: ApiKeys) -> None:
    """Keep up to date what comes from outside, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(instances.watch())
        if keys.asked_for:
            tasks.create_task(keys.watch())


def _recorder(settings: GatewaySettings) -> Recorder | None:
    """Return what records; None where that is switched off, or there is no place for it.

    Raises:
        IrisError: the store's address is none.
    """
    share = settings.gateway_record_share
    if not share or not settings.iris_store:
        return None
    blobs = open_store(settings.iris_store).replay
    return Recorder(blobs, settings.iris_env, share, settings.gateway_record_batches)


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        body_bytes=settings.gateway_max_body_bytes,
        timeout_s=settings.gateway_body_timeout_ms / 1000,
        connections=_files() - SPARE_FILES,
    )


def _files() -> int:
    """Return how many files may be open, after raising that as far as this process may."""
    for wanted in FILES:
        allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        possible = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
        if possible > allowed:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (possible, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


async def _start(server: HttpServer, host: str, port: int) -> None:
    try:
        await server.start(host, port)
    except OSError as error:
        raise CannotListen(
            f"can't listen on {host}:{port}: {error.strerror}",
            hint="set GATEWAY_PORT (and GATEWAY_HOST) to a free address",
        ) from None


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop
