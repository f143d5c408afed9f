"""The whole way once, with the commands that a user would type: train, promote, serve, predict."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import httpx

from artifacts import settings as environment
from artifacts.settings import MlflowSettings, Port
from artifacts.store import open_store
from serving.bootstrap import StepFailed, let_one_serve
from serving.supervisor.home import Home
from serving.supervisor.ports import LOOPBACK, Ports

_MLFLOW_PORT = 5050
# Nothing is sent home, and no workers are started for jobs that nobody submits.
_MLFLOW_MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_START_S = 60.0
_STOP_S = 20.0

FLOWERS: list[Any] = [
    [5.1, 3.5, 1.4, 0.2],
    {"sepal_length": 6.2, "sepal_width": 2.9, "petal_length": 4.3, "petal_width": 1.3},
    [7.7, 3.0, 6.1, 2.3],
]


class DemoSettings(MlflowSettings, frozen=True, kw_only=True):
    """What the demo itself reads; the commands that it runs read theirs."""

    iris_gateway_key: str = ""
    """The key that the demo's request carries, where the gateway asks for one."""
    mlflow_port: Port | None = None
    """The port of MLflow's pages. Unset: 5050, or the next that is free."""


@click.command(epilog="Example: iris demo --once")
@click.option("--once", is_flag=True, help="End after the answers, instead of staying up.")
def demo(*, once: bool) -> None:
    """Train, register, promote the best, serve it, and send it a few flowers.

    Run again, it goes on with what is there. It stays up until Ctrl-C, which ends every process.
    """
    settings = environment.load(DemoSettings)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves the last one
            signal.signal(number, _interrupt)
    try:
        with ExitStack() as processes:
            run(settings, processes, once=once)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo("\nevery process has ended; run it again to go on where it was")


def run(settings: DemoSettings, processes: ExitStack, *, once: bool) -> None:
    """Go the whole way; whatever is started ends with `processes`."""
    click.echo(f"everything is kept in {settings.home}")
    home = Home(settings.home)
    home.prepare()
    ports = processes.enter_context(Ports(click.echo))
    if settings.mlflow_port and not once:  # refused before anything is made
        ports.choose("MLFLOW_PORT", LOOPBACK, settings.mlflow_port, _MLFLOW_PORT)
    gateway = _gateway(home, _start("iris", ["iris", "serve", "--tethered"], home, processes))
    let_one_serve(takeover="the demo was started again")
    _predict(gateway, settings.iris_gateway_key)
    if once:
        click.echo("\nthat was all of it; make demo stays up, with MLflow's pages beside it")
        return
    _tell_where(gateway, _mlflow(settings, home, ports, processes))
    while True:
        signal.pause()


def _mlflow(settings: DemoSettings, home: Home, ports: Ports, processes: ExitStack) -> str:
    """Start MLflow's pages, unless a server is set; return where they are."""
    if settings.mlflow_tracking_uri.startswith("http"):
        return settings.mlflow_tracking_uri
    port = ports.choose("MLFLOW_PORT", LOOPBACK, settings.mlflow_port, _MLFLOW_PORT)
    artifacts = open_store(settings.store_uri).mlflow_artifact_root
    lock = home.root / f"demo-mlflow-{port}.pid"  # in `run` the next supervisor would end it
    processes.callback(lock.unlink, missing_ok=True)
    command = ["serving.supervisor.tether", str(lock), "mlflow", "server"]
    command += ["--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", settings.tracking_uri]
    command += ["--default-artifact-root", artifacts, "--no-serve-artifacts"]
    _start("mlflow", command, home, processes)
    url = f"http://{LOOPBACK}:{port}"
    _await_answer(f"{url}/health", f"MLflow does not start, see {home.logs}")
    return url


def _start(
    name: str, command: list[str], home: Home, processes: ExitStack
) -> subprocess.Popen[bytes]:
    """Run a Python module in the background; it ends with `processes`.

    It is one that also ends by itself where its standard input does: when the demo is killed.
    """
    log = home.logs / f"demo-{name}.log"
    try:
        process = _popen(command, log)
    except OSError as error:
        raise StepFailed(
            f"{name} cannot be started in {home.root}: {error.strerror}",
            hint="check the folder's rights and the disk's free space, or set IRIS_HOME",
        ) from error
    processes.callback(_stop, process)
    click.echo(f"started {name}, process {process.pid}; its log is {log}")
    return process


def _popen(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        output.write(b"\n")
        output.flush()  # a full disk is told here, since nothing could be read from the log
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"LOG_FORMAT": "text", **os.environ, **_MLFLOW_MANNERS},
            start_new_session=True,  # Ctrl-C reaches us first, and we end them in order
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


class _Interrupted(KeyboardInterrupt):
    """One of our own: Python ends by SIGINT after a plain one in an `exec`, be it caught or not.

    Libraries that are still being imported do that, as when they make a named tuple; see
    `unhandled_keyboard_interrupt` in CPython's pythonrun.c.
    """


def _interrupt(_signal: int, _frame: object) -> None:
    raise _Interrupted


def _gateway(home: Home, supervisor: subprocess.Popen[bytes]) -> str:
    """Wait until the supervisor tells where the gateway is, and which ports were in use."""
    log = home.logs / "demo-iris.log"
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, httpx.HTTPError, LookupError, TypeError):
            control = json.loads((home.root / "supervisor.json").read_text())["url"]
            headers = {"authorization": f"Bearer {home.token()}"}
            state = httpx.get(f"{control}/v1/state", headers=headers, trust_env=False).json()
            _echo_ports_taken(log)
            return str(state["gateways"][0])
        if supervisor.poll() is not None:
            click.echo(log.read_text(errors="replace").lstrip(), err=True, nl=False)
            raise StepFailed("iris serve did not start, see above")
        time.sleep(0.1)
    raise StepFailed("iris serve did not start", hint=f"see {log}")


def _echo_ports_taken(log: Path) -> None:
    for line in log.read_text(errors="replace").splitlines():
        if " is in use; " in line:
            click.echo(line)


def _predict(gateway: str, key: str) -> None:
    """Send a few flowers, and show the answers."""
    _await_answer(f"{gateway}/health/ready", "the gateway has nothing to serve; see iris status")
    body = json.dumps({"instances": FLOWERS})
    click.secho(
        f"\n$ curl -s {gateway}/v1/predict -H 'content-type: application/json' \\", bold=True
    )
    click.secho(f"    -d '{body}'", bold=True)
    answer = httpx.post(
        f"{gateway}/v1/predict",
        content=body,
        headers={
            "content-type": "application/json",
            **({"authorization": f"Bearer {key}"} if key else {}),
        },
        trust_env=False,
    )
    click.echo(json.dumps(answer.json(), indent=2))
    if answer.status_code != 200:
        raise StepFailed(
            f"the gateway answered {answer.status_code}",
            hint="it asks for a key: set IRIS_GATEWAY_KEY" if answer.status_code == 401 else "",
        )


def _await_answer(url: str, failure: str) -> None:
    """Wait until a page answers with 200."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise StepFailed(failure)


def _tell_where(gateway: str, mlflow: str) -> None:
    click.echo(
        f"""
gateway    {gateway}
API        {gateway}/docs
MLflow     {mlflow}

next       iris train --seed 2      another version, from the same flowers
           iris promote 2           let it serve, without losing a request
           iris status              what serves, since when, why
           iris history             who did what
           iris rollback            go back
           Ctrl-C                   end everything here
"""
    )
