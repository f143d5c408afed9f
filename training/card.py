"""What a model file says of itself, as far as training knows it.

Nothing stands here that differs between two equal runs: no time, no host, no number of a run.
"""

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from artifacts.model import Feature, Golden, Histogram, ModelCard, Parity
from artifacts.release import MODEL_NAME
from training.estimators import ask
from training.schema import FEATURES
from training.table import Rows, Table

LIBRARIES = ("numpy", "onnx", "scikit-learn", "scipy", "skl2onnx")
HISTOGRAM_BINS = 10
GOLDEN_ROWS = 9

_NOT_YET = Parity(rows=0, differing_labels=0, largest_difference=0.0)


@dataclass(frozen=True)
class Origin:
    """What a model was trained with. None: not known, as with a model made elsewhere."""

    data_sha256: str | None = None
    split_salt: str | None = None
    seed: int | None = None


def draft(
    estimator: Any,
    table: Table,
    labels: list[str],
    input_dtype: Literal["float32", "float64"],
    origin: Origin,
) -> ModelCard:
    """Return a card that lacks metrics and parity.

    Args:
        estimator: the fitted classifier.
        table: the rows that it was trained on; where those are not known, the like of them.
        labels: the names of its classes, in the order of its probabilities.
        input_dtype: what the file takes.
        origin: what it was trained with.
    """
    return ModelCard(
        name=MODEL_NAME,
        estimator=describe(estimator),
        features=[_feature(name, table.columns([name])[:, 0]) for name in table.features],
        labels=labels,
        label_counts=_label_counts(table, labels) if origin.data_sha256 else None,
        input_dtype=input_dtype,
        metrics={},
        libraries={name: version(name) for name in LIBRARIES},
        data_sha256=origin.data_sha256,
        split_salt=origin.split_salt,
        seed=origin.seed,
        parity=_NOT_YET,
        golden=_golden(estimator, table),
    )


def describe(estimator: Any) -> str:
    """Return the estimator's kind in words, step by step: `StandardScaler + SVC`."""
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    return " + ".join(type(step).__name__ for step in steps)


def _feature(name: str, values: Rows) -> Feature:
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS)
    return Feature(
        name=name,
        unit=next((column.unit for column in FEATURES if column.name == name), ""),
        minimum=float(values.min()),
        maximum=float(values.max()),
        histogram=Histogram(edges=edges.tolist(), counts=counts.tolist()),
    )


def _label_counts(table: Table, labels: list[str]) -> list[int]:
    counts = Counter(table.labels)
    return [counts[label] for label in labels]


def _golden(estimator: Any, table: Table) -> Golden:
    """Take rows at equal distances; a table is sorted by label, so every class is among them."""
    places = np.linspace(0, len(table.rows) - 1, GOLDEN_ROWS).round().astype(int)
    rows = table.rows[places]
    return Golden(rows=rows.tolist(), probabilities=ask(estimator, rows)[1].tolist())
