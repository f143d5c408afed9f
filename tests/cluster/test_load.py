"""Clients whose every answer is checked, while releases, pods and gateways come and go."""

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.cluster.arena import blob_of
from tests.cluster.node import layout, space
from tests.cluster.system import DOORS, FLOWER, NAMESPACE, System

pytestmark = pytest.mark.timeout(900)

PROMOTIONS = 4
RATE = 500
SOON_S = 10
"""Within this of being ready, a new pod takes load."""


class Load:
    """The load suite on the node, which sends to a gateway's port there."""

    def __init__(self, system: System, folder: Path) -> None:
        self._system, self._folder, self._log = system, folder, folder / "log"
        models = [folder / f"{version.number}.onnx" for version in system.versions()]
        for version, file in zip(system.versions(), models, strict=True):
            file.write_bytes(system.store.models.read(blob_of(str(version.number))))
        gateways = [pod["status"]["podIP"] for pod in system.pods("api-gateway")]
        self._environ = {
            "GATEWAYS": ",".join(f"http://{address}:8080" for address in gateways),
            "HOST": f"http://127.0.0.1:{DOORS['api-gateway']}",
            "MODEL": ",".join(map(str, models)),
            "OUT": str(folder / "run"),
        }

    @contextlib.contextmanager
    def sending(self, **variables: str) -> Iterator["subprocess.Popen[str]"]:
        """Let the suite send; the block ends with it."""
        command = space.inside([sys.executable, "-m", "load_tests.suite"])
        signed_in = self._system.on_node()
        environ = {**self._system.environ, **signed_in, **self._environ, **variables}
        with (
            self._log.open("w") as log,
            subprocess.Popen(command, env=environ, stdout=log, stderr=log, text=True) as suite,
        ):
            yield suite

    def result(self) -> dict[str, Any]:
        """Return what came of it."""
        file = self._folder / "run.json"
        assert file.exists(), self._log.read_text()
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def lost_nothing(self) -> dict[str, Any]:
        """Assert that every request was answered, and rightly; return what came of it."""
        result = self.result()
        figures = result["figures"]
        told = (
            figures["error_share"],
            figures["shed_share"],
            figures["wrong"],
            figures["unjudged"],
        )
        assert told == (0, 0, 0, 0), json.dumps([result["words"], figures])
        return result


@pytest.fixture
def load(system: System, tmp_path: Path) -> Load:
    """The load suite."""
    return Load(system, tmp_path)


def test_promotions_and_a_rollback_lose_nothing(load: Load) -> None:
    """Each answer is right for the release that it names."""
    with load.sending(PROFILE="promote", PROMOTIONS=str(PROMOTIONS), RATE=str(RATE)):
        pass
    result = load.lost_nothing()
    assert [done["failure"] for done in result["operations"]] == [""] * (PROMOTIONS + 1)
    assert result["figures"]["rate"] > 0.95 * RATE


def test_pods_are_added_under_load_and_taken_away_without_a_loss(
    system: System, load: Load
) -> None:
    """By the autoscaler, which is given a target that a little load exceeds, and no patience."""
    before = {pod["metadata"]["name"] for pod in system.pods()}
    with load.sending(PROFILE="steady", RATE="200", FOR="150s") as suite:
        hasten(system, percent=10)
        space.wait_until(lambda: len(ready(system)) > len(before), "a pod more is ready", 120)
        new = next(pod for pod in ready(system) if pod not in before)
        space.wait_until(lambda: calls(system, new) > 0, "the new pod takes load", SOON_S)
        hasten(system, percent=90)
        space.wait_until(lambda: len(system.pods()) == 2, "there are two pods again", 120)
        assert suite.poll() is None, "the load ended before the scaling did"
    load.lost_nothing()


def hasten(system: System, percent: int) -> None:
    """Let the autoscaler of inference act at once, at a target of so much CPU."""
    at_once = {"stabilizationWindowSeconds": 0}
    one = {"type": "Pods", "value": 1, "periodSeconds": 15}
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}
    spec = {
        "metrics": [{"type": "Resource", "resource": resource}],
        "behavior": {"scaleUp": {**at_once, "policies": [one]}, "scaleDown": at_once},
    }
    patch = json.dumps({"spec": spec})
    system.kubectl("patch", "hpa", "inference-service", "--type=merge", f"--patch={patch}")


def ready(system: System) -> list[str]:
    """Return the pods of inference that are sent requests."""
    return [
        pod["metadata"]["name"]
        for pod in system.pods()
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]


def calls(system: System, pod: str) -> float:
    """Return how many calls of the gateways a pod has answered."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:5001/proxy/metrics"
    lines = system.kubectl("get", f"--raw={path}").splitlines()
    counted = (
        line.rpartition(" ")[2]
        for line in lines
        if line.startswith("iris_inference_requests_total") and 'route="/predict"' in line
    )
    return sum(map(float, counted))


class Client(threading.Thread):
    """Asks again and again, each time by a new connection."""

    def __init__(self, system: System) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        key = system.secret("iris-ml-secrets", "gateway-key")
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.answers: Counter[tuple[int, str]] = Counter()
        """By status and content type."""
        self.broken: list[str] = []

    def run(self) -> None:
        body = json.dumps({"instances": [FLOWER]})
        port = DOORS["api-gateway"]
        while not self._over.wait(0.05):
            connection = http.client.HTTPConnection(layout.NODE_ADDRESS, port, timeout=10)
            try:
                connection.request("POST", "/v1/predict", body, self._headers)
                answer = connection.getresponse()
                kind = answer.getheader("content-type", "")
                assert answer.status == 200 or answer.getheader("retry-after"), answer.read()
                self.answers[answer.status, kind] += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.broken.append(repr(error))
            finally:
                connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def test_without_inference_clients_are_told_and_gateways_can_be_replaced(system: System) -> None:
    """503 with the problem and when to ask again, never a refused connection."""
    (before,) = set(system.served().values())
    unserved = (503, "application/problem+json")
    with Client(system) as client:
        system.kubectl("scale", "deployment/inference-service", "--replicas=0")
        space.wait_until(lambda: client.answers[unserved], "clients are told", 60)
        space.wait_until(lambda: not system.pods(), "no pod is left", 60)
        system.kubectl("rollout", "restart", "deployment/api-gateway")
        system.kubectl("rollout", "status", "deployment/api-gateway", "--timeout=180s")
        answered = client.answers[unserved]
        space.wait_until(lambda: client.answers[unserved] > answered, "new gateways tell it too")
        system.kubectl("scale", "deployment/inference-service", "--replicas=2")
        served = client.answers[200, "application/json"]
        space.wait_until(
            lambda: client.answers[200, "application/json"] > served, "clients are served", 120
        )
    assert client.broken == []
    assert {status for status, _ in client.answers} == {200, 503}
    system.wait_until_serves(before)
