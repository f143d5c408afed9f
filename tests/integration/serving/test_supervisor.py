"""`iris serve` with real processes: rollouts, deaths, restarts, stops."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import pytest

from artifacts.release import Release
from serving.supervisor.ports import LOOPBACK
from tests.integration.serving.processes import Supervisor, alive, publish, until
from tests.support.model_files import ROWS, model_file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An IRIS_HOME that isn't there yet."""
    return tmp_path / "home"


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """`iris serve` with a gateway, for the tests that leave it running."""
    with Supervisor(tmp_path_factory.mktemp("iris") / "home") as supervisor:
        supervisor.until_listening()
        until(lambda: gateway_status(supervisor) != 0, "the gateway listens")
        yield supervisor


@pytest.fixture
def one(supervisor: Supervisor) -> Release:
    """Release 1, which serves."""
    release = publish(supervisor.home, 1)
    supervisor.promote(release)
    until_alone(supervisor)
    return release


def gateway_status(supervisor: Supervisor) -> int:
    """Return what the gateway's readiness route answers; 0 where nothing answers."""
    try:
        return supervisor.client.get(f"{supervisor.gateway}/health/ready").status_code
    except httpx.TransportError:
        return 0


def predict(client: httpx.Client, supervisor: Supervisor) -> httpx.Response:
    """Send the flowers to the gateway."""
    return client.post(f"{supervisor.gateway}/v1/predict", json={"instances": ROWS})


def served(state: dict[str, Any]) -> list[str]:
    """Return the versions that the instances themselves say they serve."""
    return [i["release"]["version"] for i in state["instances"] if i["release"]]


class Stream:
    """Requests, one after another in each of four threads, until stopped.

    Each pauses a little after an answer, so that the processors are there for what is tested.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.versions: list[list[str]] = [[] for _ in range(4)]
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(supervisor, seen)) for seen in self.versions
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self, supervisor: Supervisor, seen: list[str]) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stopped.is_set():
                try:
                    response = predict(client, supervisor)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if response.status_code == 200:
                    seen.append(response.json()["model"]["version"])
                else:
                    self.failures.append(response.text)
                self._stopped.wait(0.01)


def until_alone(supervisor: Supervisor) -> dict[str, Any]:
    """Wait until one instance is left."""

    def alone() -> dict[str, Any]:
        state = supervisor.state()
        return state if len(state["instances"]) == 1 else {}

    return until(alone, "the instance before has gone")


def test_before_any_promotion_clients_are_told_to_come_back(supervisor: Supervisor) -> None:
    """With nothing to serve the gateway answers 503 and says when to come again."""
    response = predict(supervisor.client, supervisor)
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" in response.headers
    assert supervisor.state()["rollout"]["state"] == "idle"


def test_a_new_release_comes_in_without_losing_a_request(
    supervisor: Supervisor, one: Release
) -> None:
    """Under a stream of requests none fails, and answers go from one release to the next once."""
    two = publish(supervisor.home, 2)
    with Stream(supervisor) as stream:
        until(lambda: all(len(seen) > 20 for seen in stream.versions), "requests flow")
        supervisor.promote(two)
        until(lambda: all("2" in seen for seen in stream.versions), "the new release answers")
    assert stream.failures == []
    for seen in stream.versions:
        assert seen[0] == one.version
        assert seen == sorted(seen), "answers went back to the release before"
    state = until_alone(supervisor)
    assert served(state) == ["2"]
    assert state["instances"][0]["release"]["sha256"] == two.sha256


@pytest.mark.parametrize(
    ("version", "data", "reason"),
    [
        (11, b"\x80\x04. a pickle", "iris import model.pkl --trust"),
        (12, model_file(golden_error=0.1), "golden rows differ"),
        (13, model_file()[:-40], "no whole model file"),
        (14, None, "there is no blob"),
    ],
    ids=["a pickle", "wrong golden rows", "cut short", "no blob"],
)
def test_a_release_that_cannot_become_ready_changes_nothing(
    supervisor: Supervisor, one: Release, version: int, data: bytes | None, reason: str
) -> None:
    """The old release serves on, and the state says why the new one does not."""
    bad = publish(supervisor.home, version, data) if data else Release("14", "v14/x", "0" * 64)
    supervisor.put(bad).raise_for_status()
    state = supervisor.until_rollout("failed")
    assert reason in state["rollout"]["reason"]
    assert served(state) == [one.version]
    assert state["release"]["version"] == bad.version  # what is desired stays as it was set
    assert predict(supervisor.client, supervisor).json()["model"]["version"] == one.version


def test_of_model_files_the_last_two_stay(supervisor: Supervisor, one: Release) -> None:
    """A release that served long ago takes no space; going back one needs no download."""
    two, three = publish(supervisor.home, 2), publish(supervisor.home, 3)
    supervisor.promote(two)
    supervisor.promote(three)
    files = (supervisor.home / "models").glob("*.onnx")
    assert {path.stem for path in files} == {two.sha256, three.sha256}


def test_writes_are_fenced_and_compared(supervisor: Supervisor, one: Release) -> None:
    """A stale revision, an older record and another ledger change nothing, not even on disk."""
    two, before = publish(supervisor.home, 2), supervisor.state()
    kept = (supervisor.home / "supervisor-state.json").read_bytes()
    number = before["fence"]["number"]
    refused = [
        (supervisor.put(two, revision=0), 412),
        (supervisor.put(two, number=number - 1), 409),
        (supervisor.put(two, number=number, digest="another"), 409),
        (supervisor.put(two, ledger="another"), 409),
        (supervisor.put(two, surprise="field"), 400),
    ]
    assert [response.status_code for response, _ in refused] == [code for _, code in refused]
    assert refused[0][0].json()["revision"] == before["revision"]
    assert (supervisor.home / "supervisor-state.json").read_bytes() == kept
    stamped = supervisor.promote(one)
    assert stamped["fence"]["number"] > number
    assert stamped["instances"][0]["pid"] == before["instances"][0]["pid"]


def test_nothing_is_told_without_the_token(supervisor: Supervisor, one: Release) -> None:
    """The control interface answers only who can read the token, which is the owner's alone."""
    url = f"{supervisor.address()['url']}/v1/state"
    assert supervisor.client.get(url).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert supervisor.client.get(url, headers=wrong).status_code == 401
    for name in ("supervisor.token", "supervisor.json", "supervisor-state.json"):
        assert stat.S_IMODE((supervisor.home / name).stat().st_mode) == 0o600


def test_a_killed_inference_process_is_started_again(supervisor: Supervisor, one: Release) -> None:
    """What dies comes back by itself, with the same release."""
    pid = supervisor.state()["instances"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: supervisor.state()["rollout"]["state"] != "idle", "the death is noted")
    state = supervisor.until_rollout("idle")
    assert served(state) == [one.version]
    assert state["instances"][0]["pid"] != pid
    assert predict(supervisor.client, supervisor).status_code == 200


def test_a_killed_gateway_is_started_again(supervisor: Supervisor, one: Release) -> None:
    """The gateway comes back too, and finds the instances that there are."""
    pid = int((supervisor.home / "run" / "gateway.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), "the gateway is gone")
    until(lambda: gateway_status(supervisor) == 200, "the gateway is ready again")
    assert predict(supervisor.client, supervisor).json()["model"]["version"] == one.version


def test_to_serve_nothing_drains(supervisor: Supervisor, one: Release) -> None:
    """A release of null ends what serves, and clients are told to come back."""
    assert predict(supervisor.client, supervisor).status_code == 200
    supervisor.put(None).raise_for_status()
    until(lambda: supervisor.state()["instances"] == [], "nothing runs")
    assert predict(supervisor.client, supervisor).status_code == 503


def test_a_second_supervisor_is_refused(supervisor: Supervisor) -> None:
    """One IRIS_HOME has one supervisor; the second is told who it is."""
    with Supervisor(supervisor.home) as second:
        assert second.process.wait(30) == 2
        assert str(supervisor.process.pid) in second.log.read_text()


def test_two_that_start_at_once_get_ports_of_their_own(tmp_path: Path) -> None:
    """On default ports neither is in the other's way, and each gateway serves its own release."""
    first, second = tmp_path / "first", tmp_path / "second"
    ports = {"GATEWAY_PORT": "", "INFERENCE_PORT": ""}
    with Supervisor(first, **ports) as one, Supervisor(second, **ports) as two:
        one.until_listening().put(publish(first, 1)).raise_for_status()
        two.until_listening().put(publish(second, 2)).raise_for_status()
        assert [answered_by(one), answered_by(two)] == ["1", "2"]
        assert one.gateway != two.gateway


def answered_by(supervisor: Supervisor) -> str:
    """Return the version that its gateway serves, where it says that this is."""
    supervisor.gateway = supervisor.until_rollout("idle")["gateways"][0]
    until(lambda: gateway_status(supervisor) == 200, "the gateway is ready")
    return str(predict(supervisor.client, supervisor).json()["model"]["version"])


def test_a_killed_supervisor_leaves_no_process_and_loses_no_state(home: Path) -> None:
    """After SIGKILL the children end by themselves; the next start serves what served.

    A release that failed before the death does not change that.
    """
    with Supervisor(home) as supervisor:
        supervisor.until_listening().promote(publish(home, 1))
        supervisor.put(publish(home, 2, b"\x80\x04."))
        before = supervisor.until_rollout("failed")
        pids = supervisor.pids()
        assert len(pids) == 2
        supervisor.process.kill()
        until(lambda: not any(map(alive, pids)), "the children are gone")
    with Supervisor(home) as supervisor:
        state = supervisor.until_listening().until_rollout("failed")
        assert served(state) == ["1"]
        for name in ("target", "release", "fence"):
            assert state[name] == before[name]
        assert state["revision"] > before["revision"]  # what was decided before is void


def test_a_stop_answers_what_was_accepted_and_leaves_no_process(home: Path) -> None:
    """SIGTERM: the gateway finishes first, then inference; a request that is half there counts."""
    with Supervisor(home) as supervisor:
        supervisor.until_listening().promote(publish(home, 1))
        pids = supervisor.pids()
        with half_sent_request(supervisor) as finish:
            supervisor.process.terminate()
            until(lambda: gateway_status(supervisor) == 0, "the gateway takes no more requests")
            assert json.loads(finish())["model"]["version"] == "1"
        assert supervisor.process.wait(60) == 0
        assert not any(map(alive, pids))
        assert not (home / "supervisor.json").exists()


@contextmanager
def half_sent_request(supervisor: Supervisor) -> Iterator[Callable[[], bytes]]:
    """Begin a prediction; yields what sends the rest and returns the answer."""
    body = json.dumps({"instances": ROWS}).encode()
    url = urlsplit(supervisor.gateway)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)

    def finish() -> bytes:
        connection.send(body[10:])
        return connection.getresponse().read()

    with closing(connection):
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        httpx.get(f"{supervisor.gateway}/health/live")  # came later, so what came before is read
        yield finish


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_end_of_the_terminal_ends_everything(home: Path, number: signal.Signals) -> None:
    """Ctrl-C and a closed terminal stop it as SIGTERM does."""
    with Supervisor(home) as supervisor:
        supervisor.until_listening()
        until(lambda: gateway_status(supervisor) != 0, "the gateway listens")
        pids = supervisor.pids()
        supervisor.process.send_signal(number)
        assert supervisor.process.wait(60) == 0
        assert pids
        assert not any(map(alive, pids))


def test_a_port_asked_for_and_in_use_is_one_line(home: Path) -> None:
    """The line names the variable, and nothing was started."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        port = str(listening.getsockname()[1])
        with Supervisor(home, GATEWAY_PORT=port) as supervisor:
            assert supervisor.process.wait(30) == 2
            log = supervisor.log.read_text()
            assert f"GATEWAY_PORT={port} is in use" in log
            assert "Traceback" not in log


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_MAX_ROWS", "many"),
        ("GATEWAY_API_KEYS_FILE", "/nowhere"),
        ("INFERENCE_HOST", "0.0.0.0"),  # nobody can call it
        ("SUPERVISOR_HOST", "::"),
        ("INFERENCE_HOST", "192.0.2.1"),  # RFC 5737: nobody's
        ("SUPERVISOR_HOST", "no-such-host.invalid"),
        ("GATEWAY_URL", "api-gateway:8080"),
        ("GATEWAY_URL", "http://gateway:x"),
    ],
)
def test_a_wrong_setting_is_one_line(home: Path, variable: str, value: str) -> None:
    """What could never work is told at once, not each time that a process ends."""
    with Supervisor(home, **{variable: value}) as supervisor:
        assert supervisor.process.wait(30) == 2
        [line] = supervisor.log.read_text().splitlines()
        assert variable in line


def test_a_caller_that_stalls_does_not_keep_it_from_stopping(home: Path) -> None:
    """A request to the control interface that is never completed is given up at the stop."""
    with Supervisor(home, "--without-gateway") as supervisor:
        url = urlsplit(supervisor.until_listening().address()["url"])
        token = (home / "supervisor.token").read_text()
        with closing(http.client.HTTPConnection(str(url.hostname), url.port)) as connection:
            connection.putrequest("PUT", "/v1/release")
            connection.putheader("Authorization", f"Bearer {token}")
            connection.putheader("If-Match", '"1"')
            connection.putheader("Content-Length", "100")
            connection.endheaders(b"{")
            supervisor.state()  # so the request above has been read too
            supervisor.process.terminate()
            assert supervisor.process.wait(30) == 0


def test_an_unwritable_home_is_one_line(tmp_path: Path) -> None:
    """A home that can't be made is named, without a traceback."""
    (tmp_path / "file").write_text("no folder")
    with Supervisor(tmp_path / "file") as supervisor:
        assert supervisor.process.wait(30) == 1
        log = supervisor.log.read_text()
        assert "IRIS_HOME=" in log
        assert "Traceback" not in log


def test_a_process_ends_with_its_parent_in_whatever_way(tmp_path: Path) -> None:
    """The end of the pipe from the parent ends the child, on any system."""
    module = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    (tmp_path / "sleeper.py").write_text(module + "print('up', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "serving.supervisor.tether", str(tmp_path / "pid"), "sleeper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"up\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.1)  # that it stays can only be watched for a while
        child.stdin.close()
        assert child.wait(10) == 0
