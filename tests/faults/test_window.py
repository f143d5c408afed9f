"""A release that is well for a while, and then is not, in a window as long as people have it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.registry.commands import FLOWERS, PREDICT, asked, iris
from tests.integration.registry.register import register
from tests.integration.serving.processes import Supervisor, free_port
from tests.support.model_files import failing_graph, model_file

WELL_S = 20.0


@pytest.fixture
def serving(home: Path) -> Iterator[Supervisor]:
    """`iris serve` with version 1 promoted."""
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "promote", "1")
        yield supervisor


def test_a_release_that_fails_after_twenty_seconds_is_rolled_back(
    serving: Supervisor, home: Path, tmp_path: Path
) -> None:
    """It was well under real requests; its golden rows go on being right, and they do not."""
    version = register(home, tmp_path, model_file(graph=failing_graph(above=100.0)))
    ended, late = threading.Event(), threading.Event()
    right: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=serving.gateway, timeout=30) as client:
            while not ended.wait(0.005):
                row = [101.0, 3.5, 1.4, 0.2] if late.is_set() else FLOWERS[0]
                answer = client.post(PREDICT, json={"instances": [row]})
                if answer.headers["X-Model-Version"] == str(version) and not late.is_set():
                    right.append(answer.status_code)
                    if len(right) == 1:
                        failing.start()

    failing = threading.Timer(WELL_S, late.set)
    sender = threading.Thread(target=send)
    sender.start()
    words = ("--watch", "60s", "--accept-inconclusive", "a test", "--force", "a test")
    try:
        failed = iris(home, "promote", str(version), *words, code=1)
        assert late.is_set()
    finally:
        ended.set()
        sender.join()
        failing.cancel()
    assert set(right) == {200}
    assert "of the real requests" in failed.stderr
    assert "requests failed" in failed.stderr
    status = asked(home, "status")
    assert (status["release"]["version"], status["troubles"]) == ("1", [])
