import os
from pathlib import Path

import pytest

from artifacts.store import Store, open_store
from tests.integration.training.program import Home
from training.commands import MLFLOW_MANNERS
from training.dataset import load_table
from training.table import Table

os.environ.update(MLFLOW_MANNERS)  # before any test imports MLflow


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of the test's own."""
    return Home(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> Store:
    """The store in the home."""
    return open_store(str(home.folder / "store"))


@pytest.fixture(scope="session")
def iris() -> Table:
    """Scikit-learn's iris."""
    return load_table(None)
