"""The adapter to MLflow's model registry: the only module of this package that imports MLflow.

Its errors end here, and those of what it is made of. What a version's tags mean is fixed where they
are written, in `training.tracking`.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import IrisError
from artifacts.files import make_once
from artifacts.release import MODEL_NAME
from artifacts.settings import artifact_location
from registry.errors import RegistryUnavailable, VersionUnfit
from registry.settings import RegistrySettings

# Few and short, so that a server that is away is told within half a minute.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# MLflow reads the variables above when it is imported.
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as database

RELEASE_FILE = "release/model.onnx"

# A database that can't be opened is tried again for 3 s, not for the 200 s of MLflow's own count.
database.MAX_RETRY_COUNT = 4
logging.getLogger("alembic").setLevel(logging.ERROR)  # what it tells is not for a promoter
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it tells it raises too

_HIGHEST = 2**31 - 1
"""The highest number that a column of MLflow's database can hold."""


class Candidate(msgspec.Struct, frozen=True):
    """A registered version that has a release file."""

    number: int
    sha256: str
    """The digest that its file had when it was registered."""
    run_id: str
    tags: dict[str, str]


class Versions:
    """The registered versions of our model."""

    def __init__(self, tracking_uri: str) -> None:
        """Open MLflow's server or database.

        Raises:
            RegistryUnavailable: it can't be opened.
        """
        self._uri = tracking_uri
        with _reported(tracking_uri):
            self._client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)

    def candidate(self, number: int) -> Candidate:
        """Return a version that can be promoted.

        Raises:
            VersionUnfit: there is none, or it is not ready, or it has no release file.
            RegistryUnavailable: MLflow did not answer.
        """
        version = self._find(number)
        if version is None:
            raise VersionUnfit(
                f"there is no version {number} of {MODEL_NAME} in {self._uri}",
                hint="iris status lists the registered versions; iris train makes one",
            )
        if version.status != "READY":
            raise VersionUnfit(
                f"version {number} is not ready: MLflow says {version.status}",
                hint="wait until its upload has ended, or register it again",
            )
        if "iris.sha256" not in version.tags:
            raise VersionUnfit(
                f"version {number} has no release file: it was not registered by iris",
                hint=f"make one with: iris register models:/{MODEL_NAME}/{number}",
            )
        return _candidate(version)

    def release_file(self, candidate: Candidate) -> bytes:
        """Return the bytes of a version's release file, whatever they are by now.

        Raises:
            VersionUnfit: the file is gone.
            RegistryUnavailable: MLflow or its artifacts did not answer.
        """
        uri = f"runs:/{candidate.run_id}/{RELEASE_FILE}"
        with tempfile.TemporaryDirectory() as folder, _reported(self._uri):
            try:
                path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=self._uri)
            except OSError as error:
                raise VersionUnfit(
                    f"the release file of version {candidate.number} is not at {uri}",
                    hint="it was deleted after it was registered; register the model again",
                ) from error
            return Path(path).read_bytes()

    def attach(
        self, candidate: Candidate, folder: str, files: dict[str, bytes], tags: dict[str, str]
    ) -> None:
        """Show files among the artifacts of a version's run, then set tags of the version.

        Args:
            candidate: the version.
            folder: where the files go; what lies there under their names is replaced.
            files: the files' bytes by name.
            tags: the tags' values by name.

        Raises:
            RegistryUnavailable: MLflow or its artifacts did not take them.
        """
        with tempfile.TemporaryDirectory() as local, _reported(self._uri):
            for name, data in files.items():
                path = Path(local) / name
                path.write_bytes(data)
                self._client.log_artifact(candidate.run_id, str(path), folder)
            for key, value in tags.items():
                number = str(candidate.number)
                self._client.set_model_version_tag(MODEL_NAME, number, key, value)

    def make(self, number: int, file: bytes | None, tags: dict[str, str], root: str) -> None:
        """Make the version of a number, which has to be the next that MLflow gives.

        Args:
            number: the number.
            file: its release file; None for a placeholder.
            tags: its tags; digest and run are added where it has a file.
            root: where the experiment keeps its files, where it has to be made.

        Raises:
            VersionUnfit: MLflow gave another number; that version is deleted again.
            RegistryUnavailable: MLflow or its artifacts did not do it.
        """
        with tempfile.TemporaryDirectory() as local, _reported(self._uri):
            experiment = self._client.get_experiment_by_name(MODEL_NAME)
            made = experiment.experiment_id if experiment else None
            made = made or self._client.create_experiment(
                MODEL_NAME, artifact_location(self._uri, root)
            )
            if self._model() is None:
                self._client.create_registered_model(MODEL_NAME)
            run = self._client.create_run(made, run_name=f"rebuild {number}")
            if file is not None:
                path = Path(local) / Path(RELEASE_FILE).name
                path.write_bytes(file)
                folder = str(Path(RELEASE_FILE).parent)
                self._client.log_artifact(run.info.run_id, str(path), folder)
                tags = {"iris.sha256": sha256_hex(file), "iris.run_id": run.info.run_id, **tags}
            self._client.set_terminated(run.info.run_id)
            version = self._client.create_model_version(
                MODEL_NAME, run.info.artifact_uri, run.info.run_id, tags=tags
            )
            if int(version.version) != number:
                self._client.delete_model_version(MODEL_NAME, version.version)
                raise VersionUnfit(
                    f"MLflow at {self._uri} gave number {version.version} where {number} is next: "
                    "it had more versions once, or somebody registers one right now",
                    hint="end what trains; then the same again, on an MLflow that is empty",
                )

    def delete(self, number: int) -> None:
        """Delete a version; MLflow gives its number to none again.

        Raises:
            RegistryUnavailable: MLflow did not do it.
        """
        with _reported(self._uri):
            self._client.delete_model_version(MODEL_NAME, str(number))

    def all_tags(self) -> dict[int, dict[str, str]]:
        """Return the tags of every registered version, by its number.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        return {int(version.version): dict(version.tags) for version in self._all()}

    def numbers(self) -> list[int]:
        """Return the numbers of all registered versions, the youngest first.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        return [int(version.version) for version in self._all()]

    def candidates(self) -> list[Candidate]:
        """Return the versions that can be promoted, the youngest first.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        ready = (v for v in self._all() if v.status == "READY" and "iris.sha256" in v.tags)
        return [_candidate(version) for version in ready]

    def alias(self, name: str) -> int | None:
        """Return the version that an alias names.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        model = self._model()
        number = model.aliases.get(name) if model else None
        return None if number is None else int(number)

    def move_alias(self, name: str, number: int | None) -> None:
        """Let an alias name a version; None takes it away.

        Raises:
            VersionUnfit: there is no such version any more.
            RegistryUnavailable: MLflow did not answer.
        """
        with _reported(self._uri):
            try:
                if number is None:
                    self._client.delete_registered_model_alias(MODEL_NAME, name)
                else:
                    self._client.set_registered_model_alias(MODEL_NAME, name, str(number))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                if number is not None:
                    raise VersionUnfit(
                        f"version {number} of {MODEL_NAME} was deleted from {self._uri}",
                        hint="iris status lists the registered versions",
                    ) from error

    def tag(self, key: str) -> str | None:
        """Return a tag of the registered model itself.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        model = self._model()
        return model.tags.get(key) if model else None

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag of the registered model itself.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        with _reported(self._uri):
            self._client.set_registered_model_tag(MODEL_NAME, key, value)

    def _model(self) -> RegisteredModel | None:
        with _reported(self._uri):
            try:
                return self._client.get_registered_model(MODEL_NAME)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def _all(self) -> list[ModelVersion]:
        """Return all registered versions, the youngest first."""
        with _reported(self._uri):
            found = self._client.search_model_versions(f"name='{MODEL_NAME}'")
            return sorted(found, key=lambda version: int(version.version), reverse=True)

    def _find(self, number: int) -> ModelVersion | None:
        if not 0 < number <= _HIGHEST:
            return None
        with _reported(self._uri):
            try:
                return self._client.get_model_version(MODEL_NAME, str(number))
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise


def _candidate(version: ModelVersion) -> Candidate:
    tags = dict(version.tags)
    # A version that iris register completed keeps its own run; the file lies in another.
    run_id = tags.get("iris.run_id") or version.run_id or ""
    return Candidate(int(version.version), tags["iris.sha256"], run_id, tags)


def make_database(settings: RegistrySettings) -> None:
    """Make MLflow's database in `IRIS_HOME`, where it is to be there and is not.

    Raises:
        RegistryUnavailable: it can't be made.
    """
    if settings.database is not None:
        with _reported(settings.tracking_uri):
            make_once(
                settings.database,
                lambda whole: MlflowClient(f"sqlite:///{whole}").search_experiments(max_results=1),
            )


def open_versions(settings: RegistrySettings) -> Versions:
    """Open the MLflow that is set. No database is made where none is: reading changes nothing.

    Raises:
        RegistryUnavailable: there is none, or it can't be opened.
    """
    if settings.database is not None and not settings.database.exists():
        raise RegistryUnavailable(
            f"nothing was registered yet: there is no {settings.database}",
            hint="iris train makes one; is IRIS_HOME the folder that it was called with? Where it "
            "was lost: iris rebuild-registry",
        )
    return Versions(settings.tracking_uri)


@contextmanager
def _reported(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into ours, and those that it lets through.

    They are of no one kind: SQLAlchemy's and Alembic's from its database, requests' and Azure's
    from its artifacts.
    """
    try:
        yield
    except IrisError:
        raise
    except Exception as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RegistryUnavailable(
            f"MLflow at {uri} did not do as asked: {words[:300]}",
            hint="check MLFLOW_TRACKING_URI, that the server or the database can be reached, and "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where it asks who calls",
        ) from error
