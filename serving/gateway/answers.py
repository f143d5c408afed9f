"""From probabilities to the answer that a client gets."""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from serving.gateway.metrics import Predicted
from serving.gateway.models import Probabilities, ServedModel
from serving.gateway.schema import RangeWarning, Row

_encode = msgspec.json.Encoder().encode


class _Prediction(Struct, frozen=True, gc=False):
    """A `Prediction`, as its model encodes it quickest."""

    label: str
    index: int
    probabilities: Any


class _Answer(Struct, frozen=True, gc=False):
    """A `PredictAnswer`, with the part encoded that is the same in all of them."""

    model: msgspec.Raw
    predictions: list[_Prediction]
    warnings: list[RangeWarning] | UnsetType


def answer(
    model: ServedModel,
    rows: list[Row],
    probabilities: list[Probabilities],
    counted: Predicted | None = None,
) -> bytes:
    """Return the encoded `PredictAnswer` for rows and what the model gave for them.

    It is counted in `counted`, where that is given.
    """
    labels, by_label = model.labels, model.by_label
    counts = [0] * len(labels) if counted is None else counted.classes
    predictions = []
    for given in probabilities:
        index = given.index(max(given))
        counts[index] += 1
        predictions.append(_Prediction(labels[index], index, by_label(*given)))
    warnings = range_warnings(model, rows)
    if counted is not None:
        counted.count(rows, warnings)
    return _encode(_Answer(model.encoded_id, predictions, warnings or UNSET))


def range_warnings(model: ServedModel, rows: list[Row]) -> list[RangeWarning]:
    """Return a warning for each value outside of the range that the model was trained on."""
    return [
        RangeWarning(row, name, value, low, high, _sentence(name, value, low, high))
        for row, values in enumerate(rows)
        for value, (name, low, high) in zip(values, model.ranges, strict=True)
        if not low <= value <= high
    ]


def _sentence(name: str, value: float, low: float, high: float) -> str:
    return f"{name} = {value:g} is outside of the training range {low:g} to {high:g}"
