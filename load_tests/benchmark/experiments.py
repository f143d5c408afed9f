"""What a table of peers can't show: overload, several inference processes, ten minutes of load."""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path

import msgspec
import psutil

from load_tests.benchmark import open_loop, ours, wrk
from load_tests.benchmark.environments import python_of
from load_tests.benchmark.errors import SystemFailed
from load_tests.benchmark.measurement import Bodies
from load_tests.benchmark.ports import free_ports
from load_tests.benchmark.screen import say
from load_tests.benchmark.service import Service
from load_tests.benchmark.systems import OURS, SERVERS, SYSTEMS, Place

DEADLINE_S = 1.0
CALL_ROWS = 8  # as in serve_slow.py
INSTANCES = (1, 2, 4)
MEASURE_S = 4
OVERLOAD_S = 8
_LOOK_S = 5.0
_MIB = 2**20


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value."""

    name: str
    round: int
    value: float


class Ground(msgspec.Struct, frozen=True):
    """What experiments stand on: our release in a home, and our requests of one row."""

    home: Path
    folder: Path
    logs: Path
    bodies: Bodies

    @property
    def model(self) -> Path:
        """The model file."""
        return self.home / ours.MODEL_FILE


def overload(ground: Ground, round_: int) -> list[Sample]:
    """Return goodput and p99 of the accepted at twice what saturates, with a slow model.

    The peak is what wrk gets in a closed loop; then requests arrive in an open loop at twice that.
    """
    with _slow(ground, 1) as port:
        peak = _closed(ground, port, 64)
        body = SYSTEMS[OURS].body(ground.bodies.requests[0].rows)
        head = (
            f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"request-timeout-ms: {DEADLINE_S * 1000:.0f}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        target = open_loop.Target(port, head.encode() + body)
        outcome = open_loop.run(target, 2 * peak, OVERLOAD_S)
    # Without the time in which the queue fills, and the answers that come when no more is sent.
    in_time = [good for good in outcome.good if good.took <= DEADLINE_S]
    goodput = sum(2 <= good.at <= OVERLOAD_S for good in in_time) / (OVERLOAD_S - 2)
    accepted = [good.took for good in outcome.good] + [inf] * outcome.other
    if len(in_time) < 100:
        raise SystemFailed(f"of {len(accepted)} accepted requests {len(in_time)} were in time")
    p99 = sorted(accepted)[int(len(accepted) * 0.99)]
    say(
        f"  overload   peak {peak:,.0f}/s, at twice that {goodput:,.0f}/s in time, "
        f"p99 of the accepted {p99 * 1000:,.0f} ms; "
        f"{outcome.refused} refused, {outcome.other} ended otherwise"
    )
    return [
        Sample(name="goodput at twice saturation", round=round_, value=goodput / peak),
        Sample(name="p99 at twice saturation", round=round_, value=p99 / DEADLINE_S),
    ]


def instances(ground: Ground, round_: int) -> list[Sample]:
    """Return how many times the requests/s of one slow process several of them reach."""
    rates = {}
    for count in INSTANCES:
        with _slow(ground, count) as port:
            rates[count] = _closed(ground, port, 256)
    shown = ", ".join(f"{count}: {rate:,.0f}/s" for count, rate in rates.items())
    say(f"  instances  {shown}")
    return [
        Sample(name=f"{count} inference processes", round=round_, value=rates[count] / rates[1])
        for count in INSTANCES[1:]
    ]


def soak(ground: Ground, seconds: int) -> list[Sample]:
    """Return the memory of gateway and inference at the end of a long load, and its growth.

    Raises:
        SystemFailed: an answer was an error.
    """
    gateway_port, inference_port, _ = free_ports()
    environ = ours.environ_of(ground.home, gateway_port, inference_port)
    place = Place(python_of(""), gateway_port, (0, 0), ground.folder)
    found: list[float] = []
    with Service(
        SYSTEMS[OURS].command(place), environ, ground.folder / "soak", ground.logs / "soak.log"
    ) as service:
        service.until(lambda: _ready(gateway_port) == 1)
        looks = _every(_LOOK_S, lambda: found.append(_memory_mib(service)))
        target = wrk.Target(gateway_port, SYSTEMS[OURS].path, ground.bodies.file)
        figures = wrk.load(target, 128, seconds, looks).figures
    if errors := figures.not_2xx + figures.broken:
        raise SystemFailed(f"{errors} errors in {seconds} s of load")
    quarter = max(1, len(found) // 4)
    early, late = (
        statistics.mean(part) for part in (found[quarter : 2 * quarter], found[-quarter:])
    )
    say(
        f"  soak       {figures.requests:,} requests in {seconds} s, no error; "
        f"memory {found[0]:.0f}, {early:.0f}, {late:.0f} MiB"
    )
    return [
        Sample(name="memory after a long load", round=1, value=found[-1]),
        Sample(name="growth of memory", round=1, value=late / early),
    ]


@contextmanager
def _slow(ground: Ground, count: int) -> Iterator[int]:
    """Run a gateway before so many slow inference processes; yields its port when all are ready."""
    release = {
        "MODEL_VERSION": "1",
        "MODEL_BLOB_NAME": "iris-classifier/v1/model.onnx",
        "MODEL_PATH": str(ground.model),
    }
    python = str(python_of(""))
    with ExitStack() as stack:
        urls = []
        for number in range(count):
            port, gateway_port, _ = free_ports()
            folder, log = ground.folder / f"slow-{number}", ground.logs / f"slow-{number}.log"
            environ = ours.environ_of(ground.home, gateway_port, port) | release
            command = [python, str(SERVERS / "serve_slow.py")]
            stack.enter_context(Service(command, environ, folder, log))
            urls.append(f"http://127.0.0.1:{port}")
        environ = ours.environ_of(ground.home, gateway_port, 0)
        environ |= {"INFERENCE_URL": ",".join(urls), "GATEWAY_CALL_ROWS": str(CALL_ROWS)}
        command = [python, "-m", "serving.gateway"]
        gateway = Service(command, environ, ground.folder / "gateway", ground.logs / "gateway.log")
        stack.enter_context(gateway).until(lambda: _ready(gateway_port) == count)
        yield gateway_port


def _closed(ground: Ground, port: int, connections: int) -> float:
    """Return the requests/s of a closed loop.

    Raises:
        SystemFailed: an answer was an error.
    """
    target = wrk.Target(port, SYSTEMS[OURS].path, ground.bodies.file)
    wrk.load(target, connections, 1, lambda: None)  # until the gateway knows how long calls take
    figures = wrk.load(target, connections, MEASURE_S, lambda: None).figures
    if errors := figures.not_2xx + figures.broken:
        raise SystemFailed(f"{errors} errors below saturation")
    return figures.requests / figures.duration_us * 1e6


def _ready(port: int) -> int:
    """Return how many instances the gateway finds ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        found: int = json.loads(connection.getresponse().read()).get("instances", 0)
    finally:
        connection.close()
    return found


def _memory_mib(service: Service) -> float:
    """Return the memory of gateway and inference, without the supervisor."""
    total = 0.0
    for process in service.family():
        try:
            if {"serving.gateway", "bentos"} & set(process.cmdline()):
                total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / _MIB


def _every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Return what acts when it is called and so long has passed."""
    due = time.monotonic()

    def look() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due += seconds
            act()

    return look
