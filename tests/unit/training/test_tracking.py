"""How MLflow's errors end."""

import pytest
from mlflow.exceptions import MlflowException

from artifacts.settings import artifact_location
from training.errors import TrackingError
from training.tracking import _ends_here


def test_the_reason_is_told_and_not_how_it_came_to_be_written() -> None:
    """A full disk is called that, whatever SQLAlchemy puts before it."""
    said = "(raised as a result of Query-invoked autoflush; consider …)\nthe disk is full\n[SQL: …]"
    with pytest.raises(TrackingError) as told, _ends_here("log the run"):
        raise MlflowException(said)
    assert told.value.message == "MLflow could not log the run: the disk is full"


def test_a_server_decides_where_files_are() -> None:
    """Clients of one that hands files on itself need no right to the store."""
    assert artifact_location("http://mlflow:5000", "wasbs://mlflow@irisml/artifacts") is None
    assert (
        artifact_location("sqlite:///mlflow.db", "file:///store/mlflow") == "file:///store/mlflow"
    )
