"""BentoML: a batchable API on arrays, all else by default (https://docs.bentoml.com/).

Its guide on adaptive batching gives `batchable=True` to a method that takes and returns arrays.
"""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

import os

import bentoml
import numpy as np
from predictor import load


@bentoml.service
class Classifier:
    """The classifier."""

    def __init__(self) -> None:
        self._predict = load(os.environ["BENCH_MODEL"])

    @bentoml.api(batchable=True)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict the rows of several requests."""
        return np.asarray(self._predict(rows))
