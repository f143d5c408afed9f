"""MLflow: the one module of training that imports it. Its errors end here.

Importing it takes seconds, so the commands import this module only when they need it.
"""

import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import pandas as pd
from azure.core.exceptions import AzureError
from matplotlib.figure import Figure
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.exceptions import MlflowException
from mlflow.models import Model, get_model_info, infer_signature
from sqlalchemy.exc import SQLAlchemyError

from artifacts.files import make_once
from artifacts.release import MODEL_NAME
from artifacts.settings import artifact_location
from training.errors import NotExportable, TrackingError

EXPERIMENT = MODEL_NAME
CHALLENGER = "challenger"
RELEASE_FILE = "release/model.onnx"
_SQLITE = "sqlite:///"
_USUAL_HINT = (
    "see that MLFLOW_TRACKING_URI is right and answers, and that IRIS_HOME and the store can be "
    "written and have space; then run the same command again"
)


@dataclass(frozen=True)
class LoggedModel:
    """An estimator that lies in MLflow."""

    uri: str
    id: str | None


@dataclass(frozen=True)
class DownloadedModel:
    """An estimator's file, fetched from MLflow, and how it was written."""

    logged: LoggedModel
    file: Path
    format: str


@contextmanager
def _ends_here(doing: str, hint: str = _USUAL_HINT) -> Iterator[None]:
    """Turn what MLflow and what lies under it raise into one error that says what was tried."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, AzureError, OSError) as error:
        raise TrackingError(f"MLflow could not {doing}: {_reason(error)}", hint=hint) from error


def _reason(error: Exception) -> str:
    """Return the first line that says why; SQLAlchemy may begin with how it came to write."""
    lines = str(error).strip().splitlines()
    said = (line for line in lines if not line.startswith("(raised as a result of"))
    return next(said, type(error).__name__)[:300]


class Tracking:
    """Experiment and registered model on one MLflow. What is logged goes into the open run."""

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id

    @classmethod
    def open(cls, uri: str, artifact_root: str) -> "Tracking":
        """Connect, and make database and experiment where there are none.

        Args:
            uri: MLflow's tracking server or database.
            artifact_root: where a new experiment keeps its files, unless a server decides that.
        """
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it raises it too
        with _ends_here(f"open {uri.rsplit('@', maxsplit=1)[-1]}"):
            if uri.startswith(_SQLITE):
                _create_database(Path(uri.removeprefix(_SQLITE)))
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            client = mlflow.MlflowClient()
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                root = artifact_location(uri, artifact_root)
                return cls(client, client.create_experiment(EXPERIMENT, root))
            return cls(client, experiment.experiment_id)

    @contextmanager
    def run(self, name: str) -> Iterator[str]:
        """Open a run, below the one that is open; it ends as failed where the block raises."""
        with (
            _ends_here("log the run"),
            mlflow.start_run(
                experiment_id=self._experiment_id, run_name=name, nested=True
            ) as active,
        ):
            yield active.info.run_id

    def log(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write tags, parameters and metrics into the open run."""
        mlflow.set_tags(dict(tags or {}))
        mlflow.log_params(dict(parameters or {}))
        mlflow.log_metrics(dict(metrics or {}))

    def log_figures(self, figures: Mapping[str, Figure]) -> None:
        """Write figures into the open run."""
        for name, figure in figures.items():
            mlflow.log_figure(figure, f"figures/{name}.png")

    def log_data(self, frame: pd.DataFrame, target: str, sha256: str, blob: str) -> None:
        """Name the data in the open run; its rows lie in the store, under `blob`."""
        source = CodeDatasetSource({"blob": blob, "sha256": sha256})
        # MLflow keeps no more than 36 characters of a digest.
        dataset = from_pandas(frame, source, targets=target, name="flowers", digest=sha256[:36])
        mlflow.log_input(dataset, context="training")

    def log_release(self, data: bytes) -> None:
        """Write the model file into the open run."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(RELEASE_FILE).name)
            path.write_bytes(data)
            mlflow.log_artifact(str(path), str(Path(RELEASE_FILE).parent))

    def log_estimator(
        self,
        estimator: Any,
        example: pd.DataFrame,
        labels: Sequence[Any],
        *,
        requirements: Sequence[str],
        trusted_types: Sequence[str],
    ) -> LoggedModel:
        """Write the estimator itself into the open run, in the skops format, with its signature.

        Args:
            estimator: a fitted classifier.
            example: rows for it.
            labels: what it says of them.
            requirements: the libraries that it needs, with their versions.
            trusted_types: what it holds beyond the types that skops trusts by itself.
        """
        with warnings.catch_warnings():
            # Both about models that number their classes or don't name their columns: they may.
            warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer", UserWarning)
            warnings.filterwarnings("ignore", "X has feature names, but", UserWarning)
            info = mlflow.sklearn.log_model(
                estimator,
                name="estimator",
                signature=infer_signature(example, labels),
                input_example=example.head(3),
                pip_requirements=list(requirements),
                serialization_format="skops",
                skops_trusted_types=list(trusted_types),
            )
        # A signature can be lost on the way without a word.
        if get_model_info(info.model_uri).signature is None:
            raise TrackingError(f"MLflow lost the signature of {info.model_uri}")
        return LoggedModel(info.model_uri, info.model_id)

    def fetch(self, uri: str, folder: str) -> DownloadedModel:
        """Fetch a scikit-learn model's files into a folder. None of them is loaded.

        Raises:
            NotExportable: another kind of model lies there.
        """
        hint = (
            "the MLflow UI shows a model's address: models:/m-…, or models:/NAME/VERSION; it is "
            "looked for where MLFLOW_TRACKING_URI says"
        )
        with _ends_here(f"fetch {uri}", hint):
            root = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder)).resolve()
            model = _described(root, uri)
        flavor = _sklearn_flavor(model)
        file = (root / str(flavor.get("pickled_model"))).resolve()
        if not (file.is_file() and file.is_relative_to(root)):
            raise NotExportable(
                f"{uri} is no scikit-learn model",
                hint="log it with mlflow.sklearn.log_model, or import its file: iris import",
            )
        logged = LoggedModel(f"models:/{model.model_id}" if model.model_id else uri, model.model_id)
        return DownloadedModel(logged, file, flavor.get("serialization_format", "pickle"))

    def own_version(self, uri: str) -> int | None:
        """Return which version of our registered model the address names, if it names one."""
        named = re.fullmatch(rf"models:/{MODEL_NAME}(/(?P<number>\d+)|@(?P<alias>.+))", uri)
        if named is None:
            return None
        if named["number"]:
            return int(named["number"])
        with _ends_here(f"resolve {uri}"):
            found = self._client.get_model_version_by_alias(MODEL_NAME, named["alias"])
        return int(found.version)

    def has_release(self, version: int) -> bool:
        """Say whether the version has a model file."""
        return version in self._releases()

    def register(self, model: LoggedModel, run_id: str, tags: Mapping[str, str]) -> int:
        """Make the next version. It has all its tags from the start, so none is ever half there."""
        with _ends_here(f"register a version of {MODEL_NAME}"):
            if not self._client.search_registered_models(f"name = '{MODEL_NAME}'"):
                self._client.create_registered_model(MODEL_NAME)
            version = self._client.create_model_version(
                MODEL_NAME, model.uri, run_id, tags=dict(tags), model_id=model.id
            )
        self.point_challenger()
        return int(version.version)

    def complete(self, version: int, tags: Mapping[str, str]) -> None:
        """Give a version that has no model file its tags, the digest last."""
        with _ends_here(f"complete version {version}"):
            for name in sorted(tags, key="iris.sha256".__eq__):
                self._client.set_model_version_tag(MODEL_NAME, str(version), name, tags[name])
        self.point_challenger()

    def version_of(self, sha256: str) -> int | None:
        """Return the newest version whose model file has this digest."""
        return max((n for n, digest in self._releases().items() if digest == sha256), default=None)

    def point_challenger(self) -> None:
        """Point the alias at the newest version that has a model file."""
        newest = max(self._releases(), default=None)
        if newest is not None:
            with _ends_here(f"set the alias {CHALLENGER}"):
                self._client.set_registered_model_alias(MODEL_NAME, CHALLENGER, str(newest))

    def _releases(self) -> dict[int, str]:
        with _ends_here(f"list the versions of {MODEL_NAME}"):
            versions = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        return {int(v.version): v.tags["iris.sha256"] for v in versions if "iris.sha256" in v.tags}


def _described(root: Path, uri: str) -> Model:
    """Read what a folder says of the model in it, without loading that."""
    try:
        return Model.load(str(root))
    except (MlflowException, OSError):
        raise
    # A file from outside, taken apart by other libraries: what they raise can't be foreseen.
    except Exception as error:
        raise NotExportable(
            f"{uri} can't be read: its file MLmodel is damaged ({type(error).__name__})",
            hint="log the model again, or import its file: iris import",
        ) from error


def _sklearn_flavor(model: Model) -> dict[str, Any]:
    """Return what it says of the estimator; nothing where it says nothing, or nonsense."""
    flavors: Any = model.flavors
    found = flavors.get("sklearn") if isinstance(flavors, dict) else None
    return found if isinstance(found, dict) else {}


def _create_database(path: Path) -> None:
    """Make MLflow's database, whole or not at all.

    Making it takes seconds and is no transaction: killed within it, MLflow could not go on with
    what lies there.
    """
    make_once(
        path,
        lambda whole: mlflow.MlflowClient(f"{_SQLITE}{whole}").search_experiments(max_results=1),
    )
