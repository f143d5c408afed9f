"""MLflow's database is lost, and made again from ledgers and releases: a real MLflow each time."""

import contextlib
import itertools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from artifacts.digests import sha256_hex
from registry.settings import RegistrySettings
from registry.versions import Versions, open_versions
from tests.integration.registry.commands import asked, iris
from tests.integration.registry.register import register
from tests.support.made_once import made_once
from tests.support.mlflow_server import mlflow_server
from tests.support.model_files import model_file

# A busy machine measures badly what a model costs.
UNGATED = ("--force", "a busy machine")
AGAIN = ("--reason", "again", *UNGATED)


@pytest.fixture(scope="session")
def promoted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where 1 and 3 of three versions were promoted, and 1 in dev by the same store."""

    def make(folder: Path) -> None:
        shutil.copytree(
            trained, folder, ignore=shutil.ignore_patterns("mlflow"), dirs_exist_ok=True
        )
        for version in ("1", "3"):
            iris(folder, "promote", version, *UNGATED)
        iris(folder / "dev", "promote", "1", *UNGATED, **of_dev(folder))

    return made_once(tmp_path_factory, "promoted", make)


@pytest.fixture
def lost(promoted: Path, tmp_path: Path) -> Path:
    """A copy of that home, whose MLflow is gone."""
    home = tmp_path / "home"
    shutil.copytree(promoted, home)
    (home / "mlflow.db").unlink()
    return home


def of_dev(home: Path) -> dict[str, Any]:
    """Return the settings by which another machine is dev, on the store and MLflow of a home."""
    return {
        "IRIS_ENV": "dev",
        "IRIS_STORE": str(home / "store"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }


def registered(home: Path) -> Versions:
    """Return the registered versions of a home."""
    return open_versions(RegistrySettings(iris_home=str(home)))


def client_of(home: Path) -> MlflowClient:
    """Return MLflow's own client of a home."""
    database = f"sqlite:///{home / 'mlflow.db'}"
    return MlflowClient(database, registry_uri=database)


def in_the_way(home: Path, **environ: str) -> str:
    """Return what status says is in the way; that nothing serves is no matter here."""
    lines = iris(home, "status", code=0, **environ).stdout.splitlines()
    found = [line for line in lines if line.startswith("in the way")]
    return "\n".join(line for line in found if "nothing is serving here" not in line)


def test_every_number_is_kept(lost: Path) -> None:
    """What was promoted is there again, what was not stays empty, and the next number is above."""
    assert "MLflow names no ledger" in in_the_way(lost)
    assert "iris rebuild-registry" in iris(lost, "promote", "1", *AGAIN, code=1).stderr
    told = iris(lost, "rebuild-registry").stdout
    assert "versions with their files: 1, 3" in told
    assert "what does not come back: runs" in told

    versions = registered(lost)
    assert versions.numbers() == [3, 1]
    assert versions.alias("champion") == 3
    assert versions.alias("champion-dev") == 1
    for number in (1, 3):
        candidate = versions.candidate(number)
        assert sha256_hex(versions.release_file(candidate)) == candidate.sha256
        assert candidate.tags["iris.gates.local"].startswith("pass ")
    assert in_the_way(lost) == in_the_way(lost / "dev", **of_dev(lost)) == ""

    iris(lost, "train", "--only", "discriminant", "--seed", "4")
    assert registered(lost).numbers() == [4, 3, 1]


def test_life_goes_on(lost: Path) -> None:
    """Promotions and rollbacks work as before, in each environment."""
    iris(lost, "rebuild-registry")
    iris(lost, "rollback")
    assert asked(lost, "status")["registered"]["alias"] == 1
    iris(lost, "promote", "3", *AGAIN)
    assert asked(lost, "status")["registered"]["alias"] == 3
    iris(lost / "dev", "promote", "3", *UNGATED, **of_dev(lost))
    assert registered(lost).alias("champion-dev") == 3
    assert in_the_way(lost) == in_the_way(lost / "dev", **of_dev(lost)) == ""
    iris(lost, "verify-ledger")


def test_it_may_be_repeated(lost: Path) -> None:
    """What is there and right stays as it is."""
    iris(lost, "rebuild-registry")
    before = registered(lost).candidates()
    iris(lost, "rebuild-registry")
    assert registered(lost).candidates() == before
    iris(lost, "train", "--only", "discriminant", "--seed", "4")
    iris(lost, "rebuild-registry")
    assert registered(lost).numbers() == [4, 3, 1]


def test_one_that_is_killed_is_gone_on_with(
    lost: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it dies; and nobody takes a half-made MLflow for a whole one."""
    number = 0
    for number in itertools.count(1):
        shutil.copy(empty_database, lost)
        with monkeypatch.context() as patches:
            dying_at(number, patches)
            try:
                iris(lost, "rebuild-registry")
                break
            except KilledError:
                pass
        if registered(lost).tag("iris.ledger.local") is None:
            assert "names no ledger" in in_the_way(lost)
        iris(lost, "rebuild-registry")
        assert registered(lost).numbers() == [3, 1]
        assert registered(lost).alias("champion") == 3
        assert in_the_way(lost) == ""
    assert number > 12


class KilledError(BaseException):
    """The process dies here."""


def dying_at(number: int, patches: pytest.MonkeyPatch) -> None:
    """Let the process die before its effect of that number."""
    effects = itertools.count(1)

    def counted(effect: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if next(effects) == number:
                raise KilledError
            return effect(*args, **options)

        return run

    for name in ("create_run", "create_model_version", "delete_model_version", "log_artifact"):
        effect = getattr(MlflowClient, name)
        patches.setattr(MlflowClient, name, counted(effect))
    for name in ("create_registered_model", "set_registered_model_tag"):
        effect = getattr(MlflowClient, name)
        patches.setattr(MlflowClient, name, counted(effect))


def test_a_file_that_is_gone_leaves_its_number_empty(lost: Path) -> None:
    """It is told, no alias names it, and its number is given to none again."""
    (lost / "store" / "models" / "iris-classifier" / "v3" / "model.onnx").unlink()
    told = iris(lost, "rebuild-registry").stdout
    assert "version 3 does not come back: there is no file" in told
    assert "the alias champion names nothing" in told
    assert registered(lost).numbers() == [1]
    iris(lost, "rebuild-registry")
    iris(lost, "train", "--only", "discriminant", "--seed", "4")
    assert registered(lost).numbers() == [4, 1]


def trained_since(home: Path) -> None:
    """Somebody has trained before MLflow was rebuilt: its number 1 is another file."""
    iris(home, "train", "--only", "discriminant", "--seed", "9")


def deleted_since(home: Path) -> None:
    """Numbers were given and deleted, so that MLflow gives none of them again."""
    register(home, home, model_file(tilt=1.0))
    registered(home).delete(1)
    register(home, home, model_file(tilt=2.0))
    registered(home).delete(2)
    register(home, home, model_file(tilt=3.0))


@pytest.fixture
def emptied(lost: Path, empty_database: Path) -> Path:
    """The same home, with an MLflow in which nothing is."""
    shutil.copy(empty_database, lost)
    client = client_of(lost)
    client.create_experiment("iris-classifier", (lost / "store" / "mlflow").as_uri())
    client.create_registered_model("iris-classifier")
    return lost


@pytest.mark.parametrize("fill", [trained_since, deleted_since])
def test_an_mlflow_that_would_clash_is_refused(emptied: Path, fill: Callable[[Path], None]) -> None:
    """Before anything is changed; emptied of the model, it is taken."""
    fill(emptied)
    before = registered(emptied).all_tags()
    refused = iris(emptied, "rebuild-registry", code=1).stderr
    assert "delete the registered model" in refused
    assert registered(emptied).all_tags() == before
    assert registered(emptied).tag("iris.ledger.local") is None
    client_of(emptied).delete_registered_model("iris-classifier")
    iris(emptied, "rebuild-registry")
    assert registered(emptied).numbers() == [3, 1]


def test_an_mlflow_that_came_back_from_a_backup_is_completed(
    promoted: Path, tmp_path: Path
) -> None:
    """What the backup is too old to know is made; what it has stays, never promoted or not."""
    home = tmp_path / "home"
    shutil.copytree(promoted, home)
    with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        for table in ("registered_model_aliases", "model_version_tags", "model_versions"):
            database.execute(f"DELETE FROM {table} WHERE version = 3")
    iris(home, "rebuild-registry")
    assert registered(home).numbers() == [3, 2, 1]
    assert in_the_way(home) == ""


def test_a_version_that_was_deleted_can_not_be_made_again(promoted: Path, tmp_path: Path) -> None:
    """Its number would be another's: that is found when MLflow gives it, and changes nothing."""
    home = tmp_path / "home"
    shutil.copytree(promoted, home)
    registered(home).delete(3)
    refused = iris(home, "rebuild-registry", code=1).stderr
    assert "gave number 4 where 3 is next" in refused
    assert registered(home).numbers() == [2, 1]


def test_a_server_is_rebuilt_as_a_database_is(lost: Path, empty_database: Path) -> None:
    """It decides itself where the files lie."""
    shutil.copy(empty_database, lost)
    with mlflow_server(lost) as url:
        iris(lost, "rebuild-registry", code=0, MLFLOW_TRACKING_URI=url)
        versions = Versions(url)
        assert versions.numbers() == [3, 1]
        assert versions.release_file(versions.candidate(3))
        assert in_the_way(lost, MLFLOW_TRACKING_URI=url) == ""


def test_another_ledgers_mlflow_is_refused(lost: Path, empty_database: Path) -> None:
    """It may be in use."""
    shutil.copy(empty_database, lost)
    tags = {"iris.ledger.local": "another"}
    client_of(lost).create_registered_model("iris-classifier", tags=tags)
    assert "names the ledger another" in iris(lost, "rebuild-registry", code=1).stderr


def test_a_store_in_which_nothing_was_promoted_is_refused(tmp_path: Path) -> None:
    """No MLflow is made for it."""
    refused = iris(tmp_path / "home", "rebuild-registry", code=1).stderr
    assert "nothing was ever promoted" in refused
    assert not (tmp_path / "home" / "mlflow.db").exists()
