"""The model that everybody serves, the rows that are sent, and what is right for them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from load_tests.benchmark.systems import Rows

SEED = 7
REQUESTS = 512
TOLERANCE = 1e-6


class Request(NamedTuple):
    """Rows, and the probabilities that the fitted pipeline gives for them."""

    rows: Rows
    expected: Rows


class Pipeline:
    """StandardScaler and LogisticRegression on scikit-learn's iris."""

    def __init__(self) -> None:
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._flowers, species = load_iris(return_X_y=True)
        self._pipeline: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        self._pipeline.fit(self._flowers, species)

    def save(self, file: Path) -> None:
        """Write it as most people do."""
        import joblib

        joblib.dump(self._pipeline, file)

    def requests(self, rows_each: int) -> list[Request]:
        """Return requests that all differ, with values between those of real flowers."""
        random = np.random.default_rng(SEED)
        return [self._request(random, rows_each) for _ in range(REQUESTS)]

    def _request(self, random: np.random.Generator, count: int) -> Request:
        one, other = random.choice(self._flowers, (2, count))
        share = random.uniform(0.2, 0.8, (count, 1))
        rows = np.round(share * one + (1 - share) * other, 2)
        return Request(rows.tolist(), self._pipeline.predict_proba(rows).tolist())


def is_right(given: Rows, expected: Rows) -> bool:
    """Whether probabilities are those of the pipeline, to the precision of float32."""
    return np.shape(given) == np.shape(expected) and np.allclose(
        given, expected, rtol=0, atol=TOLERANCE
    )
