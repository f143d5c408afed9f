"""What goes wrong around a training run, and what is left of it."""

import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from tests.integration.registry.commands import iris
from tests.integration.training.program import Home, run, start
from training.tracking import RELEASE_FILE

# MLflow 3.17 meets SQLAlchemy 2.1 and pandas 3: theirs to mend, and harmless.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

QUICK = ("train", "--only", "discriminant")


def _one_line(text: str) -> str:
    """Return what is said besides the hint, which is to be a single line."""
    first, *rest = text.strip().splitlines()
    assert all(line.startswith("  → ") for line in rest), text
    return first


def test_faulty_csv(tmp_path: Path) -> None:
    """A CSV with faults stops the run before anything is made, with every fault named."""
    home, path = Home(tmp_path / "home"), tmp_path / "flowers.csv"
    path.write_text("sepal_length,sepal_width,petal_length,petal_width,species\n5,3,x,,tulip\n")
    done = run(home, "train", "--data", str(path))
    assert done.returncode == 1
    assert "row 2, column petal_length: 'x' is not a number" in done.stderr
    assert "row 2, column petal_width: is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.folder.exists()


def test_home_that_can_not_be_written(tmp_path: Path) -> None:
    """An `IRIS_HOME` that can't be written is told in one line."""
    (tmp_path / "file").touch()
    done = run(Home(tmp_path / "file" / "home"), *QUICK)
    assert done.returncode == 1
    assert f"IRIS_HOME={tmp_path / 'file'}" in _one_line(done.stderr)


def test_full_home(tmp_path: Path) -> None:
    """A full disk is told in one line."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    home = Home(tmp_path / "home")
    process = start(home, *QUICK, before=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    _one_line(err)


def test_server_that_is_away(tmp_path: Path) -> None:
    """A tracking server that does not answer is told in one line."""
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = run(Home(tmp_path), *QUICK, variables=away)
    assert done.returncode == 1
    assert "MLflow could not open http://127.0.0.1:9" in _one_line(done.stderr)


def _making_the_database(home: Home, _: Popen[str]) -> bool:
    return any(home.folder.glob("mlflow-*/mlflow.db"))


def _logging(home: Home, _: Popen[str]) -> bool:
    return any(home.folder.glob(f"store/mlflow/*/artifacts/{RELEASE_FILE}"))


@pytest.mark.parametrize("moment", [_making_the_database, _logging])
def test_killed(
    tmp_path: Path, empty_database: Path, moment: Callable[[Home, Popen[str]], bool]
) -> None:
    """Killed at any moment, nothing is half registered, and the same command goes through."""
    home = Home(tmp_path / "home")
    if moment is not _making_the_database:
        home.folder.mkdir()
        shutil.copy(empty_database, home.folder)
    process = start(home, *QUICK)
    while process.poll() is None and not moment(home, process):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "registered version 1 " in iris(home.folder, *QUICK).stdout
    client = home.client
    (version,) = client.search_model_versions("name = 'iris-classifier'")
    challenger = client.get_model_version_by_alias("iris-classifier", "challenger")
    assert "iris.sha256" in version.tags
    assert str(challenger.version) == "1"
