"""Models that were made elsewhere: what a notebook logs, what lies in a file."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import joblib
import mlflow
import pytest
from mlflow.entities.model_registry import ModelVersion
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from artifacts.errors import IrisError
from artifacts.model import Model, load_model
from artifacts.store import Store
from tests.integration.training.program import Home
from training.errors import NotExportable, TrackingError, UntrustedModel
from training.register import Terms, import_file, register
from training.table import Table
from training.tracking import RELEASE_FILE, Tracking

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]


@pytest.fixture
def tracking(home: Home, store: Store, empty_database: Path) -> Tracking:
    """MLflow in the home."""
    home.folder.mkdir()
    shutil.copy(empty_database, home.folder)
    return Tracking.open(home.tracking_uri, store.mlflow_artifact_root)


def _notebook(home: Home, estimator: Any, **how: Any) -> str:
    """Log an estimator as a notebook does, and return its address."""
    location = str(home.folder / "notebook")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("notebook", location))
    estimator.fit(*load_iris(return_X_y=True, as_frame=True))
    with warnings.catch_warnings():
        # MLflow advises against pickles, and on requirements that it had to guess.
        warnings.simplefilter("ignore")
        how = {"pip_requirements": []} | how
        return str(mlflow.sklearn.log_model(estimator, name="model", **how).model_uri)


def _version(number: int) -> ModelVersion:
    return mlflow.MlflowClient().get_model_version("iris-classifier", str(number))


def _release(number: int, tmp_path: Path) -> Model:
    """Return the model in a version's model file, whose digest is the version's."""
    tags = _version(number).tags
    uri = f"runs:/{tags['iris.run_id']}/{RELEASE_FILE}"
    file = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)))
    return load_model(file.read_bytes(), tags["iris.sha256"])


def test_notebook_model(
    home: Home, tracking: Tracking, store: Store, iris: Table, tmp_path: Path
) -> None:
    """A model logged by plain `log_model` becomes the next version, and says what is not known."""
    uri = _notebook(home, LogisticRegression(max_iter=1000))
    done = register(uri, Terms(iris), store, tracking)
    assert (done.version, done.new) == (1, True)
    assert "not known: the rows it was trained on" in done.notes[0]
    model = _release(1, tmp_path)
    assert model.card.labels[int(model.predict(iris.rows[:1]).argmax())] == "setosa"
    tags = _version(1).tags
    assert "iris.data_sha256" not in tags
    assert tags["iris.reference_sha256"] == iris.sha256
    assert store.records.list("data/") == [f"data/{iris.sha256}.csv"]
    assert _version(1).source == uri


def test_registered_twice(home: Home, tracking: Tracking, store: Store, iris: Table) -> None:
    """The same model is registered once."""
    uri = _notebook(home, LogisticRegression(max_iter=1000))
    register(uri, Terms(iris), store, tracking)
    again = register(uri, Terms(iris), store, tracking)
    assert (again.version, again.new) == (1, False)


def test_pickle_in_mlflow(home: Home, tracking: Tracking, store: Store, iris: Table) -> None:
    """A model that was logged as a pickle is loaded only where somebody trusts it."""
    forest = RandomForestClassifier(10, random_state=0)
    uri = _notebook(home, forest, serialization_format="cloudpickle")
    with pytest.raises(UntrustedModel, match="--trust"):
        register(uri, Terms(iris), store, tracking)
    assert register(uri, Terms(iris, trust=True), store, tracking).new


def test_version_without_a_file(
    home: Home, tracking: Tracking, store: Store, iris: Table, tmp_path: Path
) -> None:
    """A version that somebody registered by hand is completed, and no other is made."""
    uri = _notebook(home, GaussianNB())
    mlflow.MlflowClient().create_registered_model("iris-classifier")
    mlflow.MlflowClient().create_model_version("iris-classifier", uri)
    done = register("models:/iris-classifier/1", Terms(iris), store, tracking)
    assert (done.version, done.new) == (1, True)
    assert _release(1, tmp_path).card.estimator == "GaussianNB"
    with pytest.raises(IrisError, match="version 1 has its model file already"):
        register("models:/iris-classifier@challenger", Terms(iris), store, tracking)


def test_file(tracking: Tracking, store: Store, iris: Table, tmp_path: Path) -> None:
    """A pickle that is trusted becomes a version whose estimator lies in MLflow, as skops."""
    path = tmp_path / "model.pkl"
    joblib.dump(GaussianNB().fit(iris.rows, iris.labels), path)
    with pytest.raises(UntrustedModel, match="--trust"):
        import_file(path, Terms(iris), store, tracking)
    done = import_file(path, Terms(iris, trust=True), store, tracking)
    assert done.version == 1
    logged = mlflow.artifacts.download_artifacts(_version(1).source, dst_path=str(tmp_path))
    assert (Path(logged) / "model.skops").is_file()


@pytest.mark.parametrize(
    "uri",
    [
        "models:/m-00000000000000000000000000000000",
        "models:/iris-classifier/7",
        "models:/iris-classifier@gone",
        "runs:/00000000000000000000000000000000/model",
        "nowhere",
    ],
)
def test_address_that_leads_nowhere(
    tracking: Tracking, store: Store, iris: Table, uri: str
) -> None:
    """An address under which nothing lies is told in words, and nothing is written."""
    with pytest.raises(TrackingError, match=f"MLflow could not (fetch|resolve) {uri}: "):
        register(uri, Terms(iris), store, tracking)
    assert store.records.list() == []


@pytest.mark.parametrize("text", [": [", "flavors: 3", "flavors: {sklearn: 3}", "- a list", "\x00"])
def test_a_damaged_description(
    tracking: Tracking, store: Store, iris: Table, tmp_path: Path, text: str
) -> None:
    """A model whose MLmodel was changed is refused in words."""
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(NotExportable, match=r"MLmodel is damaged|is no scikit-learn model"):
        register(str(tmp_path), Terms(iris), store, tracking)


def test_another_kind_of_model(
    tracking: Tracking, store: Store, iris: Table, tmp_path: Path
) -> None:
    """A model of another library, or one that points out of its folder, is refused unopened."""
    for flavor in ("xgboost: {data: model.xgb}", "sklearn: {pickled_model: ../../secret}"):
        (tmp_path / "MLmodel").write_text(f"flavors:\n  {flavor}\n")
        with pytest.raises(NotExportable, match="is no scikit-learn model"):
            register(str(tmp_path), Terms(iris), store, tracking)
