import shutil
from pathlib import Path

import pytest

from tests.integration.registry.commands import iris
from tests.support.made_once import made_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A home with three registered versions, from three seeds. Other workers read it too."""

    def make(home: Path) -> None:
        shutil.copy(empty_database, home)
        for seed in ("1", "2", "3"):
            iris(home, "train", "--only", "discriminant", "--seed", seed)

    return made_once(tmp_path_factory, "trained", make)


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A home of the test's own with those versions. MLflow's files stay where they are."""
    shutil.copytree(trained, tmp_path / "home", ignore=shutil.ignore_patterns("mlflow"))
    return tmp_path / "home"
