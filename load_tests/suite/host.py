"""The service from outside: what it serves, its gateways' own counters, its processes."""

import contextlib
import http.client
import ipaddress
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import psutil

from load_tests.suite.answers import Described
from load_tests.suite.errors import HostFailed, UsageError
from load_tests.suite.plan import KEY

TIMEOUT_S = 5.0
_MIB = 2**20
_REQUESTS = re.compile(r"^iris_gateway_requests_total\{.*\} (\S+)$", re.MULTILINE)
# Whatever a gateway calls it: the number of what waits there.
_QUEUE = re.compile(r"^\w*queue\w*(?:\{.*\})? (\S+)$", re.MULTILINE)


class Host(NamedTuple):
    """Where requests go, and whom to ask how it is."""

    url: str
    key: str = ""
    gateways: tuple[str, ...] = ()
    """Each gateway that serves under the address, to be asked for its own figures."""
    pid: int | None = None
    """The supervisor, where it is on this machine."""
    home: Path | None = None
    """Its `IRIS_HOME`."""
    environ: Mapping[str, str] = {}
    """That of the commands which work on it."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The service at one moment; None stands for what could not be measured."""

    at: float
    """Seconds from the start."""
    counted: list[float | None]
    """How many predictions each gateway has counted since its start."""
    instances: int | None
    queue: float | None
    release: str
    since: str
    """When the instance that describes the release loaded it."""
    memory_mib: float | None
    busiest: float | None
    """The share of a core that the busiest process took since the look before."""


def is_local(url: str) -> bool:
    """Whether an address is this machine's own."""
    name = urlsplit(url).hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check(url: str, confirm: str) -> str:
    """Return the address without its path's end, once it may be put under load.

    Raises:
        UsageError: it is no address, or another machine's, and nobody confirmed that.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise UsageError(f"HOST={url} is no address such as http://127.0.0.1:8080")
    if not is_local(url) and confirm != parts.hostname:
        raise UsageError(
            f"{parts.hostname} is not this machine: say CONFIRM={parts.hostname} where you may "
            "put it under load"
        )
    return url.rstrip("/")


def get(url: str, path: str, key: str = "") -> bytes:
    """Return what is at a path.

    Raises:
        HostFailed: nothing answers, or not with 200.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    cls = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = cls(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    headers = {"x-iris-synthetic": "1", **({"authorization": f"Bearer {key}"} if key else {})}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise HostFailed(f"{url} does not answer ({error}); check HOST") from error
    finally:
        connection.close()
    if answer.status != 200:
        hint = f"set {KEY} to a key of it" if answer.status == 401 else "see iris status"
        raise HostFailed(f"{url}{path} answers with {answer.status}; {hint}")
    return body


def described(host: Host) -> Described:
    """Return what serves.

    Raises:
        HostFailed: nothing does, or it can't be told.
    """
    body = get(host.url, "/v1/model", host.key)
    try:
        return msgspec.json.decode(body, type=Described)
    except msgspec.MsgspecError as error:
        raise HostFailed(f"{host.url}/v1/model answers with no model: {error}") from error


def supervised(url: str, home: Path) -> tuple[int, Path] | None:
    """Return the supervisor of a home and the home, where the address is that of its gateway."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        address = json.loads((home / "supervisor.json").read_text())
        if any(_are_one(url, gateway) for gateway in state(home)["gateways"]):
            return int(address["pid"]), home
    return None


def _are_one(url: str, other: str) -> bool:
    """Whether two addresses are the same port of this machine."""
    return is_local(url) and is_local(other) and urlsplit(url).port == urlsplit(other).port


def state(home: Path) -> dict[str, Any]:
    """Return what the supervisor of a home says.

    Raises:
        OSError: nobody does.
        ValueError: it is no state.
    """
    control = urlsplit(json.loads((home / "supervisor.json").read_text())["url"])
    token = (home / "supervisor.token").read_text().strip()
    connection = http.client.HTTPConnection(control.hostname or "", control.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/v1/state", headers={"authorization": f"Bearer {token}"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
    return found


class Observer:
    """Looks at a service, again and again."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.cpu_s = 0.0
        """The CPU time of all processes of the service since the first look."""
        self._looked = False
        self._cpu: dict[int, tuple[float, float]] = {}

    def look(self, at: float) -> Look:
        """Return what there is to see now."""
        host = self._host
        texts = [self._text(url, "/metrics") for url in host.gateways]
        ready = [self._json(url, "/health/ready") for url in host.gateways]
        model = self._json(host.url, "/v1/model")
        memory, busiest = self._processes()
        return Look(
            at=at,
            counted=[_sum(_REQUESTS, text) for text in texts],
            instances=max((r["instances"] for r in ready if "instances" in r), default=None),
            queue=_queue(texts),
            release=f"{model['version']} ({model['sha256'][:8]})" if "sha256" in model else "",
            since=str(model.get("since", "")),
            memory_mib=memory,
            busiest=busiest,
        )

    def _text(self, url: str, path: str) -> str | None:
        try:
            return get(url, path, self._host.key).decode()
        except (HostFailed, UnicodeDecodeError):
            return None

    def _json(self, url: str, path: str) -> dict[str, Any]:
        text = self._text(url, path)
        with contextlib.suppress(ValueError):
            found = json.loads(text or "{}")
            if isinstance(found, dict):
                return found
        return {}

    def _processes(self) -> tuple[float | None, float | None]:
        """Return the memory of all processes, and what the busiest took of a core."""
        if self._host.pid is None:
            return None, None
        memory, shares, now = 0.0, [0.0], time.monotonic()
        seen: dict[int, tuple[float, float]] = {}
        try:
            main = psutil.Process(self._host.pid)
            family = [main, *main.children(recursive=True)]
        except psutil.Error:
            return None, None
        for process in family:
            with contextlib.suppress(psutil.Error):
                found = process.memory_full_info()
                memory += getattr(found, "pss", 0) or found.rss
                times = process.cpu_times()
                seen[process.pid] = now, times.user + times.system
        for pid, (when, cpu) in seen.items():
            # Who came since the last look has spent all of its time since then.
            before, spent = self._cpu.get(pid, (when, 0.0 if self._looked else cpu))
            self.cpu_s += cpu - spent
            if when > before:
                shares.append((cpu - spent) / (when - before))
        self._cpu, self._looked = seen, True
        return memory / _MIB, max(shares)


def busy_s() -> float:
    """Return the CPU time that everything on this machine has taken."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts a guest's time as user time, too.
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0))


def own_s() -> float:
    """Return the CPU time of this process, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _sum(pattern: re.Pattern[str], text: str | None) -> float | None:
    found = pattern.findall(text or "")
    return sum(map(float, found)) if found else None


def _queue(texts: list[str | None]) -> float | None:
    found = [value for text in texts if (value := _sum(_QUEUE, text)) is not None]
    return sum(found) if found else None
