"""The expected failures of training.

IrisError
├── DataFault         the table is not fit to train on
├── ParityMissed      the model file and its estimator differ
├── NotExportable     the estimator is none that a model file can be made of
├── UntrustedModel    reading it could run code, and nobody said to trust it
└── TrackingError     MLflow, its database or its files did not do what was asked
"""

from artifacts.errors import IrisError


class DataFault(IrisError):
    """The table is not fit to train on. The message names every fault by row and column."""


class ParityMissed(IrisError):
    """The model file and the estimator it was made from give different answers."""


class NotExportable(IrisError):
    """No model file can be made of the estimator."""


class UntrustedModel(IrisError):
    """Reading the model could run whatever code it holds, and nobody said to trust it."""


class TrackingError(IrisError):
    """MLflow, its database or its files did not do what was asked."""
