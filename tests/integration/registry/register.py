"""Model files of any kind as registered versions, as `iris register` would leave them."""

from pathlib import Path

from mlflow import MlflowClient

from artifacts.digests import sha256_hex
from artifacts.release import MODEL_NAME
from registry.versions import RELEASE_FILE


def register(home: Path, folder: Path, data: bytes) -> int:
    """Register a release file in the MLflow of a home, and return its version."""
    database = f"sqlite:///{home / 'mlflow.db'}"
    client = MlflowClient(database, registry_uri=database)
    experiment = client.search_experiments()[0].experiment_id
    run = client.create_run(experiment)
    file = folder / Path(RELEASE_FILE).name
    file.write_bytes(data)
    client.log_artifact(run.info.run_id, str(file), str(Path(RELEASE_FILE).parent))
    client.set_terminated(run.info.run_id)
    tags = {"iris.sha256": sha256_hex(data), "iris.run_id": run.info.run_id}
    version = client.create_model_version(
        MODEL_NAME, run.info.artifact_uri, run.info.run_id, tags=tags
    )
    return int(version.version)
