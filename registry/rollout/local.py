"""The rollout back end of one machine: the supervisor, by its control address."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import msgspec

from artifacts.files import open_log
from artifacts.release import Release
from registry.errors import TargetMoved, TargetUnavailable
from registry.rollout import Fence, Patience, TargetState, wait_until_serving
from registry.settings import RegistrySettings

_POLL_S = 0.1
_START_S = 30.0
_STOP_S = 60.0

# What was asked for the server that stays is not asked of the one that is started for a promotion.
_NOT_PASSED_ON = (
    *("GATEWAY_INSTANCES", "GATEWAY_URL"),
    *("INFERENCE_HOST", "INFERENCE_PORT", "SUPERVISOR_HOST", "SUPERVISOR_PORT"),
    *("IRIS_CRASH_AT", "IRIS_STOP_AT"),
)


class _Address(msgspec.Struct, frozen=True):
    """What a supervisor tells of itself in `supervisor.json`."""

    url: str


class LocalTarget:
    """A supervisor, by address and token."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        """Take what is needed to call it; nothing is sent yet.

        Raises:
            TargetUnavailable: that is no address, or no token.
        """
        self.url = url
        self._timeout_s = timeout_s
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # The address is loopback or given; a proxy in the environment has no business with it.
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise TargetUnavailable(
                f"{url!r} and its token are no address of a supervisor ({error})",
                hint="check IRIS_SUPERVISOR_URL and IRIS_SUPERVISOR_TOKEN",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read(self) -> TargetState:
        """Return the supervisor's state."""
        return self._state(self._send("GET", "/v1/state"))

    def write(self, release: Release | None, fence: Fence, revision: int | str) -> TargetState:
        """Desire a release, by compare-and-set on the revision."""
        answer = self._send(
            "PUT",
            "/v1/release",
            headers={"if-match": f'"{revision}"', "content-type": "application/json"},
            content=msgspec.json.encode({"release": release, "fence": fence}),
        )
        if answer.status_code in (409, 412):
            raise TargetMoved(
                f"the supervisor at {self.url} was written by somebody else meanwhile",
                hint="look at iris status and iris history",
            )
        return self._state(answer)

    def wait_until_serving(
        self, release: Release | None, told: Callable[[str], None]
    ) -> TargetState:
        """Ask again and again, until every instance serves the release or the time is over."""
        what = f"the supervisor at {self.url}"
        patience = Patience(self._timeout_s, _POLL_S)
        return wait_until_serving(self.read, release, told, what, patience)

    def _send(self, method: str, path: str, **request: object) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)  # type: ignore[arg-type]  # passed on
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetUnavailable(
                f"the supervisor at {self.url} does not answer ({error})",
                hint="is iris serve running? Its address: IRIS_SUPERVISOR_URL, or IRIS_HOME",
            ) from error

    def _state(self, answer: httpx.Response) -> TargetState:
        if answer.status_code != httpx.codes.OK:
            raise TargetUnavailable(
                f"the supervisor at {self.url} answers {answer.status_code}: {answer.text[:200]}",
                hint="check IRIS_SUPERVISOR_TOKEN" if answer.status_code == 401 else "",
            )
        try:
            return msgspec.json.decode(answer.content, type=TargetState)
        except ValueError as error:
            raise TargetUnavailable(f"{self.url} is no supervisor ({error})") from error


@contextmanager
def open_local_target(settings: RegistrySettings, *, start: bool) -> Iterator[LocalTarget]:
    """Yield the supervisor of this machine, or the one whose address is set.

    Where none is running and `start` is given, one is started for as long as the block lasts, so
    that a release is proven on this machine before it is called the champion.

    Raises:
        TargetUnavailable: none is running, or the one that was started does not come up.
    """
    if settings.iris_supervisor_url:
        url, token = settings.iris_supervisor_url, settings.iris_supervisor_token
        with closing(_target(settings, url, token)) as target:
            yield target
    elif (found := _running(settings)) is not None:
        with closing(found):
            yield found
    elif start:
        with _started(settings) as target:
            yield target
    else:
        raise TargetUnavailable(
            f"nothing is serving from {settings.home}", hint="start it with: iris serve"
        )


def _target(settings: RegistrySettings, url: str, token: str) -> LocalTarget:
    return LocalTarget(url, token, settings.iris_rollout_timeout_s)


def _running(settings: RegistrySettings) -> LocalTarget | None:
    """Return the supervisor of `IRIS_HOME`, where one answers."""
    found, token = settings.home / "supervisor.json", settings.iris_supervisor_token
    try:
        url = msgspec.json.decode(found.read_bytes(), type=_Address).url
        token = token or (settings.home / "supervisor.token").read_text().strip()
        target = _target(settings, url, token)
    except (OSError, ValueError, TargetUnavailable):
        return None
    try:
        target.read()
    except TargetUnavailable:
        target.close()
        return None
    return target


@contextmanager
def _started(settings: RegistrySettings) -> Iterator[LocalTarget]:
    """Run a supervisor without a gateway, and end it afterwards.

    It ends by itself where this process dies, because its standard input ends then. Where another
    supervisor is at work on the same folder it waits: for one that is just ending, as after such a
    death. One that stays, because `iris serve` was started meanwhile, is used instead.
    """
    log = settings.home / "logs" / "promotion-supervisor.log"
    try:
        process = _start(log)
    except OSError as error:
        raise TargetUnavailable(
            f"no supervisor can be started in {settings.home}: {error.strerror}",
            hint="check the folder's rights and the disk's free space, or set IRIS_HOME",
        ) from error
    try:
        with closing(_awaited(settings, process, log)) as target:
            yield target
    finally:
        _end(process)


def _start(log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open_log(log) as output:
        output.write(b"\n")
        output.flush()  # a full disk is told here, since nothing could be read from the log
        return subprocess.Popen(
            [sys.executable, "-m", "iris", "serve", "--without-gateway", "--tethered"],
            env={k: v for k, v in os.environ.items() if k not in _NOT_PASSED_ON},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()  # what it has started ends with it
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _awaited(
    settings: RegistrySettings, process: subprocess.Popen[bytes], log: Path
) -> LocalTarget:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if (target := _running(settings)) is not None:
            return target
        time.sleep(_POLL_S)
    lines = log.read_text(errors="replace").splitlines()
    said = [line for line in lines if line.strip() and not line.startswith("  → ")]
    reason = said[-1].removeprefix("error: ") if said else "it wrote nothing"
    raise TargetUnavailable(f"the supervisor did not start: {reason}", hint=f"see {log}")
