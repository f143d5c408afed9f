"""What goes wrong around a training run. What is killed in one is in `tests/faults`."""

import resource
from pathlib import Path

import pytest

from tests.integration.training.program import Home, run, start

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
