"""The watch window on real processes: what is slow or dies is gone again by itself."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from artifacts.store import open_store
from registry.records import Effect
from registry.settings import RegistrySettings
from registry.workspace import open_ledger
from tests.faults.conftest import copied
from tests.integration.registry.commands import Done, Stream, asked, iris, iris_process
from tests.integration.registry.register import register
from tests.integration.serving.processes import Supervisor, free_port, until
from tests.support.model_files import model_file, slow_graph

ANYWAY = ("--accept-inconclusive", "a test", "--force", "a test")
NO_MLFLOW = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""Nobody listens there."""


@pytest.fixture(scope="module")
def serving(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """`iris serve`."""
    home = copied(registered, tmp_path_factory.mktemp("watched"))
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        yield supervisor


@pytest.fixture
def watched(serving: Supervisor) -> Supervisor:
    """`iris serve`, with version 1 in place, whatever another test has left."""
    serves = asked(serving.home, "status")["release"]
    if serves is None or serves["version"] != "1":
        iris(serving.home, "promote", "1", "--reason", "to begin with")
    return serving


def explanation(home: Path) -> str:
    """Return how the last operation ended, as the ledger says."""
    records = asked(home, "history", str(asked(home, "history")[-1]["number"]))
    body = records[-1]["body"]
    return f"{body['result']}: {body['explanation']} {body['watched']}"


def is_watched(home: Path) -> bool:
    """Tell whether a promotion is in its window."""
    settings = RegistrySettings(iris_home=str(home))
    operation = open_ledger(settings, open_store(settings.store_uri)).read().open
    return operation is not None and Effect.WATCH in operation.effects


def in_place(home: Path) -> None:
    """Assert that version 1 serves, and that nothing is in the way."""
    status = asked(home, "status")
    assert status["release"]["version"] == "1"
    assert status["registered"]["alias"] == 1
    assert status["troubles"] == []


def test_real_requests_decide_where_there_are_enough(watched: Supervisor) -> None:
    """The outcome says how many there were, and that none failed."""
    with Stream(watched.gateway) as stream:
        until(lambda: all(len(v) > 50 for v in stream.versions), "there is something to compare")
        iris(watched.home, "promote", "2", "--watch", "2s")
        assert "synthetic ones decided" not in explanation(watched.home)
        assert "done: " in explanation(watched.home)
    assert stream.failures == []


def test_synthetic_requests_decide_where_nobody_comes(watched: Supervisor) -> None:
    """Their answers are known, so that a quiet night is no blind one."""
    iris(watched.home, "promote", "3", "--watch", "1s")
    assert "no real requests" in explanation(watched.home)
    assert "the synthetic ones decided" in explanation(watched.home)


def test_a_release_that_is_ten_times_slower_is_rolled_back(
    watched: Supervisor, tmp_path: Path
) -> None:
    """It answers rightly, and that is not enough."""
    # So slow (0.1 s) that ten times a busy machine's usual is less.
    version = register(watched.home, tmp_path, model_file(graph=slow_graph(1500)))
    failed = iris(watched.home, "promote", str(version), "--watch", "1s", *ANYWAY, code=1)
    assert "took longer than" in failed.stderr
    assert "compensated: out of bounds" in explanation(watched.home)
    in_place(watched.home)


def test_a_release_whose_instance_dies_is_rolled_back(watched: Supervisor) -> None:
    """It had proven itself, and is gone."""
    killed: list[int] = []

    def kill() -> None:
        until(lambda: is_watched(watched.home), "version 2 is watched")
        pid = int(watched.state()["instances"][0]["pid"])
        psutil.Process(pid).send_signal(signal.SIGKILL)
        killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    failed = iris(watched.home, "promote", "2", "--watch", "30s", "--reason", "again", code=1)
    killer.join()
    assert killed
    assert "serves no more" in failed.stderr
    in_place(watched.home)


def test_a_rollback_ends_the_window_and_another_goes_on_without_mlflow(
    watched: Supervisor,
) -> None:
    """It always starts, twice in a row too; the promoter is told that it was taken over."""
    iris(watched.home, "promote", "2", "--reason", "again")
    ended: list[Done] = []

    def promote() -> None:
        words = ("promote", "3", "--watch", "60s", "--reason", "again")
        ended.append(iris_process(watched.home, *words))

    promoter = threading.Thread(target=promote)
    promoter.start()
    until(lambda: is_watched(watched.home), "version 3 is watched")
    for version in ("2", "1"):
        iris(watched.home, "rollback", "--reason", "enough", code=0, **NO_MLFLOW)
        assert watched.state()["release"]["version"] == version
    promoter.join()
    assert ended[0].code == 1
    assert "taken over" in ended[0].stderr
    assert asked(watched.home, "status")["next"] == "iris recover"
    iris(watched.home, "recover")
    in_place(watched.home)
