from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.suite.profile import Mix, Phase
from load_tests.suite.schedule import arrivals, counted

PHASES = st.lists(
    st.builds(
        Phase,
        name=st.just("phase"),
        rate=st.floats(1, 200),
        seconds=st.floats(0.5, 5),
        counted=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=30, deadline=None)
@given(PHASES)
def test_requests_are_due_in_order_and_within_the_phases(phases: list[Phase]) -> None:
    """A schedule is a list in time, whatever its rates."""
    due = [arrival.due for arrival in arrivals(phases, Mix())]
    assert due == sorted(due)
    assert all(0 <= moment < sum(phase.seconds for phase in phases) for moment in due)


@settings(max_examples=30, deadline=None)
@given(PHASES)
def test_equal_profiles_give_equal_schedules(phases: list[Phase]) -> None:
    """Two runs of a profile can be compared, since they send the same at the same moments."""
    assert arrivals(phases, Mix()) == arrivals(phases, Mix())


def test_each_phase_has_its_own_rate() -> None:
    """The rate is that of the phase, to what chance allows, from its first moment on."""
    found = arrivals([Phase("slow", 100, 20), Phase("fast", 1000, 20)], Mix())
    slow = sum(arrival.due < 20 for arrival in found)
    assert 1800 < slow < 2200
    assert 19_400 < len(found) - slow < 20_600
    at_once = sum(20 <= arrival.due < 21 for arrival in found)
    assert 850 < at_once < 1150


def test_the_kinds_come_in_the_shares_of_the_mix() -> None:
    """Most requests hold one row, unless a profile says otherwise."""
    found = arrivals([Phase("all", 1000, 20)], Mix(single=0.5, table=0.5, mistake=0, reader=0))
    kinds = [arrival.kind for arrival in found]
    assert set(kinds) == {"single", "table"}
    assert 0.46 < kinds.count("table") / len(kinds) < 0.54


def test_a_warm_up_is_in_no_figure() -> None:
    """What does not count is left out of the spans that figures are made of."""
    phases = [Phase("warm-up", 1, 2, counted=False), Phase("a", 1, 3), Phase("b", 1, 4)]
    assert counted(phases) == [(2, 5), (5, 9)]
