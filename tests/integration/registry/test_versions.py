"""The adapter to a real MLflow: what it lets through ends here."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from artifacts.release import MODEL_NAME
from registry.errors import RegistryUnavailable, VersionUnfit
from registry.settings import RegistrySettings
from registry.versions import Versions, open_versions


@pytest.fixture
def versions(home: Path) -> Versions:
    """The registered versions of a home."""
    return open_versions(RegistrySettings(iris_home=str(home)))


@pytest.mark.parametrize("number", [0, -1, 4, 2**31, 10**30])
def test_a_number_that_no_version_has_is_told(versions: Versions, number: int) -> None:
    """Also one that no database column can hold."""
    with pytest.raises(VersionUnfit, match=f"there is no version {number} "):
        versions.candidate(number)


def still_uploading(home: Path) -> None:
    """Let version 2 be as MLflow has one whose files are not all there yet."""
    with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        database.execute(
            "UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE version = 2"
        )


def test_what_can_be_promoted_is_listed(home: Path, versions: Versions) -> None:
    """With its tags, the youngest first; what is not whole is left out."""
    listed = versions.candidates()
    assert listed == [versions.candidate(number) for number in versions.numbers()]
    still_uploading(home)
    assert versions.candidates() == [c for c in listed if c.number != 2]


def test_a_version_that_is_still_uploading_is_told(home: Path, versions: Versions) -> None:
    """MLflow says so where it copies the files of a version; it may be ready soon."""
    still_uploading(home)
    with pytest.raises(VersionUnfit, match="version 2 is not ready") as raised:
        versions.candidate(2)
    assert "wait until its upload has ended" in raised.value.hint


def test_a_version_that_was_deleted_is_told(home: Path, versions: Versions) -> None:
    """As one that never was."""
    database = f"sqlite:///{home / 'mlflow.db'}"
    MlflowClient(database, registry_uri=database).delete_model_version(MODEL_NAME, "2")
    with pytest.raises(VersionUnfit, match="there is no version 2 "):
        versions.candidate(2)


def test_an_alias_goes_to_a_version_and_away(versions: Versions) -> None:
    """Both may be repeated."""
    for number in (1, 2, 2, None, None):
        versions.move_alias("champion", number)
        assert versions.alias("champion") == number


def test_an_alias_of_a_version_that_was_deleted_is_told(versions: Versions) -> None:
    """That is no outage, for which one would wait."""
    versions.move_alias("champion", 1)
    with pytest.raises(VersionUnfit, match="deleted"):
        versions.move_alias("champion", 9)
    assert versions.alias("champion") == 1


def test_a_report_is_shown_at_its_version(home: Path, versions: Versions) -> None:
    """Files among the run's artifacts, a tag at the version; both may be repeated."""
    candidate = versions.candidate(1)
    for page in (b"<p>old", b"<p>new"):
        versions.attach(candidate, "gates/local", {"report.html": page}, {"iris.gates.local": "p"})
    assert versions.candidate(1).tags["iris.gates.local"] == "p"
    folder = download_artifacts(
        artifact_uri=f"runs:/{candidate.run_id}/gates/local",
        tracking_uri=f"sqlite:///{home}/mlflow.db",
    )
    assert (Path(folder) / "report.html").read_bytes() == b"<p>new"


@pytest.mark.parametrize("kind", ["garbage", "folder"])
def test_a_database_that_is_none_is_told_soon(tmp_path: Path, kind: str) -> None:
    """In words, and not after the minutes for which MLflow itself would try again."""
    path = tmp_path / "mlflow.db"
    path.mkdir() if kind == "folder" else path.write_text("no database at all")
    begun = time.monotonic()
    with pytest.raises(RegistryUnavailable, match="did not do as asked"):
        open_versions(RegistrySettings(iris_home=str(tmp_path))).numbers()
    assert time.monotonic() - begun < 20


def test_looking_makes_no_database(tmp_path: Path) -> None:
    """Where nothing was registered, that is what is told."""
    with pytest.raises(RegistryUnavailable, match="nothing was registered yet"):
        open_versions(RegistrySettings(iris_home=str(tmp_path / "home")))
    assert not (tmp_path / "home").exists()
