"""Logistic regression."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.candidates import Candidate


def candidate(_seed: int) -> Candidate:
    """Straight borders; the one to beat."""
    return Candidate(
        kind="logistic",
        estimator=make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        grid={"logisticregression__C": [1.0, 10.0, 100.0]},
        input_dtype="float64",
    )
