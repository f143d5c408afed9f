"""Support vectors, with calibrated probabilities."""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from training.candidates import Candidate


def candidate(_seed: int) -> Candidate:
    """Curved borders drawn by few rows. One model, calibrated across folds, becomes a file."""
    calibrated = CalibratedClassifierCV(SVC(), ensemble=False, cv=3)
    return Candidate(
        kind="vectors",
        estimator=make_pipeline(StandardScaler(), calibrated),
        grid={"calibratedclassifiercv__estimator__C": [1.0, 10.0]},
        input_dtype="float64",
    )
