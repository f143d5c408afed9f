"""What goes wrong in a training run, and what is left of it."""

import resource
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


def assert_one_line(text: str) -> str:
    """Return what is said besides the hint, which is to be a single line."""
    first, *rest = text.strip().splitlines()
    assert all(line.startswith("  → ") for line in rest), text
    return first


def test_full_home(tmp_path: Path) -> None:
    """A full disk is told in one line."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    home = Home(tmp_path / "home")
    process = start(home, *QUICK, before=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert_one_line(err)


def test_server_that_is_away(tmp_path: Path) -> None:
    """A tracking server that does not answer is told in one line."""
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = run(Home(tmp_path), *QUICK, variables=away)
    assert done.returncode == 1
    assert "MLflow could not open http://127.0.0.1:9" in assert_one_line(done.stderr)


def _making_the_database(home: Home, _: Popen[str]) -> bool:
    return any(home.folder.glob("mlflow-*/mlflow.db"))


def _logging(home: Home, _: Popen[str]) -> bool:
    return any(home.folder.glob(f"store/mlflow/*/artifacts/{RELEASE_FILE}"))


@pytest.mark.parametrize("moment", [_making_the_database, _logging])
def test_killed(tmp_path: Path, moment: Callable[[Home, Popen[str]], bool]) -> None:
    """Killed at any moment, nothing is half registered, and the same command goes through."""
    home = Home(tmp_path / "home")
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
