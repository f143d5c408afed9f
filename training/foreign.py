"""A model that was made elsewhere: what it is, what it can't tell, and the release made of it."""

from collections.abc import Sequence
from typing import Any, Literal

from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from training.card import Origin, describe, draft
from training.errors import NotExportable, ParityMissed
from training.estimators import ask
from training.evaluation import held_out, measure
from training.export import Exported, ModelFile, export
from training.parity import probes
from training.schema import FEATURES, LABELS, column_name
from training.table import Table

UNKNOWN_ROWS = (
    "not known: the rows it was trained on. Ranges, golden rows and metrics are taken from "
    "the table given, and it may have seen the rows that it is measured on"
)

_DTYPES: tuple[Literal["float64", "float32"], ...] = ("float64", "float32")


def release_of(
    estimator: Any, reference: Table, labels: Sequence[str] | None
) -> tuple[ModelFile, list[str]]:
    """Make a model file of an estimator from elsewhere.

    Args:
        estimator: whatever was loaded.
        reference: rows like those that it was trained on.
        labels: the names of its classes in its order, where they don't say it themselves.

    Returns:
        The file, and what could not be known or was taken for granted.

    Raises:
        NotExportable: it is no fitted classifier of flowers that ONNX has a form for.
        ParityMissed: the file answers otherwise than it does.
    """
    _check(estimator)
    features, of_features = _features(estimator)
    names, of_labels = _labels(estimator, labels)
    table = Table(reference.columns(features), reference.labels, features)
    _check_answers(estimator, table)
    exported = _export(estimator, table, names)
    outside = table.part(held_out(reference))
    model = exported.file.model
    metrics = measure(outside.labels, model.predict(outside.rows), names)
    return exported.released(metrics), [UNKNOWN_ROWS, *of_features, *of_labels]


def _check(estimator: Any) -> None:
    what = type(estimator).__name__
    if not (hasattr(estimator, "get_params") and is_classifier(estimator)):
        raise NotExportable(f"{what} is no scikit-learn classifier")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotExportable(f"{what} is not fitted") from error
    if not hasattr(estimator, "predict_proba"):
        raise NotExportable(
            f"{what} gives no probabilities",
            hint="wrap it before fitting: CalibratedClassifierCV(…, ensemble=False)",
        )


def _features(estimator: Any) -> tuple[list[str], list[str]]:
    """Return our names of its columns, in its order."""
    known = [column.name for column in FEATURES]
    given = getattr(estimator, "feature_names_in_", None)
    if given is None:
        if estimator.n_features_in_ != len(known):
            raise NotExportable(
                f"the model takes {estimator.n_features_in_} columns without names, and not the "
                f"{len(known)} of a flower",
                hint="fit it on a data frame, so that the columns have names",
            )
        return known, [f"taken for granted: its columns, without names, are {', '.join(known)}"]
    names = [column_name(name) for name in given]
    if not set(names) <= set(known) or len(set(names)) < len(names):
        raise NotExportable(
            f"the model takes the columns {', '.join(given)}; known are {', '.join(known)}"
        )
    return names, []


def _labels(estimator: Any, labels: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the names of its classes, in its order."""
    classes = [str(label) for label in estimator.classes_]
    notes = []
    if labels is None and classes == [str(number) for number in range(len(LABELS))]:
        labels = LABELS
        notes = [f"taken for granted: its classes {', '.join(classes)} are {', '.join(LABELS)}"]
    names = list(labels or classes)
    if len(names) != len(classes) or not set(names) <= set(LABELS) or len(set(names)) < len(names):
        raise NotExportable(
            f"the model's classes are {', '.join(classes)}, and their names would be "
            f"{', '.join(names)}; known are {', '.join(LABELS)}",
            hint="name them in the model's order: --labels " + ",".join(LABELS),
        )
    return names, notes


def _check_answers(estimator: Any, table: Table) -> None:
    try:
        ask(estimator, table.rows[:1])
    # An estimator of another version of scikit-learn breaks in ways that can't be foreseen.
    except Exception as error:
        raise NotExportable(
            f"{describe(estimator)} does not answer here: {type(error).__name__}: {error}",
            hint="was it made with another version of scikit-learn?",
        ) from error


def _export(estimator: Any, table: Table, labels: list[str]) -> Exported:
    """Export with either input type, as nobody said which one suits, and take the closer file."""
    asked = probes(table.rows)
    done: list[Exported] = []
    failed: list[NotExportable | ParityMissed] = []
    for dtype in _DTYPES:
        try:
            done.append(export(estimator, draft(estimator, table, labels, dtype, Origin()), asked))
        except (NotExportable, ParityMissed) as error:
            failed.append(error)
    if not done:
        raise next((e for e in failed if isinstance(e, ParityMissed)), failed[0])
    return min(done, key=lambda exported: exported.file.card.parity.largest_difference)
