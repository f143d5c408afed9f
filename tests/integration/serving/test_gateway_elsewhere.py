"""`iris serve` for a gateway that it has not started, as in containers of their own."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.supervisor.control import LIVE
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.serving.processes import Supervisor, publish, until
from tests.integration.serving.test_supervisor import Stream, until_alone
from tests.support.model_files import ROWS

OWN = "127.0.0.2"
"""An address of its own, as a container has."""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that both see."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def gateway(shared: Path) -> Iterator[GatewayProgram]:
    """A gateway by itself."""
    with GatewayProgram(GATEWAY_INSTANCES=shared / "instances.json") as gateway:
        yield gateway


def serve(gateway: GatewayProgram, shared: Path) -> Supervisor:
    """Start `iris serve` for that gateway."""
    supervisor = Supervisor(
        shared.parent / "home",
        "--logs",
        GATEWAY_URL=gateway.url,
        GATEWAY_INSTANCES=str(shared / "instances.json"),
        INFERENCE_HOST=OWN,
        SUPERVISOR_HOST=OWN,
    )
    supervisor.gateway = gateway.url
    return supervisor


def test_it_takes_in_each_release_without_losing_a_request(
    gateway: GatewayProgram, shared: Path
) -> None:
    """The instance before ends only when the gateway says that it has the new list."""
    with serve(gateway, shared) as supervisor:
        supervisor.until_listening()
        first, second = (publish(supervisor.home, version) for version in (1, 2))
        supervisor.promote(first)
        gateway.wait_ready()
        assert supervisor.state()["gateways"] == [gateway.url]
        with Stream(supervisor) as stream:
            until(lambda: all(stream.versions), "every client has an answer")
            supervisor.promote(second)
            until(lambda: all(v[-1] == "2" for v in stream.versions), "each has the new release")
            until_alone(supervisor)
        assert stream.failures == []
        (instance,) = supervisor.state()["instances"]
        assert instance["url"].startswith(f"http://{OWN}:")
        targets = shared / "prometheus-targets.json"
        assert stat.S_IMODE(targets.stat().st_mode) == 0o644
        (scraped,) = json.loads(targets.read_text())
        assert scraped["targets"] == [instance["url"].removeprefix("http://")]
        assert [path.name for path in (supervisor.home / "logs").glob("gateway*")] == []


def test_it_is_found_again_after_a_restart(gateway: GatewayProgram, shared: Path) -> None:
    """The generations begin anew, and the one of the former life is not taken for it."""
    with serve(gateway, shared) as supervisor:
        supervisor.until_listening()
        supervisor.promote(publish(supervisor.home, 1))
        gateway.wait_ready()
    with serve(gateway, shared) as supervisor:
        supervisor.until_listening().until_rollout("idle")
        assert gateway.predict(*ROWS).json()["model"]["version"] == "1"


def test_what_inference_logs_is_in_its_own_output(gateway: GatewayProgram, shared: Path) -> None:
    """A container's log is what its first program writes; whole lines, each once."""
    with serve(gateway, shared) as supervisor:
        supervisor.until_listening()
        supervisor.promote(publish(supervisor.home, 1))
    lines, own = (
        [json.loads(line) for line in log.read_text().splitlines()]
        for log in (supervisor.log, supervisor.home / "logs" / "download-model.log")
    )
    assert [line for line in lines if line["program"] == "download-model"] == own
    assert {line["program"] for line in lines} == {"supervisor", "download-model", "inference"}


def test_whoever_asks_is_told_that_it_lives(gateway: GatewayProgram, shared: Path) -> None:
    """For a container's health check, which has no token; all else asks for one."""
    with serve(gateway, shared) as supervisor:
        url = supervisor.until_listening().address()["url"]
        assert httpx.get(url + LIVE).json() == {"status": "live"}
        assert httpx.get(url + "/v1/state").status_code == 401
