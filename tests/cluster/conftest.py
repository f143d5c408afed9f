"""A node for the tests, and the system on it: what is there already, or made and ended for them."""

from collections.abc import Iterator

import pytest

from tests.cluster.arena import UNGATED, Arena, signed_in
from tests.cluster.node import lifecycle, space
from tests.cluster.system import NAMESPACE, System


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A node that is up."""
    there = space.outer() is not None
    lifecycle.up()
    yield
    if not there:
        lifecycle.down()


@pytest.fixture(scope="session")
def whole_system(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system, deployed, with a first version that was trained and promoted in the cluster."""
    system = System(tmp_path_factory.mktemp("engineer"))
    there = system.run(system.program, "get", "namespace", NAMESPACE, code=None).code == 0
    if not there:
        system.load_images()
        system.deploy()
    if "MODEL_VERSION" not in system.config():
        system.train("train-1")
        system.make("promote-dev", VERSION="1", REASON="the first")
        system.train("train-2", "--seed", "2")
    yield system
    if not there:
        system.remove()


@pytest.fixture
def system(whole_system: System) -> System:
    """The system, with nothing half-done, which serves what its ledger says."""
    settle(whole_system)
    return whole_system


def settle(system: System) -> None:
    """End what a test left half-done, and bring back what the ledger says."""
    system.kubectl("rollout", "status", "deployment/inference-service", "--timeout=180s")
    found = system.status()
    if found.troubles:
        system.iris("recover", "--takeover", "a test left it")
        system.iris("reconcile", "--to", "ledger")


@pytest.fixture(scope="module")
def engineer(whole_system: System) -> Iterator[Arena]:
    """An engineer outside, who has promoted once, so that there is something to go back to."""
    with signed_in(whole_system) as arena:
        end_what_is_left(arena)
        arena.iris("promote", arena.other(), *UNGATED)
        yield arena


@pytest.fixture
def arena(engineer: Arena) -> Arena:
    """The same, with nothing half-done."""
    end_what_is_left(engineer)
    return engineer


def end_what_is_left(arena: Arena) -> None:
    """End what a test that failed has left."""
    arena.iris("recover", "--takeover", "a test left it")
    arena.iris("reconcile", "--to", "ledger")
    arena.system.wait_until_serves(arena.status()["release"]["sha256"])
