"""The life of a model on one machine: real MLflow, real processes, real requests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts.release import Release
from registry.versions import Versions
from tests.integration.registry.commands import (
    FLOWERS,
    PREDICT,
    SPECIES,
    Stream,
    asked,
    iris,
)
from tests.integration.serving.processes import Supervisor, free_port, publish, until

AGAIN = ("--reason", "again")
"""A test before may have rolled back from it."""


@pytest.fixture(scope="module")
def supervisor(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """`iris serve`, with version 1 promoted, for the tests that leave it running."""
    home = tmp_path_factory.mktemp("serving") / "home"
    shutil.copytree(trained, home, ignore=shutil.ignore_patterns("mlflow"))
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "promote", "1")
        yield supervisor


@pytest.fixture
def serving(supervisor: Supervisor) -> Supervisor:
    """The same, whatever the test before has left serving."""
    status = asked(supervisor.home, "status", "--exit-code")
    if status["release"]["version"] != "1":
        iris(supervisor.home, "rollback", "--to", "1")
    return supervisor


def test_a_promotion_and_a_rollback_lose_no_request(serving: Supervisor) -> None:
    """Answers change from version 1 to 2 and never back, until the rollback goes back, once."""
    home = serving.home
    with Stream(serving.gateway) as stream:
        until(lambda: all(stream.versions), "every client has an answer")
        iris(home, "promote", "2", "--reason", "a second seed")
        until(lambda: all(v[-1] == "2" for v in stream.versions), "every client sees version 2")
        assert stream.changes() == [["1", "2"]] * 4
        iris(home, "rollback", "--reason", "a rehearsal")
        until(lambda: all(v[-1] == "1" for v in stream.versions), "every client sees version 1")
    assert stream.failures == []
    assert stream.changes() == [["1", "2", "1"]] * 4

    status = asked(home, "status")
    assert status["release"]["version"] == "1"
    assert status["registered"]["versions"] == [3, 2, 1]
    assert status["registered"]["alias"] == 1
    assert status["troubles"] == []
    history = iris(home, "history").stdout
    assert "a second seed" in history
    assert "rollback" in history
    assert "quality" in iris(home, "history", str(asked(home, "history")[-2]["number"])).stdout
    iris(home, "verify-ledger")


def test_a_release_that_cannot_serve_changes_nothing(serving: Supervisor) -> None:
    """Version and alias stay as they were, clients notice nothing, and the reason is told."""
    home = serving.home
    digest = asked(home, "status")["release"]["sha256"]
    # A folder where the supervisor puts the file of version 3: it can't be fetched.
    sha256 = Versions(f"sqlite:///{home / 'mlflow.db'}").candidate(3).sha256
    (home / "models" / f"{sha256}.onnx").mkdir()
    with Stream(serving.gateway) as stream:
        until(lambda: all(stream.versions), "every client has an answer")
        failed = iris(home, "promote", "3", code=1)
    assert "cannot serve" in failed.stderr
    assert "version 1" in failed.stderr
    assert stream.failures == []
    assert stream.changes() == [["1"]] * 4
    status = asked(home, "status")
    assert (status["release"]["sha256"], status["registered"]["alias"]) == (digest, 1)
    assert status["troubles"] == []
    assert "compensated" in iris(home, "history").stdout


def test_what_was_put_in_by_hand_is_recorded_as_asked(serving: Supervisor) -> None:
    """With the digest that the instance reports; the alias names no version that does not serve."""
    home = serving.home
    hand = publish(home, 77)
    serving.put_by_hand(Release("hand", hand.blob, None))
    assert iris(home, "status", "--exit-code", code=1).stdout.count("put in by hand") == 1
    iris(home, "promote", "2", code=1)
    iris(home, "reconcile", "--to", "serving", "--reason", "it was urgent")
    status = asked(home, "status", "--exit-code")
    assert status["release"] == {"version": "hand", "blob": hand.blob, "sha256": hand.sha256}
    assert status["registered"]["alias"] is None
    iris(home, "rollback")
    assert asked(home, "status", "--exit-code")["registered"]["alias"] == 1


def test_with_nothing_serving_the_release_is_proven_once(home: Path) -> None:
    """It is started, proven and ended before the alias moves; `iris serve` then serves it."""
    iris(home, "promote", "1")
    assert asked(home, "status")["registered"]["alias"] == 1
    assert not (home / "supervisor.json").exists()
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        answer = until(lambda: _answer(supervisor.gateway), "the gateway answers")
        assert [p["label"] for p in answer["predictions"]] == SPECIES
        assert answer["model"]["version"] == "1"


def test_a_file_that_changed_after_registration_is_refused(
    tmp_path: Path, empty_database: Path
) -> None:
    """The digest of registration decides, and nothing begins."""
    home = tmp_path / "home"  # the files of the others' home are everybody's
    home.mkdir()
    shutil.copy(empty_database, home)
    iris(home, "train", "--only", "discriminant")
    [file] = (home / "store" / "mlflow").glob("**/release/model.onnx")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    refused = iris(home, "promote", "1", code=1)
    assert "integrity" in refused.stderr
    assert asked(home, "history") == []


@pytest.mark.parametrize("version", ["99", "0"])
def test_a_version_that_does_not_exist_is_refused(home: Path, version: str) -> None:
    """The message names it, and where to look."""
    refused = iris(home, "promote", version, code=1)
    assert f"there is no version {version}" in refused.stderr


@pytest.mark.parametrize(
    "words", [["two"], ["-1"], ["2", "--watch", "soon"], ["2", "--watch", f"{'9' * 400}s"]]
)
def test_what_is_no_version_or_duration_is_refused(home: Path, words: list[str]) -> None:
    """Nothing is even looked up."""
    iris(home, "promote", *words, code=2)
    assert asked(home, "history") == []


def test_an_unwritable_home_is_told_in_one_line(home: Path) -> None:
    """A file where the folder shall be: nothing can be written there, whoever asks."""
    blocked = home / "file"
    blocked.write_text("")
    refused = iris(blocked / "home", "serve", code=1)
    assert "IRIS_HOME" in refused.stderr


def _answer(gateway: str) -> dict[str, Any]:
    try:
        answer = httpx.post(f"{gateway}{PREDICT}", json={"instances": FLOWERS})
    except httpx.TransportError:
        return {}
    found = answer.json()
    assert isinstance(found, dict)
    return found if answer.status_code == 200 else {}
