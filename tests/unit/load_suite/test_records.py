import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.suite.checking import Outcome
from load_tests.suite.plan import Notes
from load_tests.suite.records import blocks, cut, figures, gather, seconds
from tests.unit.load_suite.values import plan, run_of

WHOLE = [(0.0, 10.0)]


def test_latency_counts_from_when_a_request_was_due() -> None:
    """A second in which nothing is answered is in the p99, though few requests were under way.

    100 requests a second for 10 s, and the service stands still in the fifth: each request that
    was due then waits for the rest of that second.
    """
    due = [number / 100 for number in range(1000)]
    latency = [6 - when if 5 <= when < 6 else 0.001 for when in due]
    found = figures(run_of(due, latency, [Outcome.RIGHT] * 1000), WHOLE, 1000)
    assert found.p50_ms == pytest.approx(1)
    assert 880 < found.p99_ms < 920
    assert 480 < found.p95_ms < 520


def test_what_was_never_sent_is_late_and_not_absent() -> None:
    """It has waited to the end of the run, and it is an error."""
    due = [1.0, 2.0]
    run = run_of(due, [None, 0.01], [Outcome.RIGHT] * 2)
    found = figures(run, WHOLE, 1000)
    assert (found.requests, found.error_share) == (2, 0.5)
    assert found.p99_ms == pytest.approx(14_000)  # due at 1, given up at 15


def test_what_is_shed_is_in_no_percentile() -> None:
    """It is refused at once, so it would make an overloaded service look fast."""
    outcomes = [Outcome.SHED] * 99 + [Outcome.RIGHT]
    latency = [0.001] * 99 + [0.5]
    found = figures(run_of([n / 100 for n in range(100)], latency, outcomes), WHOLE, 1000)
    assert found.p50_ms == pytest.approx(500)
    assert found.shed_share == pytest.approx(0.99)


def test_an_answer_after_the_deadline_is_no_goodput() -> None:
    """Nobody waits for it any more."""
    found = figures(run_of([1.0, 2.0], [0.1, 1.1], [Outcome.RIGHT] * 2), WHOLE, 1000)
    assert found.goodput_share == pytest.approx(0.5)


def test_only_what_was_due_in_the_spans_counts() -> None:
    """A warm-up's requests are in no figure, also where their answers come later."""
    run = run_of([1.0, 5.0], [7.0, 0.1], [Outcome.RIGHT] * 2)
    assert figures(run, [(2, 10)], 1000).p99_ms == pytest.approx(100)


@settings(deadline=None)
@given(st.lists(st.floats(0, 9.99), max_size=60), st.integers(1, 5))
def test_generators_share_the_requests_and_lose_none(due: list[float], workers: int) -> None:
    """What each of them says goes to the requests that were its own."""
    due.sort()
    told = []
    for number in range(workers):
        mine = due[number::workers]
        notes = Notes(len(mine), Outcome.UNSENT)
        release = ("1", "a") if number % 2 else ("2", "b")
        notes.releases[release] = 0
        for at, when in enumerate(mine):
            notes.sent[at], notes.done[at], notes.outcome[at] = when, when + 0.5, Outcome.RIGHT
            notes.release[at] = 0
        told.append(notes.told([0.0], [0.1], 1, 10))
    run = gather(plan(due), told)
    assert [float(took) for took in run.latency_ms] == pytest.approx([500] * len(due))
    named = [run.releases[release][0] for release in run.release]
    assert named == ["1" if number % workers % 2 else "2" for number in range(len(due))]
    assert sum(second.due for second in seconds(run)) == len(due)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.5, 9)), min_size=1, max_size=4))
def test_stretches_cover_the_spans_and_nothing_else(parts: list[tuple[float, float]]) -> None:
    """However a run is cut, no second is lost or counted twice."""
    spans, at = [], 0.0
    for gap, length in parts:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    found = cut(spans, 10)
    assert sum(e - b for b, e in found) == pytest.approx(sum(e - b for b, e in spans))
    assert all(any(s <= b and e <= t + 1e-9 for s, t in spans) for b, e in found)


def test_stretches_have_figures_of_their_own() -> None:
    """They tell by how much a run varies by itself."""
    due = [n / 10 for n in range(100)]
    latency = [when / 100 for when in due]
    run = run_of(due, latency, [Outcome.RIGHT] * 100)
    found = [block.p50_ms for block in blocks(run, WHOLE, 1000)]
    assert len(found) == 10
    assert found == sorted(found)


def test_what_would_have_been_due_after_the_end_is_no_part_of_the_run() -> None:
    """A load that is over before its plan was not late with the rest."""
    notes = Notes(3, Outcome.UNSENT)
    notes.sent[0], notes.done[0], notes.outcome[0] = 1.0, 1.5, Outcome.RIGHT
    run = gather(plan([1.0, 2.0, 8.0]), [notes.told([0.0], [0.1], 1, 5.0)])
    assert (run.seconds, len(run.due)) == (5.0, 2)
    assert float(run.latency_ms[1]) == pytest.approx(8000)  # due at 2, given up at 10
