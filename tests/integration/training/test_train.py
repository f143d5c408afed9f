import json
import shutil
import sys
from pathlib import Path
from subprocess import run as run_program

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.models import Model

from artifacts.digests import sha256_hex
from artifacts.model import load_model
from artifacts.store import Store, open_store
from tests.integration.training.program import Home, run
from training.candidates import KINDS
from training.estimators import load_skops
from training.evaluation import held_out, read_table
from training.frames import to_frame
from training.progress import Progress
from training.table import Table
from training.tracking import Tracking
from training.train import train
from training.trial import Order

# MLflow 3.17 meets SQLAlchemy 2.1 and pandas 3: theirs to mend, and harmless.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Home:
    """A home in which `iris train` ran once."""
    home = Home(tmp_path_factory.mktemp("trained"))
    shutil.copy(empty_database, home.folder)
    done = run(home, "train", "--json", variables={"OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == 1
    return home


@pytest.fixture(scope="module")
def store(trained: Home) -> Store:
    """The store in that home."""
    return open_store(str(trained.folder / "store"))


@pytest.fixture
def tracking(trained: Home, store: Store) -> Tracking:
    """MLflow in that home."""
    return Tracking.open(trained.tracking_uri, store.mlflow_artifact_root)


def test_version_carries_what_gates_need(trained: Home, tmp_path: Path) -> None:
    """A version has its digest, origin, parity and run as tags."""
    client = trained.client
    version = client.get_model_version("iris-classifier", "1")
    file = client.download_artifacts(str(version.run_id), "release/model.onnx", str(tmp_path))
    data = Path(file).read_bytes()
    card = load_model(data, version.tags["iris.sha256"]).card
    assert {n: v for n, v in version.tags.items() if not n.startswith("iris.git")} == {
        "iris.sha256": sha256_hex(data),
        "iris.run_id": version.run_id,
        "iris.data_sha256": card.data_sha256,
        "iris.split_salt": "iris-1170",
        "iris.seed": "1",
        "iris.estimator": card.estimator,
        "iris.parity.differing_labels": "0",
        "iris.parity.largest_difference": repr(card.parity.largest_difference),
        "iris.accuracy": repr(card.metrics["accuracy"]),
    }


def test_table_lies_in_the_store(store: Store) -> None:
    """Gates on any machine find the rows under the digest that the card names."""
    (name,) = store.records.list("data/")
    data = store.records.read(name)
    assert name == f"data/{sha256_hex(data)}.csv"
    assert held_out(read_table(data)).sum() == 60


def test_run_says_how_to_get_it_again(trained: Home) -> None:
    """A run names data, salt, seed, libraries and commit, and a run below it each candidate."""
    client = trained.client
    run_id = str(client.get_model_version("iris-classifier", "1").run_id)
    run_of_it = client.get_run(run_id)
    assert run_of_it.info.status == "FINISHED"
    assert {"seed", "split_salt", "version_scikit-learn", "chosen"} <= set(run_of_it.data.params)
    assert {"iris.data_sha256", "iris.git_commit"} <= set(run_of_it.data.tags)
    assert run_of_it.inputs is not None
    assert run_of_it.inputs.dataset_inputs[0].dataset.name == "flowers"
    figures = {file.path for file in client.list_artifacts(run_id, "figures")}
    assert figures == {
        f"figures/{name}.png"
        for name in (
            "candidates",
            "confusion_matrix",
            "permutation_importance",
            "recall_by_class",
            "reliability",
        )
    }
    below = client.search_runs(
        [run_of_it.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'"
    )
    assert {trial.info.run_name for trial in below} == set(KINDS)
    told = {"cv_accuracy", "cv_log_loss_spread", "fit_seconds", "file_bytes", "call_microseconds"}
    assert all(told <= set(trial.data.metrics) for trial in below)


def test_estimator_comes_back(
    trained: Home, tracking: Tracking, tmp_path: Path, iris: Table
) -> None:
    """Whoever wants the estimator in Python gets it: skops, signature, example, requirements."""
    version = trained.client.get_model_version("iris-classifier", "1")
    folder = Path(download_artifacts(version.source, dst_path=str(tmp_path)))
    model = Model.load(str(folder))
    assert model.flavors["sklearn"]["serialization_format"] == "skops"
    assert model.signature is not None
    assert model.signature.inputs.input_names() == iris.features
    assert (folder / "input_example.json").is_file()
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()
    estimator = load_skops(folder / "model.skops")
    assert (estimator.predict(to_frame(iris)) == iris.labels).mean() > 0.9


def test_trained_again_adds_nothing(
    trained: Home, tracking: Tracking, store: Store, iris: Table
) -> None:
    """The same model file is not registered twice, also where fewer candidates came to it."""
    runs = trained.client.search_runs(["1"])
    again = train(Order(iris, ("discriminant",), seed=1), store, tracking, Progress())
    assert (again.version, again.new) == (1, False)
    assert len(trained.client.search_runs(["1"])) == len(runs)


def test_seed_is_part_of_the_release(
    trained: Home, tracking: Tracking, store: Store, iris: Table
) -> None:
    """Another seed is another release, the next version, and the challenger."""
    other = train(Order(iris, ("discriminant",), seed=2), store, tracking, Progress())
    assert (other.version, other.new) == (2, True)
    challenger = trained.client.get_model_version_by_alias("iris-classifier", "challenger")
    assert str(challenger.version) == "2"


def test_byte_for_byte(trained: Home) -> None:
    """Two processes make the same model file of every candidate, whatever hash seed and threads."""
    client = trained.client
    run_id = client.get_model_version("iris-classifier", "1").run_id
    below = client.search_runs(["1"], f"tags.mlflow.parentRunId = '{run_id}'")
    done = run_program(
        [sys.executable, "-m", "tests.integration.training.digests"],
        env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        check=True,
        text=True,
    )
    again = dict(line.split() for line in done.stdout.splitlines())
    assert again == {r.info.run_name: r.data.tags["iris.compared_sha256"] for r in below}
    assert set(again) == set(KINDS)
