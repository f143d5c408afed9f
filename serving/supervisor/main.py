"""Start and stop of `iris serve`, in order."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from artifacts.errors import SettingsError
from artifacts.settings import load
from artifacts.store import open_store
from serving.gateway.keys import ApiKeys
from serving.gateway.settings import GatewaySettings
from serving.supervisor.child_logs import ChildLogs
from serving.supervisor.control import control_app
from serving.supervisor.gateway import Gateway, OwnGateway, recording
from serving.supervisor.home import Home
from serving.supervisor.inference import Launcher
from serving.supervisor.leftovers import end_leftovers
from serving.supervisor.ports import Ports
from serving.supervisor.settings import SupervisorSettings
from serving.supervisor.supervisor import Say, Supervisor

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared, not bound
GATEWAY_PORT = 8080
INFERENCE_PORT = 5000
GATEWAY_START_S = 15.0
# How long a caller of the control interface that is half-way through its request is waited for.
CONTROL_STOP_S = 5


def run(
    settings: SupervisorSettings,
    *,
    with_gateway: bool,
    say: Say,
    patient: bool = False,
    logs: bool = False,
) -> None:
    """Serve until SIGTERM, SIGINT or the terminal's end; then leave no process behind.

    Args:
        settings: the program's settings.
        with_gateway: whether clients are served; else only inference is. Where the settings name
            a gateway elsewhere, that one serves them in any case.
        say: is told what happens, a line each.
        patient: whether to wait where another supervisor is at work on the same folder.
        logs: whether what gateway and inference log goes to standard output, too.

    Raises:
        IrisError: the folder, a port or the state can't be had; nothing was started then.
    """
    _check_addresses(settings)
    if with_gateway and not settings.gateway_url:
        _check_gateway_settings(settings)
    home = Home(settings.home, settings.gateway_instances)
    home.prepare()
    with home.locked(say if patient else None):
        if told := end_leftovers(home.run):
            say(f"ended {len(told)} processes that a killed iris serve left behind")
        with Ports(say) as ports:
            serving = _serve(home, settings, ports, with_gateway=with_gateway, say=say)
            asyncio.run(_with_logs(ChildLogs(home.logs, shown=logs), serving))


def _check_addresses(settings: SupervisorSettings) -> None:
    """Refuse what can't be listened on, and what can't be called."""
    named = {"INFERENCE_HOST": settings.inference_host, "SUPERVISOR_HOST": settings.supervisor_host}
    for variable, host in named.items():
        if host in EVERYWHERE:
            raise SettingsError(
                f"{variable}={host} is every address of this machine, and others are told it: "
                "give the name or the address by which they reach this one"
            )
        try:
            socket.create_server((host, 0)).close()
        except (OSError, UnicodeError) as error:
            raise SettingsError(
                f"{variable}={host} is no address of this machine: {error}"
            ) from error
    if settings.gateway_url and not _is_url(settings.gateway_url):
        raise SettingsError(
            f"GATEWAY_URL={settings.gateway_url} is no address such as http://api-gateway:8080"
        )


def _is_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def _check_gateway_settings(settings: SupervisorSettings) -> None:
    """Stop here for what would stop the gateway each time that it is started."""
    given = load(GatewaySettings)
    ApiKeys(given.gateway_api_keys_file)
    if given.gateway_record_share:
        open_store(settings.store_uri)


async def _with_logs(logs: ChildLogs, serving: Coroutine[Any, Any, None]) -> None:
    """Look after what the children log, as long as something is served."""
    keeping = asyncio.create_task(logs.keep())
    try:
        await serving
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


async def _serve(
    home: Home, settings: SupervisorSettings, ports: Ports, *, with_gateway: bool, say: Say
) -> None:
    stopping = _stop_on_signals()
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        gateway = _gateway(home, settings, client, ports, own=with_gateway)
        host = settings.inference_host
        first = ports.choose("INFERENCE_PORT", host, settings.inference_port, INFERENCE_PORT)
        launcher = Launcher(home, settings.store_uri, ports, (host, first), client)
        supervisor = Supervisor(home, launcher, gateway, settings.iris_rollout_timeout_s, say)
        app = control_app(supervisor, settings.iris_supervisor_token or home.token())
        address = (settings.supervisor_host, settings.supervisor_port)
        async with _listening(app, address, ports) as url, _kept(supervisor, say):
            with home.published(url):
                await _say_where(supervisor, url, say)
                await stopping.wait()
                say("stopping: what was accepted is finished first")


def _gateway(
    home: Home, settings: SupervisorSettings, client: httpx.AsyncClient, ports: Ports, *, own: bool
) -> Gateway | None:
    if settings.gateway_url:
        return Gateway(settings.gateway_url.rstrip("/"), client)
    if not own:
        return None
    host = settings.gateway_host
    port = ports.choose("GATEWAY_PORT", host, settings.gateway_port, GATEWAY_PORT)
    share = load(GatewaySettings).gateway_record_share
    return OwnGateway(home, (host, port), client, recording(settings, share))


@asynccontextmanager
async def _kept(supervisor: Supervisor, say: Say) -> AsyncIterator[None]:
    """Keep the processes as they shall be; at the end stop the gateway first, then inference."""
    gateway = supervisor.gateway if isinstance(supervisor.gateway, OwnGateway) else None
    await supervisor.begin()
    try:
        async with asyncio.TaskGroup() as tasks:
            kept = [tasks.create_task(supervisor.run())]
            if gateway is not None:
                kept.append(tasks.create_task(gateway.keep_alive(say)))
            yield
            for task in kept:
                task.cancel()
    finally:
        if gateway is not None:
            await gateway.stop()
        await supervisor.stop()
        say("stopped")


@asynccontextmanager
async def _listening(app: Starlette, address: tuple[str, int], ports: Ports) -> AsyncIterator[str]:
    """Answer on the control interface; yields its address."""
    host, port = address
    if port:
        ports.choose("SUPERVISOR_PORT", host, port, port)
    bound = socket.create_server(address)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=CONTROL_STOP_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield f"http://{host}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn, less its handling of signals: they are the supervisor's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _say_where(supervisor: Supervisor, url: str, say: Say) -> None:
    gateway = supervisor.gateway
    elsewhere = bool(gateway) and not isinstance(gateway, OwnGateway)
    if gateway and (elsewhere or await gateway.until_live(GATEWAY_START_S)):
        say(f"gateway    {gateway.url}")
    say(f"control    {url}")
    release = supervisor.state.release
    say(f"release    {release}" if release else "release    none yet: iris promote N")


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves the last one
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping
