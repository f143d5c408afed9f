"""A node for the tests, and the system on it: what is there already, or made and ended for them."""

from collections.abc import Iterator

import pytest

from tests.cluster.arena import Arena
from tests.cluster.node import lifecycle, programs, space
from tests.cluster.system import NAMESPACE, System


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a node do without what only some tests need, and what takes half a minute to start."""
    parser.addoption("--bare", action="store_true", help="no metrics-server, no External Secrets")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[bool]:
    """A node that is up; whether it goes on after the tests."""
    there = space.outer() is not None
    try:
        lifecycle.up(programs.BARE if request.config.getoption("--bare") else programs.IN_PODS)
        yield there or space.outer() is None
    finally:  # also of a start that failed
        if not there and space.outer() is not None:
            lifecycle.down()


@pytest.fixture(scope="session")
def whole_system(cluster: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system, deployed, with a first version that was trained and promoted in the cluster."""
    with System(tmp_path_factory.mktemp("engineer")) as system:
        there = system.run(system.program, "get", "namespace", NAMESPACE, code=None).code == 0
        if not there:
            system.load_images()
            system.deploy()
        if "MODEL_VERSION" not in system.config():
            system.train("train-1")
            why = ("--watch", "5s", "--reason", "the first")
            system.run("k8s/iris", "dev", "promote", "1", *why)
            system.train("train-2", "--seed", "2")
        yield system
        if cluster and not there:
            system.remove()


@pytest.fixture
def system(whole_system: System) -> System:
    """The system, with nothing half-done, which serves what its ledger says."""
    settle(whole_system)
    return whole_system


def settle(system: System) -> None:
    """End what a test left half-done, and bring back what the ledger says."""
    system.kubectl("rollout", "status", "deployment/inference-service", "--timeout=180s")
    if system.status().troubles:
        system.iris("recover", "--takeover", "a test left it")
        system.iris("reconcile", "--to", "ledger")


@pytest.fixture(scope="module")
def promoted_before(whole_system: System) -> None:
    """A release before the one that serves, so that there is something to go back to."""
    settle(whole_system)
    _, other = whole_system.versions()
    whole_system.promote(other.number)


@pytest.fixture
def arena(promoted_before: None, system: System) -> Arena:
    """The system, and a place to let things go wrong in."""
    return Arena(system)
