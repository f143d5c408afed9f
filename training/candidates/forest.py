"""A random forest."""

from sklearn.ensemble import RandomForestClassifier

from training.candidates import Candidate


def candidate(seed: int) -> Candidate:
    """Many deep trees, each on other rows and columns."""
    return Candidate(
        kind="forest",
        estimator=RandomForestClassifier(n_estimators=60, random_state=seed),
        grid={"min_samples_leaf": [1, 3]},
        input_dtype="float32",
    )
