"""The kinds of models that compete. A candidate is one function, `candidate`, in one file.

To add one: a file here, its name in `KINDS`. What becomes a model file exactly decides the form:
trees take the raw columns as float32 (scikit-learn itself casts them to it) and no scaler, which
would move values across their thresholds; whatever is smooth takes float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

KINDS = ("logistic", "vectors", "discriminant", "forest", "boosting", "network")


@dataclass(frozen=True)
class Candidate:
    """An estimator that is not fitted yet, and the parameters to search."""

    kind: str
    estimator: Any
    grid: Mapping[str, Sequence[Any]]
    input_dtype: Literal["float32", "float64"]


def make(kind: str, seed: int) -> Candidate:
    """Return the candidate of this kind; its module, and scikit-learn with it, is imported now."""
    made: Candidate = import_module(f"{__name__}.{kind}").candidate(seed)
    return made
