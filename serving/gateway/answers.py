"""From probabilities to the answer that a client gets."""

import msgspec

from serving.gateway.models import ServedModel
from serving.gateway.schema import PredictAnswer, Prediction, RangeWarning, Row

_encode = msgspec.json.Encoder().encode


def answer(model: ServedModel, rows: list[Row], probabilities: list[list[float]]) -> bytes:
    """Return the encoded answer for rows and what the model gave for them."""
    labels = model.labels
    predictions = []
    for given in probabilities:
        index = given.index(max(given))
        predictions.append(Prediction(labels[index], index, dict(zip(labels, given, strict=True))))
    warnings = range_warnings(model, rows) or msgspec.UNSET
    return _encode(PredictAnswer(model.id, predictions, warnings))


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
