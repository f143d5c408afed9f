"""Answers from probabilities."""

import msgspec
import pytest

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


@pytest.mark.parametrize("label", ['a "quoted" one', "back\\slash", "Iris-sétosa", "a b", ""])
def test_a_label_may_be_any_text(label: str) -> None:
    """Whatever a class is called, it stands in the answer as it is."""
    description = {"name": "m", "version": "1", "sha256": "1", "features": [], "labels": [label]}
    model = ServedModel(msgspec.json.encode(description))
    [prediction] = msgspec.json.decode(answer(model, [[]], [(1.0,)]))["predictions"]
    assert prediction == {"label": label, "index": 0, "probabilities": {label: 1.0}}


@pytest.mark.parametrize("version", ["", "one\r\nset-cookie: a=b", "élan"])
def test_a_version_that_no_header_can_say_is_none(version: str) -> None:
    """What an instance says of itself does not end up as another header of ours."""
    description = {"name": "m", "version": version, "sha256": "1", "features": [], "labels": []}
    with pytest.raises(ValueError, match="header"):
        ServedModel(msgspec.json.encode(description))


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
