"""Start, stop, load, and instances that come, go and fail."""

import asyncio
import hashlib
import random
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import pytest

from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    free_port,
    is_answer_to,
    row,
    wait_until,
    write_instances,
)


class Answer(NamedTuple):
    """What a client of a stream got, and when."""

    asked: float
    answered: float
    status: int
    version: str


class Stream:
    """Clients that send one request after the other until told to stop."""

    def __init__(
        self,
        gateway: GatewayProgram,
        clients: int = 8,
        headers: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._url = f"{gateway.url}/v1/predict"
        self._clients = clients
        self._headers = headers
        self._stop = False
        self.answers: list[Answer] = []

    async def _client(self, http: httpx.AsyncClient) -> None:
        while not self._stop:
            numbers = [random.randrange(1000) for _ in range(random.randrange(1, 6))]
            asked = time.monotonic()
            body = {"instances": [row(n) for n in numbers]}
            answer = await http.post(self._url, json=body, headers=self._headers())
            version = answer.headers.get("x-model-version", "")
            self.answers.append(Answer(asked, time.monotonic(), answer.status_code, version))
            if answer.status_code == 200:
                assert is_answer_to(answer.json(), *numbers)
                assert answer.json()["model"]["version"] == version

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as tasks:
            for _ in range(self._clients):
                tasks.create_task(self._client(http))

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        self._running = self._pool.submit(asyncio.run, self._run())
        self.wait_for_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._pool.shutdown()
        self._running.result()

    def wait_for_more(self, count: int = 50) -> None:
        """Wait for so many answers more."""
        enough = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= enough or self._running.done(), "more answers")


def test_every_answer_is_right_for_its_own_request(
    gateway: GatewayProgram, upstream: UpstreamProgram
) -> None:
    """Under concurrency rows share calls, and nobody gets the rows of another."""
    before = len(upstream.asked()["calls"])
    with Stream(gateway, clients=32) as stream:
        stream.wait_for_more(500)
    calls = upstream.asked()["calls"][before:]
    assert {answer.status for answer in stream.answers} == {200}
    assert len(calls) < len(stream.answers)


def test_a_new_list_is_taken_over_without_a_failed_request(tmp_path: Path) -> None:
    """Under load, answers change from one release to the other once, and never back."""
    file = tmp_path / "instances.json"
    with UpstreamProgram("1") as one, UpstreamProgram("2") as two:
        two.behave(ready=False)
        write_instances(file, 1, one)
        with GatewayProgram(GATEWAY_INSTANCES=file) as gateway:
            gateway.wait_ready(generation=1)
            with Stream(gateway) as stream:
                write_instances(file, 2, two)
                stream.wait_for_more()
                assert gateway.get("/health/ready").json()["generation"] == 1
                two.behave()
                gateway.wait_ready(generation=2)
                one.stop()
                stream.wait_for_more()
            assert gateway.get("/v1/model").json()["version"] == "2"
    assert {answer.status for answer in stream.answers} == {200}
    first_new = min(answer.answered for answer in stream.answers if answer.version == "2")
    last_old = max(answer.asked for answer in stream.answers if answer.version == "1")
    assert last_old < first_new


def test_an_empty_or_broken_list(tmp_path: Path) -> None:
    """An empty list takes everything away; one that can't be read changes nothing."""
    file = tmp_path / "instances.json"
    with UpstreamProgram() as upstream, GatewayProgram(GATEWAY_INSTANCES=file) as gateway:
        wait_until(lambda: gateway.get("/health/live"), "the gateway runs")
        assert gateway.predict(row(1)).status_code == 503
        assert gateway.get("/health/started").status_code == 503
        write_instances(file, 1, upstream)
        gateway.wait_ready(generation=1)
        file.write_text("[{")
        time.sleep(0.3)
        assert gateway.predict(row(1)).status_code == 200
        write_instances(file, 2)
        wait_until(lambda: gateway.get("/health/ready").status_code == 503, "nothing is served")
        answer = gateway.predict(row(1))
        assert answer.json()["type"] == "docs/api.md#not-ready"
        assert answer.headers["retry-after"] == "2"
        assert gateway.get("/v1/model").status_code == 503
        assert gateway.get("/health/started").status_code == 200
        code, written = gateway.stop()
    assert code == 0
    assert written.count("is no list of instances") == 1


def test_one_of_two_dies() -> None:
    """Calls that an instance took to its grave are made again on another; nobody notices."""
    with (
        UpstreamProgram() as one,
        UpstreamProgram() as two,
        GatewayProgram(INFERENCE_URL=f"{one.url},{two.url}") as gateway,
    ):
        wait_until(lambda: gateway.get("/health/ready").json()["instances"] == 2, "both ready")
        with Stream(gateway) as stream:
            assert one.asked()["calls"]
            assert two.asked()["calls"]
            one.stop(signal.SIGKILL)
            stream.wait_for_more(200)
        assert {answer.status for answer in stream.answers} == {200}
        with UpstreamProgram(port=one.port) as again:
            wait_until(
                lambda: gateway.predict(row(1)) and again.asked()["calls"], "it is used again"
            )


@pytest.mark.parametrize(
    "failure",
    [
        {"hang_up": True},
        {"status": 503, "body": "{}"},
        {"status": 500, "body": "oh"},
        {"body": "nonsense"},
    ],
)
def test_what_one_can_t_do_another_does(failure: dict[str, object]) -> None:
    """A call that fails on an instance is made again on another."""
    with UpstreamProgram() as bad, UpstreamProgram() as good:
        bad.behave(**failure)
        with GatewayProgram(INFERENCE_URL=f"{bad.url},{good.url}") as gateway:
            wait_until(lambda: gateway.get("/health/ready").json()["instances"] == 2, "both ready")
            for number in range(20):
                assert is_answer_to(gateway.predict(row(number)).json(), number)
        assert bad.asked()["calls"]


@pytest.mark.parametrize(
    ("failure", "status", "name"),
    [
        ({"hang_up": True}, 503, "not-ready"),
        ({"status": 503, "body": "busy"}, 503, "overloaded"),
        ({"status": 500, "body": "oh"}, 502, "inference-failed"),
        ({"probabilities": [0.1, 0.2]}, 502, "inference-failed"),
        ({"body": "nonsense"}, 502, "inference-failed"),
        ({"status": 504, "body": "late"}, 503, "overloaded"),
        ({"delay_s": 5}, 504, "deadline-exceeded"),
    ],
)
def test_what_nobody_can_do_is_a_problem(
    failure: dict[str, object], status: int, name: str
) -> None:
    """A failure of inference is a 5xx problem with `Retry-After`, and passes."""
    with (
        UpstreamProgram() as upstream,
        GatewayProgram(INFERENCE_URL=upstream.url, GATEWAY_REQUEST_TIMEOUT_MS=300) as gateway,
    ):
        gateway.wait_ready()
        upstream.behave(**failure)
        answer = gateway.predict(row(1))
        assert (answer.status_code, answer.json()["type"]) == (status, f"docs/api.md#{name}")
        assert int(answer.headers["retry-after"]) >= 1
        upstream.behave()
        wait_until(lambda: gateway.predict(row(1)).status_code == 200, "it works again")


def test_an_instance_that_hangs_is_left_out() -> None:
    """One that accepts calls and answers nothing gets no more of them once a probe has found it."""
    with (
        UpstreamProgram() as bad,
        UpstreamProgram() as good,
        GatewayProgram(
            INFERENCE_URL=f"{bad.url},{good.url}", GATEWAY_REQUEST_TIMEOUT_MS=500
        ) as gateway,
    ):
        wait_until(lambda: gateway.get("/health/ready").json()["instances"] == 2, "both ready")
        bad.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: gateway.get("/health/ready").json()["instances"] == 1, "it is out")
            answers = [gateway.predict(row(number)).status_code for number in range(20)]
        finally:
            bad.process.send_signal(signal.SIGCONT)
        assert answers == [200] * 20
        wait_until(lambda: gateway.get("/health/ready").json()["instances"] == 2, "it is back")


def test_the_deadline_goes_along(gateway: GatewayProgram, upstream: UpstreamProgram) -> None:
    """Inference is told how long the client waits: as it asks, and no longer than the setting."""
    for given in ("700", "999999"):
        gateway.predict(row(1), headers={"Request-Timeout-Ms": given}).raise_for_status()
    short, longest = upstream.asked()["timeouts"][-2:]
    assert 0 < short <= 700
    assert 4000 < longest <= 5000
    for wrong in ("0", "-1", "soon", "1.5", ""):
        answer = gateway.predict(row(1), headers={"Request-Timeout-Ms": wrong})
        assert (answer.status_code, answer.json()["type"]) == (400, "docs/api.md#invalid-header")


def test_a_client_s_own_deadline_holds(gateway: GatewayProgram, upstream: UpstreamProgram) -> None:
    """Who waits for a short time only is told when it is over, not later."""
    upstream.behave(delay_s=1)
    answer = gateway.predict(row(1), headers={"Request-Timeout-Ms": "100"})
    upstream.behave()
    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < 0.9


def test_a_release_that_changes_behind_an_address_is_noticed() -> None:
    """An answer names the release that gave it, also before any probe has seen the new one."""
    with GatewayProgram(INFERENCE_URL=f"http://127.0.0.1:{(port := free_port())}") as gateway:
        for version in ("1", "2"):
            with UpstreamProgram(version, port=port) as upstream:
                gateway.wait_ready()
                answer = gateway.predict(row(1))
                assert answer.headers["x-model-version"] == version
                assert answer.json()["model"] == {
                    "name": "iris-classifier",
                    "version": version,
                    "sha256": hashlib.sha256(version.encode()).hexdigest(),
                }
                upstream.stop(signal.SIGKILL)


def test_overload_is_refused_at_once() -> None:
    """What does not fit in the queue is a 503 with `Retry-After`; what was accepted is answered."""
    with (
        UpstreamProgram() as upstream,
        GatewayProgram(
            INFERENCE_URL=upstream.url, GATEWAY_QUEUE_ROWS=20, GATEWAY_CALL_ROWS=5
        ) as gateway,
    ):
        gateway.wait_ready()
        upstream.behave(delay_s=0.5)
        with ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(lambda n: gateway.predict(row(n), timeout=20), range(60)))
        good = [n for n, a in enumerate(answers) if a.status_code == 200]
        refused = [a for a in answers if a.status_code != 200]
        assert all(is_answer_to(answers[n].json(), n) for n in good)
        assert len(good) >= 20
        assert refused
        for answer in refused:
            assert answer.status_code == 503
            assert answer.json()["type"] == "docs/api.md#overloaded"
            assert "retry-after" in answer.headers
        assert max(upstream.asked()["calls"]) <= 5


def test_sigterm_finishes_what_was_accepted() -> None:
    """After SIGTERM accepted requests are answered, new connections refused, and the exit is 0."""
    with (
        UpstreamProgram() as upstream,
        GatewayProgram(INFERENCE_URL=upstream.url, GATEWAY_CALLS_IN_FLIGHT=10) as gateway,
    ):
        gateway.wait_ready()
        upstream.behave(delay_s=2)
        with (
            socket.create_connection(("127.0.0.1", gateway.port)),  # an idle one holds up nothing
            ThreadPoolExecutor(10) as pool,
        ):
            waiting = [pool.submit(gateway.predict, row(n)) for n in range(10)]
            wait_until(lambda: sum(upstream.asked()["calls"]) == 10, "all have been accepted")
            gateway.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not gateway.listens(), "no new connection is accepted")
            for number, request in enumerate(waiting):
                assert is_answer_to(request.result().json(), number)
            code, written = gateway.wait()
    assert code == 0
    assert "Traceback" not in written


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_without_a_word_of_complaint(how: signal.Signals) -> None:
    """An idle gateway stops at once, with exit code 0."""
    with GatewayProgram(INFERENCE_URL="http://127.0.0.1:1") as gateway:
        wait_until(lambda: gateway.get("/health/live").status_code == 200, "the gateway runs")
        code, written = gateway.stop(how)
    assert code == 0
    assert "Traceback" not in written


def test_a_port_in_use_is_one_clear_line(gateway: GatewayProgram) -> None:
    """A second gateway on the port of the first does not share it."""
    with GatewayProgram(GATEWAY_PORT=gateway.port) as second:
        code, written = second.wait()
    assert code == 1
    assert f"can't listen on 127.0.0.1:{gateway.port}: Address already in use" in written
    assert "GATEWAY_PORT" in written
    assert len(written.splitlines()) == 1  # the supervisor tells the last line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_MAX_ROWS", "many"),
        ("INFERENCE_URL", "localhost:5000"),
        ("GATEWAY_API_KEYS_FILE", "/nowhere"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(variable: str, value: str) -> None:
    """A wrong variable stops the start with exit code 2 and its name."""
    given: dict[str, Any] = {variable: value}
    with GatewayProgram(**given) as gateway:
        code, written = gateway.wait()
    assert code == 2
    assert variable in written
    assert "Traceback" not in written
