"""The supervisor's decisions, without a process."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.release import Release, registry_release
from serving.supervisor.rules import (
    LONGEST_PAUSE_S,
    STEADY_S,
    Action,
    Drain,
    Fenced,
    Rest,
    RevisionMoved,
    Serve,
    View,
    desire,
    failures_after_death,
    next_action,
    pause,
    rollout_state,
)
from serving.supervisor.state import Fence, State

ONE, TWO, THREE = (registry_release(n, f"{n}" * 64) for n in (1, 2, 3))
RELEASES = st.sampled_from([None, ONE, TWO, THREE])
FENCES = st.builds(
    Fence,
    ledger=st.sampled_from(["a", "b"]),
    number=st.integers(0, 4),
    digest=st.sampled_from(["x", "y"]),
)
STATES = st.builds(
    State,
    target=st.just("target"),
    revision=st.integers(0, 3),
    release=RELEASES,
    fence=st.none() | FENCES,
    served=RELEASES,
)
VIEWS = st.builds(
    View,
    desired=RELEASES,
    served=RELEASES,
    running=RELEASES,
    failures=st.dictionaries(st.sampled_from([ONE, TWO, THREE]), st.integers(0, 3)),
)


def view(
    *,
    desired: Release | None = None,
    served: Release | None = None,
    running: Release | None = None,
    failed: tuple[Release, ...] = (),
) -> View:
    """Return a view in which the named releases have failed once."""
    return View(desired, served, running, Counter(failed))


@given(STATES, st.integers(0, 3), RELEASES, FENCES)
def test_a_write_is_taken_only_at_its_revision_and_above_its_fence(
    state: State, revision: int, release: Release | None, fence: Fence
) -> None:
    """Whatever is taken raised the fence, or repeats the very record, at the revision seen."""
    try:
        taken = desire(state, revision, release, fence)
    except RevisionMoved:
        assert revision != state.revision
    except Fenced:
        assert state.fence is not None
        older = fence.ledger == state.fence.ledger and fence.number <= state.fence.number
        assert fence.ledger != state.fence.ledger or (older and fence != state.fence)
    else:
        assert revision == state.revision
        assert (taken.revision, taken.release, taken.fence) == (revision + 1, release, fence)
        assert taken.target == state.target
        kept = state.fence
        assert kept is None or kept == fence or kept.ledger == fence.ledger
        assert kept is None or kept == fence or kept.number < fence.number


@given(st.lists(st.tuples(RELEASES, FENCES), max_size=12))
def test_over_any_writes_the_fence_never_falls(writes: list[tuple[Release | None, Fence]]) -> None:
    """An older promoter that wakes up changes nothing, in whatever order writes arrive."""
    state = State(target="target")
    for release, fence in writes:
        before = state
        try:
            state = desire(state, state.revision, release, fence)
        except Fenced:
            assert state is before
        if before.fence is not None and state.fence is not None:
            assert state.fence.ledger == before.fence.ledger
            assert state.fence.number >= before.fence.number


def test_to_serve_nothing_forgets_what_served() -> None:
    """After a drain the former release does not come back by itself."""
    state = State(target="t", release=ONE, served=ONE)
    assert desire(state, 0, None, Fence("a", 1, "x")).served is None


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (view(), Rest()),
        (view(desired=ONE), Serve(ONE)),
        (view(desired=ONE, failed=(ONE,)), Rest()),
        (view(desired=ONE, served=ONE, running=ONE), Rest()),
        (view(desired=TWO, served=ONE, running=ONE), Serve(TWO)),
        (view(desired=TWO, served=ONE, running=ONE, failed=(TWO,)), Rest()),
        (view(desired=TWO, served=ONE), Serve(ONE)),
        (view(desired=TWO, served=ONE, failed=(ONE,)), Serve(TWO)),
        (view(desired=TWO, served=ONE, failed=(TWO,)), Serve(ONE)),
        (view(desired=TWO, served=ONE, failed=(ONE, TWO)), Serve(ONE)),
        (view(desired=ONE, served=ONE, failed=(ONE,)), Serve(ONE)),
        (view(running=ONE, served=ONE), Drain()),
    ],
    ids=[
        "nothing promoted yet",
        "the first release",
        "a first release that failed waits to be told again",
        "what is desired runs",
        "a new release",
        "a rollout that failed leaves the old one serving",
        "a start brings up first what served last",
        "a start goes on to the desired one where that fails",
        "a start after a failed rollout",
        "where both fail, what once served is tried again",
        "what died is started again",
        "nothing shall be served",
    ],
)
def test_what_to_do_next(case: View, expected: Action) -> None:
    """The one table of what the supervisor does."""
    assert next_action(case) == expected


@given(VIEWS)
def test_what_serves_is_only_ever_replaced_by_what_is_desired(case: View) -> None:
    """A process that serves is never exchanged for anything but the desired release."""
    action = next_action(case)
    if case.running is not None and isinstance(action, Serve):
        assert action.release == case.desired
        assert not case.failed(action.release)


@given(VIEWS)
def test_something_is_always_tried_where_something_once_served(case: View) -> None:
    """Where a release is desired and one has served, it never rests with nothing running."""
    if case.desired is not None and case.running is None and case.served is not None:
        assert isinstance(next_action(case), Serve)


@given(VIEWS, st.booleans())
def test_a_rollout_is_idle_only_when_what_is_desired_runs(case: View, draining: bool) -> None:
    """A promoter that reads `idle` finds its release running, and nothing else."""
    if rollout_state(case, draining=draining) == "idle":
        assert case.desired == case.running
        assert not draining


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (view(desired=TWO, served=ONE, running=ONE, failed=(TWO,)), "failed"),
        (view(desired=TWO, served=ONE, failed=(TWO,)), "failed"),
        (view(desired=ONE, failed=(ONE,)), "failed"),
        (view(desired=TWO, served=ONE, running=ONE), "progressing"),
        (view(desired=ONE, served=ONE, failed=(ONE,)), "progressing"),
        (view(desired=ONE, served=ONE, running=ONE, failed=(ONE,)), "idle"),
        (view(), "idle"),
    ],
)
def test_how_far_a_rollout_is(case: View, expected: str) -> None:
    """Failed means that it's not tried again unasked; what once served is always tried again."""
    assert rollout_state(case, draining=False) == expected


def test_pauses_double_from_none_to_a_limit() -> None:
    """What dies once is back at once; what dies again and again does not eat the machine."""
    pauses = [pause(n) for n in range(12)]
    assert pauses[:4] == [0.0, 0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pause(100_000) == LONGEST_PAUSE_S


def test_a_long_life_clears_the_record() -> None:
    """A death after a steady life is not counted with those of long ago."""
    assert failures_after_death(5, STEADY_S) == 0
    assert failures_after_death(5, STEADY_S - 1) == 6
