"""One point: a load on a running system, with its figures and whether they count."""

import http.client
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from load_tests.benchmark import wrk
from load_tests.benchmark.model import Request, is_right
from load_tests.benchmark.service import Service
from load_tests.benchmark.settings import Load
from load_tests.benchmark.systems import System

GENERATOR_LIMIT = 0.95
_SAMPLE_S = 0.5
_TIMEOUT_S = 10.0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    system: str
    connections: int
    rows: int
    round: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    checked: int
    wrong: int
    memory_mib: float
    cpu_us: float
    """CPU time of the system's processes for each request."""
    generator_cpu: float
    """Share of a core that wrk took."""
    others_cpu: float
    """Cores that neither the system nor wrk nor the benchmark itself kept busy: noise."""
    void: str = ""
    """Why the point does not count; empty where it does."""


class Bodies(NamedTuple):
    """The requests of one size, and the file from which wrk sends them."""

    requests: list[Request]
    file: Path


class Running(NamedTuple):
    """A system that runs, and the port where it answers."""

    system: System
    service: Service
    port: int


class Client:
    """Asks for a few answers during the load, and checks them."""

    def __init__(self, system: System, port: int, requests: list[Request]) -> None:
        self._system = system
        self._requests = requests
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        self.checked = 0
        self.wrong = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def answers_rightly(self) -> bool:
        """Send the next request.

        Raises:
            OSError, http.client.HTTPException, ValueError, KeyError: there is no answer.
        """
        request = self._requests[self.checked % len(self._requests)]
        body = self._system.body(request.rows)
        headers = {"content-type": "application/json"}
        try:
            self._connection.request("POST", self._system.path, body, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if response.status != http.client.OK:
            return False
        if self._system.answer is None:
            return answer == body
        return is_right(self._system.answer(answer), request.expected)

    def check(self) -> None:
        """Send the next request and count how it was answered."""
        try:
            right = self.answers_rightly()
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            right = False
        self.checked += 1
        self.wrong += not right


class _Watch:
    """What is looked at every half second during a load."""

    def __init__(self, service: Service, client: Client) -> None:
        self._service = service
        self._client = client
        self._due = 0.0
        self.memory_mib = 0.0

    def look(self) -> None:
        """Check an answer and the memory, when it is time."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _SAMPLE_S
            self._client.check()
            self.memory_mib = max(self.memory_mib, self._service.memory_mib())


def measure(running: Running, load: Load, bodies: Bodies, seconds: int, round_: int) -> Point:
    """Put a load on a system and watch it.

    Raises:
        SystemFailed: the load generator could not do it.
    """
    system, service, port = running
    client = Client(system, port, bodies.requests)
    target = wrk.Target(port, system.path, bodies.file)
    watch = _Watch(service, client)
    began, cpu = time.monotonic(), service.cpu_s()
    mine, all_of_it = time.process_time(), _busy_cpu()
    try:
        loaded = wrk.load(target, load.connections, seconds, watch.look)
        client.check()
    finally:
        client.close()
    seconds_run = loaded.figures.duration_us / 1e6
    cpu = service.cpu_s() - cpu
    known = cpu + time.process_time() - mine + loaded.cpu * seconds_run
    others = _busy_cpu() - all_of_it - known
    figures = loaded.figures
    point = Point(
        system=system.name,
        connections=load.connections,
        rows=load.rows,
        round=round_,
        requests_per_s=figures.requests / seconds_run,
        p50_ms=figures.p50_us / 1e3,
        p99_ms=figures.p99_us / 1e3,
        errors=figures.not_2xx + figures.broken,
        checked=client.checked,
        wrong=client.wrong,
        memory_mib=watch.memory_mib,
        cpu_us=cpu / max(1, figures.requests) * 1e6,
        generator_cpu=loaded.cpu,
        others_cpu=max(0.0, others / (time.monotonic() - began)),
    )
    return msgspec.structs.replace(point, void=why_void(point))


def why_void(point: Point) -> str:
    """Return why a point does not count, if it does not."""
    if not point.requests_per_s:
        return "no answers"
    if point.errors:
        return f"{point.errors} errors"
    if point.wrong:
        return f"{point.wrong} of {point.checked} answers wrong"
    if point.generator_cpu >= GENERATOR_LIMIT:
        return "limited by the load generator"
    return ""


def _busy_cpu() -> float:
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "softirq", 0.0)
