"""What is written down of a training run: everything one needs to judge it and to get it again."""

import platform
from importlib.metadata import version
from typing import Any

import pandas as pd
from sklearn.inspection import permutation_importance

from artifacts.model import ModelCard
from training import plots
from training.card import LIBRARIES
from training.estimators import TRUSTED_TYPES, ask
from training.evaluation import HELD_OUT_PERCENT, SPLIT_SALT
from training.export import ModelFile
from training.frames import to_frame
from training.provenance import commit_of
from training.schema import FEATURES, LABEL_COLUMN
from training.search import FOLDS, REPEATS
from training.table import Rows, Table
from training.tracking import LoggedModel, Tracking
from training.trial import Trained, Trial

REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def data_blob(table: Table) -> str:
    """Return the name of the table in `records`."""
    return f"data/{table.sha256}.csv"


def record(tracking: Tracking, trained: Trained) -> tuple[str, LoggedModel]:
    """Log the run and a run below it for each candidate.

    Returns:
        The run's id, and the chosen estimator as it lies in MLflow.
    """
    table = trained.order.table
    with tracking.run("train") as run_id:
        tracking.log(tags=origin_tags(trained.file.card) | _commit_tags())
        tracking.log(parameters=_parameters(trained))
        tracking.log(metrics={f"held_out_{name}": m for name, m in trained.metrics.items()})
        labelled = to_frame(table).assign(**{LABEL_COLUMN: table.labels})
        tracking.log_data(labelled, LABEL_COLUMN, table.sha256, f"records/{data_blob(table)}")
        for trial in trained.trials:
            _record_trial(tracking, trial, chosen=trial is trained.chosen)
        tracking.log_figures(_figures(trained))
        tracking.log_release(trained.file.data)
        model = log_estimator(tracking, trained.chosen.found.estimator, table.rows)
    return run_id, model


def log_estimator(tracking: Tracking, estimator: Any, rows: Rows) -> LoggedModel:
    """Log an estimator with exactly the libraries that it needs; some rows serve as an example."""
    names = getattr(estimator, "feature_names_in_", [column.name for column in FEATURES])
    return tracking.log_estimator(
        estimator,
        pd.DataFrame(rows, columns=list(names)),
        ask(estimator, rows)[0],
        requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        trusted_types=TRUSTED_TYPES,
    )


def version_tags(file: ModelFile, run_id: str) -> dict[str, str]:
    """Return the tags of the version whose model file is an artifact of the run."""
    card = file.card
    return (
        origin_tags(card)
        | _commit_tags()
        | {
            "iris.sha256": file.sha256,
            "iris.run_id": run_id,
            "iris.estimator": card.estimator,
            "iris.parity.differing_labels": str(card.parity.differing_labels),
            "iris.parity.largest_difference": repr(card.parity.largest_difference),
            "iris.accuracy": repr(card.metrics["accuracy"]),
        }
    )


def origin_tags(card: ModelCard) -> dict[str, str]:
    """Return what the card knows of the model's origin; what it does not know has no tag."""
    known = {
        "iris.data_sha256": card.data_sha256,
        "iris.split_salt": card.split_salt,
        "iris.seed": card.seed,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def _commit_tags() -> dict[str, str]:
    commit = commit_of()
    if commit is None:
        return {"iris.git_commit": "unknown"}
    return {"iris.git_commit": commit.id, "iris.git_dirty": str(commit.dirty).lower()}


def _parameters(trained: Trained) -> dict[str, Any]:
    libraries = {f"version_{name}": version(name) for name in LIBRARIES}
    outside, rows = len(trained.outside.labels), len(trained.order.table.labels)
    return {
        "chosen": trained.chosen.kind,
        "seed": trained.order.seed,
        "split_salt": SPLIT_SALT,
        "held_out_percent": HELD_OUT_PERCENT,
        "held_out_rows": outside,
        "training_rows": rows - outside,
        "folds": FOLDS,
        "repeats": REPEATS,
        "version_python": platform.python_version(),
    } | libraries


def _record_trial(tracking: Tracking, trial: Trial, *, chosen: bool) -> None:
    card = trial.exported.file.card
    scores = trial.found.scores
    means = {f"cv_{name}": score.mean for name, score in scores.items()}
    spreads = {f"cv_{name}_spread": score.spread for name, score in scores.items()}
    costs = {
        "fit_seconds": trial.found.fit_seconds,
        "call_microseconds": trial.call_seconds * 1e6,
        "file_bytes": float(len(trial.exported.file.data)),
        "parity_largest_difference": card.parity.largest_difference,
    }
    with tracking.run(trial.kind):
        tracking.log(
            tags={
                "iris.estimator": card.estimator,
                "iris.chosen": str(chosen).lower(),
                # Of the file that was compared: the released one also names what was held out.
                "iris.compared_sha256": trial.exported.file.sha256,
            },
            parameters=trial.found.parameters,
            metrics=means | spreads | costs,
        )


def _figures(trained: Trained) -> dict[str, Any]:
    outside, classes = trained.outside, trained.file.card.labels
    probabilities = trained.file.model.predict(outside.rows)
    predicted = [classes[i] for i in probabilities.argmax(axis=1)]
    shuffled = permutation_importance(
        trained.chosen.found.estimator,
        to_frame(outside),
        outside.labels,
        scoring="neg_log_loss",
        n_repeats=10,
        random_state=trained.order.seed,
    )
    scores = {trial.kind: trial.found.scores for trial in trained.trials}
    return {
        "confusion_matrix": plots.confusion_matrix(outside.labels, predicted, classes),
        "reliability": plots.reliability(outside.labels, probabilities, classes),
        "recall_by_class": plots.recall_by_class(outside.labels, predicted),
        "candidates": plots.side_by_side(scores),
        "permutation_importance": plots.importance(
            outside.features, shuffled.importances_mean, shuffled.importances_std
        ),
    }
