"""Promotions to what can't start: what served goes on serving, and the reason is told."""

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.cluster.arena import INFERENCE, REVISION, UNGATED, Arena, blob_of
from tests.cluster.node import space
from tests.cluster.system import System
from tests.faults.promoters import Promoter
from tests.integration.registry.commands import Done

pytestmark = pytest.mark.timeout(600)


def asleep(arena: Arena, version: str, **environ: str) -> Promoter:
    """Start a promotion that sleeps when it has published, before it rolls out."""
    promoter = arena.promoter(
        "promote", version, *UNGATED, IRIS_STOP_AT="before roll out", **environ
    )
    promoter.until_stopped()
    return promoter


def test_a_release_whose_file_is_another_one_by_then(arena: Arena) -> None:
    """The old pods go on, the promoter tells what `download-model` logged, all is as before."""
    before, version = arena.status()["release"], arena.other()
    as_before, revision = arena.seen(), latest_revision(arena.system)
    pods = arena.system.served()
    with arena.witnessed() as witness:
        promoter = asleep(arena, version)
        with arena.broken(version):
            promoter.send(signal.SIGCONT)
            done = promoter.ended()
            assert arena.seen() == as_before
            found = arena.system.store.models.read(blob_of(version))
    witness.noticed_nothing(before["version"], before["sha256"])
    assert done.code == 1
    assert "download-model ended with Error" in done.stdout
    assert f"version {before['version']} (sha256 {before['sha256'][:12]}…) serves, as before" in (
        done.stdout
    )
    assert found.startswith(b"not ")
    told = arena.system.iris("history").splitlines()
    assert any("compensated" in line for line in told)
    # What people look at afterwards: the rollout that failed, and the one that went back.
    causes = arena.system.kubectl("rollout", "history", INFERENCE)
    assert latest_revision(arena.system) == revision + 2
    assert arena.system.served() == pods  # not one was started anew
    assert f"iris: version {version} " in causes
    events = arena.system.get("events")["items"]
    assert any("download-model" in str(e.get("involvedObject")) for e in events), events


@contextlib.contextmanager
def an_image_that_does_not_exist(system: System) -> Iterator[None]:
    """Let somebody name one by hand, and put it right again."""
    containers = system.get(INFERENCE)["spec"]["template"]["spec"]["containers"]
    system.kubectl("set", "image", INFERENCE, "inference-service=iris-inference:gone")
    try:
        yield
    finally:
        system.kubectl("set", "image", INFERENCE, f"inference-service={containers[0]['image']}")


@contextlib.contextmanager
def a_full_node(system: System) -> Iterator[None]:
    """Ask for more than the node has, in pods of less than one of inference's."""
    filler = json.loads(
        system.kubectl(
            *("create", "deployment", "filler", "--image=iris-gateway:local", "--replicas=20"),
            *("--dry-run=client", "--output=json", "--", "sleep", "infinity"),
        )
    )
    spec = filler["spec"]["template"]["spec"]
    spec["terminationGracePeriodSeconds"] = 0
    spec["containers"][0]["resources"] = {"requests": {"cpu": "150m"}}
    filler["metadata"]["namespace"] = "default"
    system.kubectl("create", "--filename=-", stdin=json.dumps(filler))
    pods = ("pods", "--namespace=default", "--selector=app=filler")
    try:
        space.wait_until(lambda: "Unschedulable" in str(system.get(*pods)), "the node is full", 60)
        yield
    finally:
        system.kubectl("delete", "deployment", "filler", "--namespace=default")
        system.kubectl("wait", "--for=delete", *pods, "--timeout=60s")


def attempted(
    arena: Arena, version: str, cause: Callable[[System], AbstractContextManager[None]]
) -> Done:
    """Let a promotion roll out while no pod can start, and return how it ended."""
    promoter = asleep(arena, version, IRIS_ROLLOUT_TIMEOUT_S="30")
    with cause(arena.system):
        promoter.send(signal.SIGCONT)
        return promoter.ended()


def test_a_node_that_takes_no_further_pod(arena: Arena) -> None:
    """What served goes on in the very pods that it had, though the node be full."""
    before, as_before, pods = arena.status()["release"], arena.seen(), arena.system.served()
    with arena.witnessed() as witness:
        done = attempted(arena, arena.other(), a_full_node)
    witness.noticed_nothing(before["version"], before["sha256"])
    assert done.code == 1
    reason = "pod inference-service-[^:]+: no node takes it: .*Insufficient cpu"
    assert re.search(reason, done.stdout), done.stdout
    assert "serves, as before" in done.stdout
    assert arena.seen() == as_before
    assert arena.system.served() == pods


def test_an_image_that_is_gone(arena: Arena) -> None:
    """Its reason is told. Nothing can be brought back either, until that is mended; all goes on."""
    before, as_before = arena.status()["release"], arena.seen()
    with arena.witnessed() as witness:
        done = attempted(arena, arena.other(), an_image_that_does_not_exist)
        recovered = arena.system.iris("recover")
        arena.agrees(before["version"])
    witness.noticed_nothing(before["version"], before["sha256"])
    assert done.code == 1
    reason = "pod inference-service-[^:]+: inference-service: (ErrImagePull|ImagePullBackOff)"
    assert re.search(reason, done.stdout), done.stdout
    assert "did not come back" in done.stdout
    assert "iris recover" in done.stdout
    assert "compensated" in recovered
    assert arena.seen() == as_before


def latest_revision(system: System) -> int:
    """Return the number of the Deployment's latest rollout."""
    return int(system.get(INFERENCE)["metadata"]["annotations"][REVISION])
