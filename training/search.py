"""Which parameters suit a candidate: a small search by repeated stratified cross-validation.

It sees training rows only, and given the same rows and seed it comes to the same result. Linear
algebra is held to one thread: sums of another order differ in their last bits, and on tables this
small more threads are slower.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, RepeatedStratifiedKFold
from threadpoolctl import threadpool_limits

from training.candidates import Candidate
from training.evaluation import METRICS, Table, measure
from training.frames import to_frame

FOLDS = 5
REPEATS = 2
# What decides between parameters and between candidates: it is proper (nothing is won by claiming
# more certainty than there is), and it tells models apart that get the same few rows wrong.
DECIDING_METRIC = "log_loss"


@dataclass(frozen=True)
class Score:
    """The mean of a metric over all folds, and its spread (standard deviation)."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Found:
    """The best of a candidate: parameters, scores in cross-validation, the estimator fitted."""

    candidate: Candidate
    parameters: dict[str, Any]
    scores: dict[str, Score]
    estimator: Any
    fit_seconds: float


def settings_of(candidate: Candidate) -> list[dict[str, Any]]:
    """Return every combination of parameters that the search tries."""
    return list(ParameterGrid(dict(candidate.grid)))


def search(candidate: Candidate, train: Table, seed: int, tried: Callable[[], None]) -> Found:
    """Find the candidate's best parameters, and fit it with them on all training rows.

    Args:
        candidate: what to search.
        train: the training rows.
        seed: what deals the rows out to the folds.
        tried: called after each combination.
    """
    results = []
    with threadpool_limits(1):
        for parameters in settings_of(candidate):
            results.append((parameters, _cross_validate(candidate, parameters, train, seed)))
            tried()
        parameters, scores = min(results, key=lambda result: result[1][DECIDING_METRIC].mean)
        started = time.perf_counter()
        estimator = clone(candidate.estimator).set_params(**parameters)
        estimator.fit(to_frame(train), train.labels)
    return Found(candidate, parameters, scores, estimator, time.perf_counter() - started)


def _cross_validate(
    candidate: Candidate, parameters: dict[str, Any], train: Table, seed: int
) -> dict[str, Score]:
    labels = np.array(train.labels)
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    measured = []
    for inside, outside in folds.split(train.rows, labels):
        estimator = clone(candidate.estimator).set_params(**parameters)
        estimator.fit(train.rows[inside], labels[inside])
        probabilities = estimator.predict_proba(train.rows[outside])
        classes = [str(c) for c in estimator.classes_]
        measured.append(measure(labels[outside].tolist(), probabilities, classes))
    return {name: _score([m[name] for m in measured]) for name in METRICS}


def _score(values: list[float]) -> Score:
    return Score(float(np.mean(values)), float(np.std(values)))
