"""Whether an answer is the right one. What is right was computed before: here it is looked up."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgspec

from load_tests.suite.questions import Question


class Outcome(IntEnum):
    """What became of a request."""

    RIGHT = 0
    UNJUDGED = 1
    """A prediction of a release whose file nobody has shown."""
    WRONG = 2
    """Another label or probability, the answer of another request, or another refusal."""
    SHED = 3
    """Refused because there was too much to do."""
    ERROR = 4
    """No answer, or one that says that something failed."""
    UNSENT = 5
    """Still waiting to be sent, or for its answer, at the end of the run."""


class Expected(msgspec.Struct, frozen=True):
    """What a release answers to each row of the pool."""

    labels: list[str]
    """The classes, in the order of the probabilities."""
    probabilities: list[list[float]]
    warnings: list[dict[str, float]]
    """Which values of a row are outside of the training ranges."""
    tolerance: float


class Release(NamedTuple):
    """Who answered."""

    version: str
    sha256: str


class Found(NamedTuple):
    """What became of a request, and why."""

    outcome: Outcome
    release: Release | None = None
    words: str = ""


class _Model(msgspec.Struct, frozen=True):
    version: str
    sha256: str


class _Prediction(msgspec.Struct, frozen=True):
    label: str
    index: int
    probabilities: dict[str, float]


class _Warning(msgspec.Struct, frozen=True):
    row: int
    field: str
    value: float


class _Answer(msgspec.Struct, frozen=True):
    model: _Model
    predictions: list[_Prediction]
    warnings: list[_Warning] = []


class _Problem(msgspec.Struct, frozen=True):
    type: str
    request_id: str
    detail: str = ""


_answer = msgspec.json.Decoder(_Answer).decode
_problem = msgspec.json.Decoder(_Problem).decode


class Given(NamedTuple):
    """An answer as it came."""

    status: int
    request_id: str
    """What it says whose answer it is."""
    body: bytes


def judge(
    question: Question, request_id: str, given: Given, expected: Mapping[str, Expected]
) -> Found:
    """Say whether an answer is the right one to a question.

    Args:
        question: what was asked.
        request_id: under which id.
        given: the answer.
        expected: what each release answers, by its digest.
    """
    if given.request_id != request_id:
        words = f"the answer of {given.request_id or 'nobody'} to {request_id}"
        return Found(Outcome.WRONG, words=words)
    try:
        if given.status != question.status or question.problem:
            return _refusal(question, request_id, given)
        if not question.count:
            held = question.contains.encode() in given.body
            words = f"{question.path} does not say {question.contains}"
            return Found(Outcome.RIGHT) if held else Found(Outcome.WRONG, words=words)
        return _prediction(question, _answer(given.body), expected)
    except msgspec.MsgspecError as error:
        return Found(Outcome.WRONG, words=f"{question.name}: status {given.status}, {error}")


def _refusal(question: Question, request_id: str, given: Given) -> Found:
    if given.status == 200:
        words = f"{question.name}: answered with 200, not with {question.status}"
        return Found(Outcome.WRONG, words=words)
    problem = _problem(given.body)
    kind = problem.type.rpartition("#")[2]
    if problem.request_id != request_id:
        return Found(Outcome.WRONG, words=f"the problem of {problem.request_id} to {request_id}")
    if given.status == question.status and kind == question.problem:
        return Found(Outcome.RIGHT)
    words = f"{question.name}: {given.status} {kind}"
    if given.status == 503 and kind == "overloaded":
        return Found(Outcome.SHED, words=words)
    if given.status >= 500 or not question.problem:
        return Found(Outcome.ERROR, words=words)
    words += f", where {question.status} {question.problem} is right"
    return Found(Outcome.WRONG, words=words)


def _prediction(question: Question, answer: _Answer, expected: Mapping[str, Expected]) -> Found:
    release = Release(answer.model.version, answer.model.sha256)
    right = expected.get(release.sha256)
    if right is None:
        return Found(Outcome.UNJUDGED, release)
    if len(answer.predictions) != question.count:
        words = f"{len(answer.predictions)} predictions for {question.count} rows"
        return Found(Outcome.WRONG, release, words)
    for row, prediction in enumerate(answer.predictions, question.first):
        if not _is_right(prediction, right.labels, right.probabilities[row], right.tolerance):
            words = (
                f"row {row} of the pool, by version {release.version}: {prediction.label} "
                f"{list(prediction.probabilities.values())}, where {right.probabilities[row]} "
                "is right"
            )
            return Found(Outcome.WRONG, release, words)
    warned = {(w.row, w.field): w.value for w in answer.warnings}
    rows = right.warnings[question.first : question.first + question.count]
    if warned != {(i, name): value for i, row in enumerate(rows) for name, value in row.items()}:
        return Found(Outcome.WRONG, release, f"the warnings of other rows: {warned}")
    return Found(Outcome.RIGHT, release)


def _is_right(
    prediction: _Prediction, labels: Sequence[str], right: Sequence[float], tolerance: float
) -> bool:
    given = prediction.probabilities
    if len(given) != len(labels):
        return False
    for label, probability in zip(labels, right, strict=True):
        # A probability that is missing or is no number is not within it either.
        if not abs(given.get(label, 2.0) - probability) <= tolerance:
            return False
    index = prediction.index
    if not 0 <= index < len(labels) or labels[index] != prediction.label:
        return False
    # Of two that are as probable, to the precision of the model, either is right.
    return max(right) - right[index] <= 2 * tolerance
