"""The same life on other ground: releases and artifacts on Azure, a model from a notebook."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from artifacts.store import open_store
from tests.integration.registry.commands import FLOWERS, PREDICT, SPECIES, asked, iris
from tests.integration.serving.processes import Supervisor, free_port
from tests.support.azurite import Account


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Path:
    """A home of the test's own in which nothing is registered."""
    (tmp_path / "home").mkdir()
    shutil.copy(empty_database, tmp_path / "home")
    return tmp_path / "home"


def predict(supervisor: Supervisor) -> Any:
    """Send a few flowers."""
    answer = httpx.post(f"{supervisor.gateway}{PREDICT}", json={"instances": FLOWERS})
    return answer.raise_for_status().json()


def test_releases_and_artifacts_on_azure(
    home: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By settings alone: MLflow's artifacts, the data, the ledger and the releases are blobs."""
    monkeypatch.setenv("IRIS_STORE", account.uri)
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "train", "--only", "discriminant")
        iris(home, "promote", "1")
        answer = predict(supervisor)
    assert [p["label"] for p in answer["predictions"]] == SPECIES
    assert answer["model"]["version"] == "1"

    assert not (home / "store").exists()
    store = open_store(account.uri)
    assert store.models.list() == ["iris-classifier/v1/model.onnx"]
    assert len(store.records.list("data/")) == 1
    assert "records, each whole" in iris(home, "verify-ledger").stdout

    # Under another name: this process keeps connections to the file that is gone.
    (home / "mlflow.db").unlink()
    new = {"MLFLOW_TRACKING_URI": f"sqlite:///{home / 'new.db'}"}
    told = iris(home, "rebuild-registry", code=0, **new).stdout
    assert "versions with their files: 1" in told
    iris(home, "gates", "1", code=0, **new)


def test_a_model_from_a_notebook_is_served(home: Path, tmp_path: Path) -> None:
    """Logged by plain `log_model`, registered, promoted with a reason, and it answers."""
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("notebook", str(tmp_path / "notebook"))
    )
    flowers = load_iris(as_frame=True)
    names = [name.removesuffix(" (cm)").replace(" ", "_") for name in flowers.feature_names]
    frame = flowers.data.set_axis(names, axis="columns")
    estimator = LogisticRegression(max_iter=1000).fit(
        frame, flowers.target_names[flowers.target.to_numpy()]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow guesses requirements, and says so
        logged = mlflow.sklearn.log_model(estimator, name="model", pip_requirements=[])

    iris(home, "register", logged.model_uri)
    refused = iris(home, "promote", "1", code=2)
    assert "its training rows are not known" in refused.stderr
    assert "--accept-inconclusive" in refused.stderr
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "promote", "1", "--accept-inconclusive", "the first one, looked at by hand")
        answer = predict(supervisor)
    assert [p["label"] for p in answer["predictions"]] == SPECIES
    assert "looked at by hand" in asked(home, "status")["reason"]
