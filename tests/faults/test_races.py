"""Promoters that share nothing but the store, MLflow and the supervisor's address, let go at once.

`RACES` says how often (`make test-faults RACES=20`).
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import VERSIONS, copied
from tests.faults.promoters import Promoter
from tests.integration.registry.commands import iris
from tests.integration.serving.processes import Supervisor
from tests.support.mlflow_server import mlflow_server

RACES = int(os.environ.get("RACES", "2"))
PROMOTERS = 16
_START_S = 240.0


@dataclass
class Ground:
    """What the promoters share."""

    folder: Path
    shared: dict[str, str]

    def ask(self, *words: str) -> Any:
        """Run a command with `--json` on a home of its own."""
        done = iris(self.folder / "onlooker", *words, "--json", code=0, **self.shared)
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ground(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A supervisor, an MLflow server and a store, with version 1 promoted."""
    folder = tmp_path_factory.mktemp("races")
    home = copied(registered, folder)
    with mlflow_server(home) as url, Supervisor(home, "--without-gateway") as supervisor:
        supervisor.until_listening()
        shared = {
            "IRIS_STORE": str(home / "store"),
            "IRIS_SUPERVISOR_URL": supervisor.address()["url"],
            "IRIS_SUPERVISOR_TOKEN": (home / "supervisor.token").read_text().strip(),
            "MLFLOW_TRACKING_URI": url,
        }
        iris(folder / "onlooker", "promote", "1", code=0, **shared)
        yield Ground(folder, shared)


@pytest.mark.timeout(_START_S + 180)
@pytest.mark.parametrize("race", range(RACES))
def test_of_sixteen_promoters_one_wins(ground: Ground, race: int) -> None:
    """The others exit with 1, told who was first; everything agrees, and the chain is whole."""
    serving = int(ground.ask("status")["release"]["version"])
    versions = [n for n in range(1, VERSIONS + 1) if n != serving][:PROMOTERS]
    promoters = {number: start(ground, race, number) for number in versions}
    for promoter in promoters.values():
        promoter.until_stopped(_START_S)
    for promoter in promoters.values():
        promoter.send(signal.SIGCONT)
    ended = {number: promoter.ended() for number, promoter in promoters.items()}

    (winner,) = [number for number, done in ended.items() if done.code == 0]
    named = f"(process {promoters[winner].pid}) was first"
    for number, done in ended.items():
        assert number == winner or (done.code, named in done.stdout) == (1, True), done.stdout
    status = ground.ask("status")
    assert status["troubles"] == []
    assert status["release"]["version"] == str(winner)
    assert status["registered"]["alias"] == winner
    assert len(ground.ask("verify-ledger")["stamps"]) == 2


def start(ground: Ground, race: int, version: int) -> Promoter:
    """Start a promoter that waits just before its intent."""
    home = ground.folder / f"{race}-{version}"
    words = ("promote", str(version), "--watch", "1s")
    return Promoter(home, *words, IRIS_STOP_AT="before intent", **ground.shared)
