"""Does the model file answer as the estimator does that it was made from?

Labels have to be equal on every row asked, probabilities within a bound. The rows are the whole
table, a grid over the ranges and beyond them, and rows that lie exactly between neighbouring values
of a column, where trees put their thresholds and a rounding would show.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from artifacts.model import Model, Parity
from training.errors import ParityMissed
from training.estimators import ask
from training.evaluation import grid
from training.table import Rows

# Trees add up hundreds of float32 leaves: 4e-7 was seen, so this has room and still is no error.
LARGEST_DIFFERENCE = 1e-5


def probes(rows: Rows) -> Rows:
    """Return the rows to ask, made from the like of those that the estimator was trained on."""
    return np.vstack([rows, grid(rows.min(axis=0), rows.max(axis=0)), _between(rows)])


def compare(model: Model, estimator: Any, asked: Rows) -> Parity:
    """Compare the file with the estimator.

    Raises:
        ParityMissed: a label differs, or a probability by more than the bound.
    """
    wanted_labels, wanted = ask(estimator, asked)
    found = model.predict(asked)
    found_labels = estimator.classes_[found.argmax(axis=1)].tolist()
    parity = Parity(
        rows=len(asked),
        differing_labels=sum(a != b for a, b in zip(found_labels, wanted_labels, strict=True)),
        largest_difference=float(np.abs(found - wanted).max()),
    )
    # Written so that a probability that is not a number is refused too.
    if parity.differing_labels or not parity.largest_difference <= LARGEST_DIFFERENCE:
        raise ParityMissed(
            f"the model file and the estimator give different answers: {parity.differing_labels} "
            f"of {parity.rows} labels differ, and a probability by {parity.largest_difference:.1e}",
            hint="trees must not stand behind a scaler; support vectors need "
            "CalibratedClassifierCV(ensemble=False). docs/decisions says which estimators export",
        )
    return parity


def _between(rows: Rows) -> Rows:
    """Move single columns of a few rows to the middle between neighbouring values."""
    bases = rows[:: max(1, len(rows) // 5)]
    moved = []
    for column in range(rows.shape[1]):
        for low, high in pairwise(np.unique(rows[:, column])):
            for base in bases:
                row = base.copy()
                row[column] = (low + high) / 2
                moved.append(row)
    return np.array(moved)
