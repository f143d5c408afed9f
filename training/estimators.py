"""Estimators: asked for answers, and read from files that came from anywhere."""

import warnings
from pathlib import Path
from typing import Any

import joblib
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UntrustedTypesFoundException

from training.errors import NotExportable, UntrustedModel
from training.table import Rows

# What scikit-learn's own classifiers hold beyond the types that skops trusts by itself. Loading
# any of them runs scikit-learn's code and no other.
TRUSTED_TYPES = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)


def ask(estimator: Any, rows: Rows) -> tuple[list[Any], Rows]:
    """Return the estimator's labels and probabilities, in the order of its classes.

    Rows are given by position. An estimator that was fitted by name warns of that, needlessly: the
    order of its columns was looked at before.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        return estimator.predict(rows).tolist(), estimator.predict_proba(rows)


def check_skops(estimator: Any) -> None:
    """Refuse an estimator that would not come back from the skops format.

    Raises:
        NotExportable: it holds something that the format has no form for, or that is not trusted.
    """
    try:
        unknown = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    # The format's library raises what it likes on a strange object.
    except Exception as error:
        raise NotExportable(f"the model can't be kept in the skops format: {error}") from error
    if not set(unknown) <= set(TRUSTED_TYPES):
        raise NotExportable(
            f"the model holds types that are not scikit-learn's own classifiers': {unknown}",
        )


def load_skops(path: Path) -> Any:
    """Load an estimator from a skops file; no code of its own can run.

    Raises:
        UntrustedModel: it holds types that are not on our list.
        NotExportable: it is no skops file.
    """
    try:
        return skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise UntrustedModel(
            f"{path.name} holds types that are not trusted: {error}",
            hint="a model file can be made of scikit-learn's own classifiers only",
        ) from error
    # A file from outside, taken apart by another library: what it raises can't be foreseen.
    except Exception as error:
        raise _unreadable(path, error) from error


def check_file(path: Path, *, trust: bool) -> None:
    """Refuse, unopened, a file that is missing, or a pickle that nobody trusts."""
    if not path.is_file():
        raise NotExportable(f"{path} is no file")
    if not is_skops(path):
        _require_trust(path, trust=trust)


def is_skops(path: Path) -> bool:
    """Say whether the file claims to be skops; one that lies about it does not load as such."""
    return path.suffix == ".skops"


def load_pickle(path: Path, *, trust: bool) -> Any:
    """Load an estimator from a pickle, also as joblib or cloudpickle write it.

    Args:
        path: the file.
        trust: whether somebody said that whatever code it holds may run.

    Raises:
        UntrustedModel: nobody said so. The file was not opened.
        NotExportable: it does not load here.
    """
    _require_trust(path, trust=trust)
    try:
        with warnings.catch_warnings():
            # Said by our own message where it matters: parity is what proves the file.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            return joblib.load(path)
    # Loading a pickle runs code that may raise anything.
    except Exception as error:
        raise _unreadable(path, error) from error


def _require_trust(path: Path, *, trust: bool) -> None:
    if not trust:
        raise UntrustedModel(
            f"{path.name} is a pickle, and loading a pickle runs whatever code it holds",
            hint="if you know who made it, and how it came here, say so with --trust",
        )


def _unreadable(path: Path, error: Exception) -> NotExportable:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return NotExportable(
        f"{path.name} can't be loaded: {reason[:300]}",
        hint="it must be whole, and made with the libraries that are installed here",
    )
