"""Each exit code, by a run that earns it: `python -m load_tests.suite` before a real system."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from load_tests.suite.objectives import FILE
from tests.integration.serving.processes import Supervisor, publish, until
from tests.load.suite import Ended, Load
from tests.load.swapping_proxy import SwappingProxy
from tests.support.faulty_proxy import FaultyProxy

GOOD, BROKEN, VOID = 0, 1, 2


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """`iris serve` with a promoted release."""
    folder = tmp_path_factory.mktemp("system")
    with Supervisor(folder / "home") as supervisor:
        supervisor.until_listening()
        supervisor.promote(publish(supervisor.home, 1))
        until(lambda: _get(_url(supervisor), "/health/ready") == 200, "the gateway is ready")
        yield supervisor


def _url(system: Supervisor) -> str:
    return str(system.state()["gateways"][0])


def _get(url: str, path: str) -> int:
    return httpx.get(f"{url}{path}").status_code


def _port(system: Supervisor) -> int:
    return int(_url(system).rpartition(":")[2])


@pytest.fixture(scope="module")
def good(system: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run with nothing in its way, of two generators."""
    folder = tmp_path_factory.mktemp("good")
    given: dict[str, Any] = {"HOST": _url(system), "IRIS_HOME": system.home, "WORKERS": 2}
    return Load(folder, **given, RATE=800, FOR="2s").end()


def test_a_service_that_answers_rightly_and_in_time_holds(good: Ended) -> None:
    """Every kind of client gets what is right, from the release whose file lies in the store."""
    ended = good
    assert ended.code == GOOD, ended.said
    assert ended.said.rstrip().endswith("held (exit 0)")
    run = ended.run
    assert run["figures"]["wrong"] == run["figures"]["unjudged"] == 0
    assert run["figures"]["judged"] > 1000
    assert {judged["state"] for judged in run["verdict"]["judged"]} == {"held"}
    assert run["looks"][-1]["memory_mib"] > 50
    assert run["looks"][-1]["instances"] == 1
    assert sum(second["due"] for second in run["seconds"]) >= run["figures"]["requests"]
    assert "<svg" in ended.page
    assert "queue: not measured" not in ended.page


def test_a_slow_gateway_breaks_the_objectives(
    system: Supervisor, good: Ended, tmp_path: Path
) -> None:
    """It is worse than the run before; and golden rows stand in where no file is shown."""
    (tmp_path / "before.json").write_text(json.dumps(good.run))
    with FaultyProxy(_port(system)) as proxy:
        proxy.delay_s = 0.3
        host = f"http://127.0.0.1:{proxy.port}"
        ended = Load(
            tmp_path, HOST=host, IRIS_HOME=tmp_path, RATE=40, FOR="2s", BASELINE="before.json"
        ).end()
    assert ended.code == BROKEN, ended.said
    assert "broken: p50_ms" in ended.said
    assert ended.run["answers"] == "golden rows"
    changes = {change["figure"]: change["state"] for change in ended.run["changes"]}
    assert changes["p50_ms"] == "worse"
    assert changes["error_share"] == "within the noise"
    assert ended.run["figures"]["wrong"] == 0


def test_two_swapped_answers_break_the_run(system: Supervisor, tmp_path: Path) -> None:
    """However fast they were, and though each is an answer that the model gives."""
    (model,) = system.home.glob("store/models/**/*.onnx")
    with SwappingProxy(_port(system)) as proxy:
        ended = Load(
            tmp_path, HOST=proxy.url, IRIS_HOME=tmp_path, MODEL=model, RATE=60, FOR="2s"
        ).end()
    assert ended.code == BROKEN, ended.said
    assert "broken: wrong answers" in ended.said
    assert ended.run["figures"]["wrong"] == 2


def test_a_generator_without_processor_time_voids_the_run(
    system: Supervisor, tmp_path: Path
) -> None:
    """What was slow was the generator: that says nothing of the service."""
    load = Load(
        tmp_path, HOST=_url(system), IRIS_HOME=system.home, OBJECTIVES=FILE, RATE=200, FOR="3s"
    )
    before = _counted(system)
    until(lambda: _counted(system) > before + 100, "the load is under way")
    (generator,) = load.generators()
    generator.suspend()
    time.sleep(0.5)
    generator.resume()
    ended = load.end()
    assert ended.code == VOID, ended.said
    assert "generator itself was late" in "; ".join(ended.run["verdict"]["void"])


def test_a_second_without_answers_is_seen_in_the_percentiles(
    system: Supervisor, tmp_path: Path
) -> None:
    """Requests go on being due while the gateway stands still, and each has waited since then.

    A load that waits for its answers before it sends again would have had a few slow ones.
    """
    gateway = int((system.home / "run" / "gateway.pid").read_text())
    load = Load(tmp_path, HOST=_url(system), IRIS_HOME=system.home, RATE=200, FOR="3s")
    before = _counted(system)
    until(lambda: _counted(system) > before + 100, "the load is under way")
    os.kill(gateway, signal.SIGSTOP)
    time.sleep(0.8)  # less than the deadline, which would make errors of those that wait
    os.kill(gateway, signal.SIGCONT)
    figures = load.end().run["figures"]
    assert figures["p99_ms"] > 500
    assert figures["p95_ms"] > 300
    assert figures["error_share"] == 0


def _counted(system: Supervisor) -> float:
    """Return how many predictions the gateway has counted."""
    lines = httpx.get(f"{_url(system)}/metrics").text.splitlines()
    return sum(float(x.split()[-1]) for x in lines if x.startswith("iris_gateway_requests_total{"))


def test_a_host_that_does_not_answer_is_told_in_one_line(tmp_path: Path) -> None:
    """Nothing was judged, and there is no traceback."""
    ended = Load(tmp_path, HOST="http://127.0.0.1:9").end()
    assert ended.code == VOID
    assert ended.said.startswith("load: http://127.0.0.1:9 does not answer")
    assert ended.said.count("\n") == 1
