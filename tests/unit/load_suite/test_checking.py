import json
from typing import Any

import pytest

from load_tests.suite.checking import Found, Given, Outcome, Release, judge
from load_tests.suite.questions import Question
from tests.unit.load_suite.values import DIGEST, EXPECTED

ONE = Question(kind="single", name="1 row", count=1)
FAULTY = Question(kind="mistake", name="no rows", status=422, problem="invalid-rows")
READS = Question(kind="reader", name="/health/live", method="GET", contains="live")


def answer(*rows: tuple[str, int, float], warnings: list[Any] | None = None) -> dict[str, Any]:
    """Return an answer with label, index and probability of `a` for each row."""
    predictions = [
        {"label": label, "index": index, "probabilities": {"a": a, "b": 1 - a}}
        for label, index, a in rows
    ]
    body = {"model": {"name": "m", "version": "3", "sha256": DIGEST}, "predictions": predictions}
    return body if warnings is None else {**body, "warnings": warnings}


def problem(name: str, request_id: str = "id") -> dict[str, Any]:
    """Return a problem."""
    return {"type": f"docs/api.md#{name}", "request_id": request_id, "detail": "why"}


def found(body: Any, question: Question = ONE, status: int = 200, request_id: str = "id") -> Found:
    """Judge an answer to the request `id`."""
    given = Given(status, request_id, json.dumps(body).encode())
    return judge(question, "id", given, {DIGEST: EXPECTED})


def test_the_right_answer_is_right() -> None:
    """And it tells which release gave it."""
    assert found(answer(("a", 0, 0.75))) == Found(Outcome.RIGHT, Release("3", DIGEST))


@pytest.mark.parametrize(
    "wrong",
    [
        answer(("b", 1, 0.75)),
        answer(("b", 0, 0.75)),
        answer(("a", 1, 0.75)),
        answer(("a", 0, 0.75 + 1e-8)),
        answer(("a", 0, float("nan"))),
        answer(("a", 0, 0.75), ("b", 1, 0.1)),
        answer(),
        answer(("a", 0, 0.75), warnings=[{"row": 0, "field": "x", "value": 9.0}]),
        {"model": {"version": "3", "sha256": DIGEST}},
        {},
        [],
    ],
)
def test_a_wrong_answer_is_wrong(wrong: Any) -> None:
    """Label, index, probabilities, number of rows, warnings, shape: all of it is looked at."""
    assert found(wrong).outcome is Outcome.WRONG


def test_an_answer_to_another_request_is_wrong() -> None:
    """Also where its content would do for both."""
    assert found(answer(("a", 0, 0.75)), request_id="other").outcome is Outcome.WRONG
    assert found(answer(("a", 0, 0.75)), request_id="").outcome is Outcome.WRONG


def test_warnings_must_be_those_of_the_rows() -> None:
    """A value out of range comes back in a warning, so it tells whose answer it is."""
    question = Question(kind="table", name="rows", first=0, count=2)
    rows = (("a", 0, 0.75), ("b", 1, 0.1))
    right = answer(*rows, warnings=[{"row": 1, "field": "x", "value": 9.0}])
    assert found(right, question).outcome is Outcome.RIGHT
    assert found(answer(*rows), question).outcome is Outcome.WRONG
    other = answer(*rows, warnings=[{"row": 1, "field": "x", "value": 8.0}])
    assert found(other, question).outcome is Outcome.WRONG


@pytest.mark.parametrize(("label", "index"), [("a", 0), ("b", 1)])
def test_of_two_labels_as_probable_either_is_right(label: str, index: int) -> None:
    """Batches give probabilities that differ in their last bits, which may decide between two."""
    question = Question(kind="single", name="1 row", first=2, count=1)
    assert found(answer((label, index, 0.5)), question).outcome is Outcome.RIGHT


def test_an_answer_of_an_unknown_release_is_not_judged() -> None:
    """Without its file nobody knows what is right; that is neither right nor wrong."""
    body = answer(("a", 0, 0.2))
    body["model"]["sha256"] = "e" * 64
    assert found(body) == Found(Outcome.UNJUDGED, Release("3", "e" * 64))


def test_a_mistake_must_be_told_as_what_it_is() -> None:
    """Exactly that status and that problem, for this request."""
    assert found(problem("invalid-rows"), FAULTY, 422).outcome is Outcome.RIGHT
    assert found(problem("invalid-json"), FAULTY, 400).outcome is Outcome.WRONG
    assert found(problem("invalid-json"), FAULTY, 422).outcome is Outcome.WRONG
    assert found(problem("invalid-rows", "other"), FAULTY, 422).outcome is Outcome.WRONG
    assert found(answer(("a", 0, 0.75)), FAULTY).outcome is Outcome.WRONG


@pytest.mark.parametrize("question", [ONE, FAULTY])
@pytest.mark.parametrize(
    ("status", "name", "outcome"),
    [
        (503, "overloaded", Outcome.SHED),
        (503, "not-ready", Outcome.ERROR),
        (504, "deadline-exceeded", Outcome.ERROR),
        (500, "internal-error", Outcome.ERROR),
    ],
)
def test_a_failure_is_no_wrong_answer(
    question: Question, status: int, name: str, outcome: Outcome
) -> None:
    """To be refused in overload is one thing, to be failed another, to be lied to a third."""
    assert found(problem(name), question, status).outcome is outcome


def test_a_good_request_that_is_called_faulty_is_an_error() -> None:
    """Nothing was predicted wrongly, but the request is lost."""
    assert found(problem("invalid-rows"), ONE, 422).outcome is Outcome.ERROR


def test_what_is_no_problem_of_ours_is_wrong() -> None:
    """A proxy's page of an error is no answer to anybody."""
    assert found("<html>", ONE, 502).outcome is Outcome.WRONG


def test_a_page_must_hold_what_it_is_for() -> None:
    """A reader looks at what it gets."""
    assert found({"status": "live"}, READS).outcome is Outcome.RIGHT
    assert found({}, READS).outcome is Outcome.WRONG
