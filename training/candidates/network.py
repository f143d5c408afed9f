"""A small neural network."""

from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.candidates import Candidate


def candidate(seed: int) -> Candidate:
    """One hidden layer, fitted to the end by L-BFGS, which suits few rows."""
    layers = MLPClassifier((8,), solver="lbfgs", max_iter=2000, random_state=seed)
    return Candidate(
        kind="network",
        estimator=make_pipeline(StandardScaler(), layers),
        grid={"mlpclassifier__alpha": [0.1, 1.0]},
        input_dtype="float64",
    )
