"""What the pipelines do, typed at a desk: push, deploy by digest, put under load, train, undo."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.node import programs, space
from tests.cluster.system import NAMESPACE, OVERLAY, ROOT, STANDALONE, System
from tests.support.faulty_proxy import FaultyProxy

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

IMAGES = "download-model gateway inference mlflow promoter test-azurite test-postgres"
PUSHED = ROOT / "dist" / "images.txt"


@pytest.fixture
def registry(system: System, tmp_path: Path) -> Iterator[str]:
    """An image registry on the node, which has one address there and on this machine."""
    with FaultyProxy(0, target=system.node) as proxy:
        proxy.target_port = proxy.port
        config = tmp_path / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {tmp_path / 'blobs'}}}}}\n"
            f"http: {{addr: ':{proxy.port}'}}\n"
        )
        kept = PUSHED.read_bytes() if PUSHED.exists() else None
        programs.install({"docker-registry": "docker-registry"})
        with space.running(["docker-registry", "serve", str(config)]):
            space.wait_until(lambda: listens(system.node, proxy.port), "the registry listens")
            yield f"127.0.0.1:{proxy.port}/team"
        PUSHED.unlink(missing_ok=True)
        if kept is not None:
            PUSHED.write_bytes(kept)


def test_what_is_pushed_serves_by_digest_holds_a_load_and_can_be_undone(
    system: System, registry: str
) -> None:
    """The kubelet pulls the very images that were pushed; the undo brings back those of before."""
    (served,) = set(system.served().values())
    before = images(system)
    system.make("push", REGISTRY=registry, IMAGES=IMAGES)
    pushed = {line.split()[1] for line in PUSHED.read_text().splitlines()}

    said = system.make("deploy-dev", OVERLAY=str(OVERLAY), IMAGES_FILE=str(PUSHED))
    assert re.search(rf"^\+ .*image: {registry}/iris-inference@sha256:", said, re.MULTILINE)
    assert images(system) == pushed
    assert system.serves(served)
    assert "held" in system.make("smoke-dev")

    system.make("undo-deploy-dev")
    assert images(system) == before
    assert system.serves(served)


def listens(address: str, port: int) -> bool:
    """Tell whether anything takes connections there."""
    with socket.socket() as asking:
        return asking.connect_ex((address, port)) == 0


def images(system: System) -> set[str]:
    """Return the images of which all is made that runs, or is to run, in the cluster."""
    found = set()
    for namespace in (NAMESPACE, STANDALONE):
        kinds = "deployments,statefulsets,cronjobs"
        for owner in system.get(kinds, f"--namespace={namespace}")["items"]:
            spec = owner["spec"]
            pods = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
            each = pods["containers"] + pods.get("initContainers", [])
            found |= {container["image"] for container in each}
    return found


def test_training_in_the_cluster_asks_the_gates_about_what_came_out(system: System) -> None:
    """The same data give the version that is there already; nothing is promoted by it."""
    before = system.config()
    said = system.make("train-dev")
    assert "verdict" in said
    assert system.config() == before
