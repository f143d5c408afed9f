"""Gradient boosting."""

from sklearn.ensemble import GradientBoostingClassifier

from training.candidates import Candidate


def candidate(seed: int) -> Candidate:
    """Small trees in a row, each mending what those before it got wrong."""
    return Candidate(
        kind="boosting",
        estimator=GradientBoostingClassifier(n_estimators=40, max_depth=2, random_state=seed),
        grid={"learning_rate": [0.05, 0.1]},
        input_dtype="float32",
    )
