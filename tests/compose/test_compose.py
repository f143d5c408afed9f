"""The whole system in containers, by the commands that an operator types."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.conftest import System
from tests.integration.registry.commands import FLOWERS, SPECIES, Stream
from tests.integration.serving.processes import until
from tests.load.suite import LAX, Load

pytestmark = pytest.mark.timeout(900)
PROGRAMS = {"api-gateway", "inference-service", "mlflow", "postgres", "azurite"}


def predicted(system: System) -> dict[str, Any]:
    """Return what the gateway answers; nothing while it does not."""
    try:
        answer = httpx.post(f"{system.gateway}/v1/predict", json={"instances": FLOWERS})
    except httpx.TransportError:
        return {}
    return answer.json() if answer.status_code == 200 else {}


def test_a_first_version_serves(system: System) -> None:
    """One command trains, promotes and serves; everything is healthy, nothing is in the way."""
    assert [p["label"] for p in predicted(system)["predictions"]] == SPECIES
    status = system.status()
    assert status["release"]["version"] == str(status["registered"]["alias"])
    assert status["troubles"] == []
    running = system.containers()
    assert running.keys() >= PROGRAMS
    health = {running[name]["State"]["Health"]["Status"] for name in PROGRAMS}
    assert health == {"healthy"}


def test_the_commands_of_the_runbook_work(system: System) -> None:
    """`ps` lists the services, and the logs of both are what their programs say."""
    assert "api-gateway" in system.compose("ps")
    for service, programs in (
        ("api-gateway", {"gateway"}),
        ("inference-service", {"supervisor", "inference", "download-model"}),
    ):
        lines = system.compose("logs", "--no-color", "--no-log-prefix", service).splitlines()
        assert {json.loads(line)["program"] for line in lines} == programs
    assert "iris_gateway_requests_total" in system.inside(
        "api-gateway", "curl", "-s", "http://127.0.0.1:8080/metrics"
    )


def test_no_container_may_more_than_it_needs(system: System) -> None:
    """No root, no capability, nothing to write on, no socket of the engine; the gateway is open."""
    running = system.containers()
    for name, container in running.items():
        assert container["Config"]["User"] not in ("", "0", "root"), name
        limits = container["HostConfig"]
        assert limits["ReadonlyRootfs"], name
        assert limits["CapDrop"] == ["ALL"], name
        assert limits["Memory"], name
        assert not any("docker.sock" in mount["Source"] for mount in container["Mounts"]), name
    opened = {name for name, c in running.items() if any(c["HostConfig"]["PortBindings"].values())}
    assert opened == {"api-gateway"}


def test_a_load_from_outside_holds(system: System, tmp_path: Path) -> None:
    """The smoke profile on the published port; golden rows say what is right."""
    # The memory of what runs in containers is not seen from outside.
    (tmp_path / "own.toml").write_text(LAX.replace("memory_mib = 2000", ""))
    ended = Load(
        tmp_path,
        HOST=system.gateway,
        IRIS_HOME=tmp_path,
        OBJECTIVES=tmp_path / "own.toml",
        RATE=200,
        FOR="8s",
    ).end()
    assert ended.code == 0, ended.said
    assert ended.run["figures"]["wrong"] == 0
    assert ended.run["figures"]["judged"] > 1000


def test_a_promotion_loses_no_request(system: System) -> None:
    """Unchanged, through the supervisor's address; and back again."""
    system.compose("run", "--rm", "-T", "trainer", "--seed", "2")
    before = system.status()["release"]["version"]
    with Stream(system.gateway) as stream:
        until(lambda: all(stream.versions), "every client has an answer")
        system.iris("promote", "2", "--watch", "2s", "--reason", "a second seed")
        until(lambda: all(v[-1] == "2" for v in stream.versions), "every client sees version 2")
        system.iris("rollback", "--reason", "a rehearsal")
        until(lambda: all(v[-1] == before for v in stream.versions), "every client is back")
    assert stream.failures == []
    system.iris("verify-ledger")


def test_nothing_is_lost_when_all_of_it_goes_down(system: System) -> None:
    """After `down` and `up` the same release serves, and ledger and registry are as they were."""
    before, history = system.status(), json.loads(system.iris("history", "--json"))
    system.make("down")
    system.make("up")
    until(lambda: predicted(system), "the gateway answers")
    after = system.status()
    assert after["release"] == before["release"]
    assert after["registered"] == before["registered"]
    assert json.loads(system.iris("history", "--json")) == history


@pytest.mark.parametrize("service", ["inference-service", "api-gateway"])
def test_a_container_that_is_killed_comes_back(system: System, service: str) -> None:
    """Under requests: some of them fail, all are counted, and then it goes on by itself."""
    until(lambda: predicted(system), "the gateway answers")
    with Stream(system.gateway) as stream:
        until(lambda: all(stream.versions), "every client has an answer")
        system.kill(service)
        until(lambda: stream.failures, "somebody notices")
        seen = [len(versions) for versions in stream.versions]
        until(
            lambda: all(len(v) > n + 20 for v, n in zip(stream.versions, seen, strict=True)),
            "every client has answers again",
        )
    assert {len(changes) for changes in stream.changes()} == {1}
    answered = sum(map(len, stream.versions))
    told = Counter(failure[:80] for failure in stream.failures)
    sys.stdout.write(f"{service}: {answered} answered, {len(stream.failures)} failed: {told}\n")


def test_prometheus_finds_gateway_and_inference(system: System) -> None:
    """With the ledger, though the port of inference changes with each release; rules hold."""
    system.compose("up", "--detach", "prometheus", "exporter")

    def up() -> set[str]:
        page = system.inside(
            "api-gateway", "curl", "-s", "http://prometheus:9090/api/v1/query?query=up"
        )
        found = json.loads(page)["data"]["result"]
        return {each["metric"]["job"] for each in found if each["value"][1] == "1"}

    until(lambda: up() >= {"gateway", "inference", "ledger"}, "all are scraped", timeout_s=90)
    rules = json.loads(
        system.inside("api-gateway", "curl", "-s", "http://prometheus:9090/api/v1/rules")
    )
    health = {rule["health"] for group in rules["data"]["groups"] for rule in group["rules"]}
    assert health <= {"ok", "unknown"}
