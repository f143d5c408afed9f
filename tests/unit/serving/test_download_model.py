"""The init container's program: fetch, verify, put into place."""

from pathlib import Path

import pytest

from artifacts.errors import BlobNotFound, DigestMismatch, PickleRefused, StoreUnavailable
from artifacts.file_store import open_file_store
from artifacts.model_bytes import check_bytes
from artifacts.release import Release, registry_release
from artifacts.settings import load
from artifacts.store import BlobStore
from serving import download_model
from serving.logs import told_by
from serving.supervisor.home import Home
from serving.supervisor.state import State, write_state

DATA = b"\x08 as an ONNX file begins"
RELEASE = registry_release(1, check_bytes(DATA))


@pytest.fixture
def models(tmp_path: Path) -> BlobStore:
    """An empty store of releases."""
    return open_file_store(tmp_path / "store").models


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file shall go; the folder is not there yet."""
    return tmp_path / "models" / "model.onnx"


class Flaky:
    """A store that fails so many times before it answers."""

    def __init__(self, models: BlobStore, failures: int) -> None:
        self.models, self.failures, self.reads = models, failures, 0

    def read(self, name: str) -> bytes:
        """Fail, or read."""
        self.reads += 1
        if self.reads <= self.failures:
            raise StoreUnavailable("the store is away")
        return self.models.read(name)

    def address(self, name: str = "") -> str:
        """Return what the store calls the place."""
        return self.models.address(name)


def fetch(models: BlobStore | Flaky, release: Release, path: Path) -> list[float]:
    """Download with a clock of our own; return the pauses that were made."""
    pauses: list[float] = []
    download_model.download(models, release, path, pause=pauses.append)  # type: ignore[arg-type] # Flaky has the part that is used
    return pauses


def test_the_verified_file_lies_under_the_path(models: BlobStore, path: Path) -> None:
    """The file is there whole, and nothing beside it."""
    models.create(RELEASE.blob, DATA)
    assert fetch(models, RELEASE, path) == []
    assert path.read_bytes() == DATA
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_already_needs_no_store(models: BlobStore, path: Path) -> None:
    """A node's restart runs the init container again, with the old volume, store or no store."""
    path.parent.mkdir()
    path.write_bytes(DATA)
    fetch(models, RELEASE, path)
    assert path.read_bytes() == DATA


def test_another_file_under_the_path_is_replaced(models: BlobStore, path: Path) -> None:
    """What lies there from an earlier release is never taken for this one."""
    path.parent.mkdir()
    path.write_bytes(b"\x08 of yesterday")
    models.create(RELEASE.blob, DATA)
    fetch(models, RELEASE, path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("content", "expected"),
    [(DATA[:-1], DigestMismatch), (b"\x80\x04.", PickleRefused)],
    ids=["cut short", "a pickle"],
)
def test_a_wrong_blob_is_refused_and_nothing_is_left(
    models: BlobStore, path: Path, content: bytes, expected: type[Exception]
) -> None:
    """A refused download leaves no file that somebody might load."""
    models.create(RELEASE.blob, content)
    with pytest.raises(expected):
        fetch(models, RELEASE, path)
    assert not path.exists()


def test_a_missing_blob_is_not_tried_again(models: BlobStore, path: Path) -> None:
    """Only what may pass is waited for."""
    with pytest.raises(BlobNotFound):
        fetch(models, RELEASE, path)


def test_a_store_that_comes_back_is_waited_for(models: BlobStore, path: Path) -> None:
    """A store that is away for a moment costs a pause, not the start."""
    models.create(RELEASE.blob, DATA)
    assert fetch(Flaky(models, failures=2), RELEASE, path) == [0.2, 1.0]
    assert path.read_bytes() == DATA


def test_a_store_that_stays_away_ends_the_attempts(models: BlobStore, path: Path) -> None:
    """The attempts are bounded, and the last error is the reason."""
    flaky = Flaky(models, failures=99)
    with pytest.raises(StoreUnavailable, match="away"):
        fetch(flaky, RELEASE, path)
    assert flaky.reads == len(download_model.PAUSES_S) + 1


def test_the_program_says_in_one_line_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pickle in the store's place gets the command that makes a release of it."""
    open_file_store(tmp_path / "store").models.create("by-hand/model.pkl", b"\x80\x04.")
    monkeypatch.setenv("IRIS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "model.onnx"))
    monkeypatch.setenv("MODEL_VERSION", "by-hand")
    monkeypatch.setenv("MODEL_BLOB_NAME", "by-hand/model.pkl")
    assert download_model.main() == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "iris import model.pkl --trust" in line


def test_the_program_names_the_variable_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong configuration exits with 2, in a line that names the variable."""
    monkeypatch.delenv("MODEL_PATH", raising=False)
    assert download_model.main() == 2
    assert told_by(capsys.readouterr().out).startswith("MODEL_PATH is not set")


def test_without_a_path_it_is_the_file_that_the_supervisor_looks_for(tmp_path: Path) -> None:
    """A container's volume gets what serves before the supervisor starts; else there is no work."""
    environ = {"IRIS_HOME": str(tmp_path / "home")}
    settings = load(download_model.DownloadSettings, environ)
    assert download_model.wanted(settings, environ) is None
    home = Home(settings.home)
    write_state(home.state, State("target", release=RELEASE))
    assert download_model.wanted(settings, environ) == (RELEASE, home.model_path(RELEASE))


def test_a_release_that_never_served_does_not_keep_the_one_that_did_from_starting(
    tmp_path: Path,
) -> None:
    """Where a rollout failed the supervisor begins with what served, so that file is needed."""
    environ = {"IRIS_HOME": str(tmp_path / "home")}
    settings = load(download_model.DownloadSettings, environ)
    home = Home(settings.home)
    failed = registry_release(2, "2" * 64)
    write_state(home.state, State("target", release=failed, served=RELEASE))
    assert download_model.wanted(settings, environ) == (RELEASE, home.model_path(RELEASE))
