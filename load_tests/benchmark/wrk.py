"""The load generator: wrk, one thread, closed loop."""

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from load_tests.benchmark.errors import SetUpFailed, SystemFailed

SCRIPT = Path(__file__).with_name("wrk.lua")
_GRACE_S = 20.0
_LOOK_S = 0.1


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What wrk's script reports."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    not_2xx: int
    broken: int
    """Connections that failed, and requests without an answer in time."""


class Target(NamedTuple):
    """What is sent where: the bodies of a file, a line each."""

    port: int
    path: str
    bodies: Path


class Loaded(NamedTuple):
    """The figures of a load, and what share of a core it took to make it."""

    figures: Figures
    cpu: float


def program() -> str:
    """Return wrk's path.

    Raises:
        SetUpFailed: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise SetUpFailed("wrk, the load generator, is missing: apt-get install wrk")
    return found


def version() -> str:
    """Return the first line of what wrk says of itself."""
    done = subprocess.run([program(), "--version"], check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).partition("Copyright")[0].strip()


def parse(output: str) -> Figures:
    """Find the script's line in wrk's output.

    Raises:
        ValueError: there is none, or it is broken.
    """
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return msgspec.json.decode(line, type=Figures)
            except msgspec.MsgspecError as error:
                raise ValueError(f"wrk's figures are broken: {error}") from None
    raise ValueError(f"wrk reported no figures: {output.strip()[-200:]!r}")


def load(target: Target, connections: int, seconds: int, meanwhile: Callable[[], None]) -> Loaded:
    """Put load on a server, calling `meanwhile` again and again.

    Raises:
        SystemFailed: wrk could not do it.
    """
    command = [program(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    url = f"http://127.0.0.1:{target.port}"
    command += ["-s", str(SCRIPT), url, "--", str(target.bodies), target.path]
    before = _cpu_of_children()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for _ in range(int((seconds + _GRACE_S) / _LOOK_S)):
                meanwhile()
                try:
                    process.wait(_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        try:
            figures = parse(output.read())
        except ValueError as error:
            raise SystemFailed(str(error)) from None
    return Loaded(figures, (_cpu_of_children() - before) / (figures.duration_us / 1e6))


def _cpu_of_children() -> float:
    """Return the CPU time of the children that have ended, of which wrk is then the latest."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
