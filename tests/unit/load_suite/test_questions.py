import re

import msgspec

from load_tests.suite.questions import (
    KINDS,
    LARGEST_TABLE,
    ROWS,
    Feature,
    draw,
    mistakes,
    questions,
)
from tests.unit.project.pyproject import ROOT

FEATURES = [Feature("length", 4.0, 8.0), Feature("width", 0.1, 2.5)]
POOL = draw(FEATURES, 500)

# No HTTP client sends the first, the second takes the limit of ten seconds, and keys are seldom.
LEFT_OUT = {"invalid-http", "body-timeout", "unauthorized"}


def test_rows_lie_over_the_training_ranges_and_somewhat_beyond() -> None:
    """All differ, most are inside, some are not."""
    pool = draw(FEATURES)
    assert len({tuple(row) for row in pool}) == ROWS
    inside = sum(
        all(f.minimum <= v <= f.maximum for f, v in zip(FEATURES, row, strict=True)) for row in pool
    )
    assert 0.9 < inside / ROWS < 0.999


def test_the_same_rows_are_drawn_each_time() -> None:
    """Two runs send the same, and a generator needs no list of them."""
    assert draw(FEATURES, 50) == POOL[:50]


def test_every_kind_of_client_has_something_to_say() -> None:
    """A kind without questions would send nothing, unseen."""
    assert {question.kind for question in questions(POOL, FEATURES)} == set(KINDS)


def test_what_is_sent_are_the_rows_that_are_looked_up() -> None:
    """A question holds the rows of the pool that it names, in their order, named or not."""
    names = [feature.name for feature in FEATURES]
    for question in questions(POOL, FEATURES):
        if question.count:
            instances = msgspec.json.decode(question.body)["instances"]
            rows = [[i[n] for n in names] if isinstance(i, dict) else i for i in instances]
            assert rows == POOL[question.first : question.first + question.count]


def test_tables_hold_2_to_100_rows() -> None:
    """Small and large ones, never one row; fewer only where the pool is smaller."""
    counts = {q.count for q in questions(POOL, FEATURES) if q.kind == "table"}
    assert min(counts) >= 2
    assert max(counts) <= LARGEST_TABLE
    assert len(counts) > 50
    few = {q.count for q in questions(POOL[:9], FEATURES) if q.kind == "table"}
    assert few <= set(range(2, 10))


def test_every_problem_of_a_client_is_brought_about() -> None:
    """Each 4xx of the API's page, but for what no client of HTTP can do in time."""
    page = (ROOT / "docs" / "api.md").read_text()
    told = dict(re.findall(r"^### ([a-z-]+)\n\n(4\d\d)\.", page, re.MULTILINE))
    made = {question.problem: str(question.status) for question in mistakes(["a", "b"])}
    assert made == {name: status for name, status in told.items() if name not in LEFT_OUT}
    assert set(told) >= LEFT_OUT


def test_no_two_mistakes_have_one_name() -> None:
    """What was answered wrongly is told by it."""
    names = [question.name for question in mistakes(["a", "b"])]
    assert len(set(names)) == len(names)
