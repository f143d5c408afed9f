"""What the tests on a real MLflow share."""

from pathlib import Path

import pytest

from tests.support.made_once import made_once


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with nothing in it, to be copied, as making one takes a second or more.

    `iris train` makes its own in the tests of what may go wrong with that.
    """

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return made_once(tmp_path_factory, "empty", make) / "mlflow.db"
