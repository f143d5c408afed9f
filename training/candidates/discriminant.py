"""Quadratic discriminant analysis."""

from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from training.candidates import Candidate


def candidate(_seed: int) -> Candidate:
    """One bell of its own shape for each species; needs no scaler."""
    return Candidate(
        kind="discriminant",
        estimator=QuadraticDiscriminantAnalysis(),
        grid={"reg_param": [0.001, 0.01, 0.1]},
        input_dtype="float64",
    )
