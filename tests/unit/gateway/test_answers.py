"""Answers from probabilities."""

import msgspec

from serving.gateway.answers import answer
from serving.gateway.models import ServedModel
from serving.gateway.schema import PredictAnswer

MODEL = ServedModel(
    b"""{"name": "iris-classifier", "version": "3", "sha256": "abc", "labels": ["a", "b"],
    "features": [{"name": "x", "minimum": 1.0, "maximum": 2.0}, {"name": "y"}]}"""
)


def test_an_answer_names_its_release_and_each_row_s_best_label() -> None:
    """The label is the first of the most probable; all probabilities are given by label."""
    encoded = answer(MODEL, [[1, 5], [2, 5]], [(0.25, 0.75), (0.5, 0.5)])
    msgspec.json.decode(encoded, type=PredictAnswer)  # what the OpenAPI document says
    assert msgspec.json.decode(encoded) == {
        "model": {"name": "iris-classifier", "version": "3", "sha256": "abc"},
        "predictions": [
            {"label": "b", "index": 1, "probabilities": {"a": 0.25, "b": 0.75}},
            {"label": "a", "index": 0, "probabilities": {"a": 0.5, "b": 0.5}},
        ],
    }


def test_a_value_out_of_range_is_answered_with_a_warning() -> None:
    """Row, field, value and range are named; a feature without a range warns of nothing."""
    body = msgspec.json.decode(answer(MODEL, [[1, 1e9], [2.5, 0]], [(1, 0), (1, 0)]))
    assert body["warnings"] == [
        {
            "row": 1,
            "field": "x",
            "value": 2.5,
            "minimum": 1.0,
            "maximum": 2.0,
            "detail": "x = 2.5 is outside of the training range 1 to 2",
        }
    ]
