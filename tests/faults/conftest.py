import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.arena import BROKEN, Arena
from tests.integration.registry.commands import Stream, iris
from tests.integration.serving.processes import Supervisor, free_port, until
from tests.support.made_once import made_once

VERSIONS = 17


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with so many registered versions, each from another seed."""

    def make(home: Path) -> None:
        for seed in range(1, VERSIONS + 1):
            iris(home, "train", "--only", "discriminant", "--seed", str(seed))

    return made_once(tmp_path_factory, "registered", make)


@pytest.fixture(scope="module")
def arena(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """`iris serve` with version 1 promoted, under requests."""
    home = copied(registered, tmp_path_factory.mktemp("arena"))
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "promote", "1")
        with Stream(supervisor.gateway, clients=2) as stream:
            until(lambda: all(stream.versions), "every client has an answer")
            arena = Arena(home, supervisor, stream)
            arena.break_version(BROKEN)
            yield arena


@pytest.fixture(autouse=True)
def promoters_end() -> Iterator[None]:
    """End what a failed test has left: a promoter that sleeps would be waited for without end."""
    yield
    for promoter in multiprocessing.active_children():
        promoter.kill()
        promoter.join()


@pytest.fixture
def home(registered: Path, tmp_path: Path) -> Path:
    """A home of the test's own, where nothing was promoted yet."""
    return copied(registered, tmp_path)


def copied(registered: Path, folder: Path) -> Path:
    """Copy a home. MLflow's files stay where they are."""
    shutil.copytree(registered, folder / "home", ignore=shutil.ignore_patterns("mlflow"))
    return folder / "home"
