"""The commands of training.

scikit-learn and MLflow take seconds to import, so each command imports what it needs.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artifacts.settings import MlflowSettings, load
from training.candidates import KINDS
from training.errors import TrackingError

if TYPE_CHECKING:
    from artifacts.store import Store
    from training.tracking import Tracking
    from training.train import Registered

_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="The rows; without it, scikit-learn's iris.",
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_TRUST = click.option(
    "--trust", is_flag=True, help="Load a pickle, which runs whatever code it holds."
)
_LABELS = click.option(
    "--labels",
    metavar="A,B,C",
    help="The names of the classes, in the model's order, where it numbers them otherwise than "
    "scikit-learn's iris does.",
)


@click.command(
    epilog="Example: iris train --data flowers.csv --only forest --only logistic --seed 2"
)
@_DATA
@click.option(
    "--only",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="Run this candidate; can be given several times. Without it, all compete.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="What every random choice follows from. It is part of the release.",
)
@_AS_JSON
def train(data: Path | None, kinds: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Train the candidates, choose the best, and register it.

    The same data, seed and libraries give the same model file, byte for byte; one that is
    registered already is not registered again.
    """
    settings = load(MlflowSettings)
    from training.dataset import load_table

    table = load_table(data)  # a fault ends the run before anything is made
    store, tracking = _connect(settings)
    from training.progress import Progress
    from training.train import train as run
    from training.trial import Order

    _tell(run(Order(table, kinds or KINDS, seed), store, tracking, Progress()), as_json=as_json)


@click.command(epilog="Example: iris register models:/m-8f974575b10048feb08e5ccb960d699e")
@click.argument("model_uri")
@_LABELS
@_DATA
@_TRUST
@_AS_JSON
def register(
    model_uri: str, labels: str | None, data: Path | None, trust: bool, as_json: bool
) -> None:
    """Make a release of a model that somebody logged with mlflow.sklearn.log_model.

    MODEL_URI is whatever MLflow takes: models:/m-…, runs:/…/model. A version of iris-classifier
    that has no model file yet is completed; any other model becomes the next version.
    """
    settings = load(MlflowSettings)
    from training.dataset import load_table

    reference = load_table(data)
    store, tracking = _connect(settings)
    from training.register import Terms
    from training.register import register as run

    terms = Terms(reference, labels.split(",") if labels else None, trust)
    _tell(run(model_uri, terms, store, tracking), as_json=as_json)


@click.command("import", epilog="Example: iris import model.pkl --trust")
@click.argument("file", type=click.Path(path_type=Path))
@_LABELS
@_DATA
@_TRUST
@_AS_JSON
def import_(file: Path, labels: str | None, data: Path | None, trust: bool, as_json: bool) -> None:
    """Make a release of a model in a file: skops, or a pickle or joblib file with --trust."""
    settings = load(MlflowSettings)
    from training.dataset import load_table
    from training.estimators import check_file

    check_file(file, trust=trust)  # refused before anything is made
    reference = load_table(data)
    store, tracking = _connect(settings)
    from training.register import Terms, import_file

    terms = Terms(reference, labels.split(",") if labels else None, trust)
    _tell(import_file(file, terms, store, tracking), as_json=as_json)


def _connect(settings: MlflowSettings) -> tuple["Store", "Tracking"]:
    if settings.database is not None:
        _check_home(settings.home)
    for name, value in MLFLOW_MANNERS.items():
        os.environ.setdefault(name, value)
    from artifacts.store import open_store
    from training.tracking import Tracking

    store = open_store(settings.store_uri)
    store.prepare()
    return store, Tracking.open(settings.tracking_uri, store.mlflow_artifact_root)


def _check_home(home: Path) -> None:
    """Make the home, and write to it, before MLflow is imported: that takes seconds."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise TrackingError(
            f"IRIS_HOME={home} cannot be written to: {error.strerror}",
            hint="check its rights and the disk's free space, or set IRIS_HOME to another folder",
        ) from error


# Read by MLflow when it is imported: nothing is sent home, nothing is printed that this program did
# not choose to say, and a server that is away is not waited for long.
MLFLOW_MANNERS: Mapping[str, str] = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def _tell(done: "Registered", *, as_json: bool) -> None:
    card = done.file.card
    if as_json:
        result = {
            "version": done.version,
            "new": done.new,
            "sha256": done.file.sha256,
            "estimator": card.estimator,
            "metrics": card.metrics,
            "notes": list(done.notes),
        }
        click.echo(json.dumps(result))
        return
    held_out = ", ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in card.metrics.items())
    click.echo(f"{card.estimator}; on the rows left out: {held_out}")
    for note in done.notes:
        click.echo(note)
    if done.new:
        click.echo(f"registered version {done.version} (sha256 {done.file.sha256[:12]}…)")
        click.echo(f"next: iris promote {done.version}")
    else:
        click.echo(f"nothing registered: this is version {done.version}, byte for byte")
