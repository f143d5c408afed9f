"""Which rows are left out, which to compare models on, and how good their answers are.

Pure functions of plain values, without MLflow or scikit-learn: the gates of a promotion use them
too, and have to come to the same numbers.

A row is left out where the salted hash of its features lies under a fixed threshold. So equal rows
never straddle the split, and every version, past and future, leaves the same rows out: that is what
lets two versions be compared. **The salt, the threshold and the form of the hash can't be changed**
once a version is registered; a card names the salt that its model was trained with.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.table import Mask, Rows, Table, read_table

__all__ = [
    "SPLIT_SALT",
    "Mask",
    "Rows",
    "Table",
    "accuracy",
    "grid",
    "held_out",
    "measure",
    "read_table",
]

# The first of iris-0, iris-1, … that leaves out 20 of the 50 rows of each species of iris.
SPLIT_SALT = "iris-1170"
HELD_OUT_PERCENT = 40

GRID_STEPS = 11
GRID_BEYOND = 0.5  # of a column's range, on either side
GRID_MOST_ROWS = 20_000

METRICS = ("accuracy", "macro_f1", "log_loss", "brier", "calibration_error")
CALIBRATION_BINS = 10


def held_out(table: Table, salt: str = SPLIT_SALT) -> Mask:
    """Say for each row whether it is left out of training."""
    return np.array([_is_held_out(row, salt) for row in table.rows.tolist()], dtype=np.bool_)


def _is_held_out(row: list[float], salt: str) -> bool:
    text = f"{salt}:{','.join(map(repr, row))}"
    number = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    return number * 100 < HELD_OUT_PERCENT * 2**64


def grid(low: NDArray[np.float64], high: NDArray[np.float64]) -> Rows:
    """Span the ranges and half a range beyond, with fewer steps where there are many columns.

    Args:
        low: the least value of each column.
        high: the greatest.
    """
    beyond = (high - low) * GRID_BEYOND
    steps = max(2, min(GRID_STEPS, int(GRID_MOST_ROWS ** (1 / len(low)))))
    axes = np.linspace(low - beyond, high + beyond, steps).T
    return np.array(list(product(*axes)))


def measure(labels: Sequence[str], probabilities: Rows, classes: Sequence[str]) -> dict[str, float]:
    """Return every metric of `METRICS`.

    Args:
        labels: what the rows are.
        probabilities: what a model says, a row each, in the order of `classes`.
        classes: the labels that the model knows.
    """
    predicted = [classes[i] for i in probabilities.argmax(axis=1)]
    truth = one_hot(labels, classes)
    return {
        "accuracy": accuracy(labels, predicted),
        "macro_f1": macro_f1(labels, predicted),
        "log_loss": log_loss(truth, probabilities),
        "brier": brier(truth, probabilities),
        "calibration_error": calibration_error(truth, probabilities),
    }


def one_hot(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return a row for each label, with 1 in the column of its class."""
    return np.array([[label == known for known in classes] for label in labels], dtype=np.float64)


def accuracy(labels: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the share of the labels that were predicted."""
    return float(np.mean([a == b for a, b in zip(labels, predicted, strict=True)]))


def recalls(labels: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Return for each label the share of its rows that were found."""
    found = {label: [] for label in sorted(set(labels))}  # type: dict[str, list[bool]]
    for label, answer in zip(labels, predicted, strict=True):
        found[label].append(label == answer)
    return {label: float(np.mean(hits)) for label, hits in found.items()}


def macro_f1(labels: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean of the classes' F1, each class weighing the same."""
    return float(np.mean([_f1(labels, predicted, c) for c in sorted({*labels, *predicted})]))


def _f1(labels: Sequence[str], predicted: Sequence[str], label: str) -> float:
    pairs = [(a == label, b == label) for a, b in zip(labels, predicted, strict=True)]
    hits, wrong = pairs.count((True, True)), pairs.count((True, False)) + pairs.count((False, True))
    return 2 * hits / (2 * hits + wrong)


def log_loss(truth: NDArray[np.float64], probabilities: Rows) -> float:
    """Return the mean of -log p of the true class; p is kept away from 0."""
    p = np.clip((truth * probabilities).sum(axis=1), 1e-15, 1.0)
    return float(-np.log(p).mean())


def brier(truth: NDArray[np.float64], probabilities: Rows) -> float:
    """Return the mean squared distance from the truth, summed over the classes: from 0 to 2."""
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def calibration_error(truth: NDArray[np.float64], probabilities: Rows) -> float:
    """Return how far confidence lies from accuracy, over bins of confidence (ECE)."""
    bins = calibration_curve(truth, probabilities)
    return sum(abs(b.confidence - b.accuracy) * b.rows for b in bins) / len(truth)


class CalibrationBin(NamedTuple):
    """The rows for which a model is about equally sure: how sure, and how often it is right."""

    confidence: float
    accuracy: float
    rows: int


def calibration_curve(truth: NDArray[np.float64], probabilities: Rows) -> list[CalibrationBin]:
    """Return the bins that hold any rows, in order of confidence."""
    confidence = probabilities.max(axis=1)
    right = truth[np.arange(len(truth)), probabilities.argmax(axis=1)]
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    inside = [bins == number for number in np.unique(bins)]
    return [
        CalibrationBin(float(confidence[b].mean()), float(right[b].mean()), int(b.sum()))
        for b in inside
    ]
