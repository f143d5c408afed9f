from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.suite.profile import Search
from load_tests.suite.search import (
    Knee,
    State,
    Step,
    in_words,
    is_undecided,
    knee,
    more_workers,
    next_rate,
)

SEARCH = Search(first=100, seconds=1, precision=0.1, most=100_000)


def searched(service: float, generator: float = float("inf")) -> list[Step]:
    """Search before a service that holds up to a rate, with a generator that does."""
    steps: list[Step] = []
    while (rate := next_rate(steps, SEARCH)) is not None:
        assert len(steps) < 40
        state = State.HELD if rate <= service else State.BROKEN
        steps.append(Step(rate, State.LIMITED if rate > generator else state))
    return steps


@settings(deadline=None)
@given(st.floats(100, 99_000))
def test_the_knee_is_found_to_the_precision_asked_for(service: float) -> None:
    """It never says more than what held, and a tenth less at most."""
    found = knee(searched(service))
    assert 0.89 * service <= found.rate <= service
    assert not found.limited


@settings(deadline=None)
@given(st.floats(100, 99_000), st.floats(1.3, 10))
def test_a_generator_that_gives_out_first_is_named(generator: float, more: float) -> None:
    """The service may do more; at least what could be sent held."""
    found = knee(searched(generator * more, generator))
    assert 0.89 * generator <= found.rate <= generator
    assert found.limited


def test_a_knee_below_the_first_step_is_looked_for() -> None:
    """Downwards to a tenth of it, by halves."""
    found = knee(searched(40))
    assert 35 <= found.rate <= 40


def test_a_service_that_holds_nothing_has_no_knee() -> None:
    """The search ends then, too."""
    assert knee(searched(0)) == Knee(0, limited=False)


def test_what_holds_above_a_broken_step_does_not_count() -> None:
    """Luck above the knee is no knee."""
    steps = [Step(100, State.HELD), Step(200, State.BROKEN), Step(400, State.HELD)]
    assert knee(steps) == Knee(100, limited=False)


def test_the_highest_step_of_all_limits_the_search() -> None:
    """Where everything holds, the service may do more than was asked."""
    assert knee(searched(1e9)).limited


def test_more_workers_are_counted_by_the_busiest_process() -> None:
    """One core of it is the end; half used means twice as much, so as many workers again."""
    assert more_workers(2000, 1, 0.5) == 1
    assert more_workers(2000, 2, 0.2) == 8
    assert more_workers(2000, 1, 1.2) == 1
    assert more_workers(2000, 1, None) is None


def test_a_limit_of_the_generator_is_said_with_what_would_lift_it() -> None:
    """A knee that was found is one number; else it is a bound, and the way to a better one."""
    assert in_words(Knee(1234, limited=False), 1, 0.5) == "the knee: 1,234/s"
    said = in_words(Knee(4000, limited=True), 2, 0.4)
    assert said.startswith("the knee: at least 4,000/s, limited by the generator")
    assert "a worker sends some 2,000/s" in said
    assert "3 more" in said
    assert "more" not in in_words(Knee(4000, limited=True), 2, None)


def test_a_generator_that_gives_out_below_what_is_wanted_decides_nothing() -> None:
    """It holds where what could be sent is enough; it is broken where as much did not hold."""
    held, limited = Step(400, State.HELD), Step(800, State.LIMITED)
    assert is_undecided([held, limited], wanted=500)
    assert not is_undecided([held, limited], wanted=400)
    assert not is_undecided([held, Step(500, State.BROKEN), Step(450, State.LIMITED)], wanted=500)
    assert is_undecided([held, Step(900, State.BROKEN), Step(450, State.LIMITED)], wanted=500)
    assert is_undecided([limited], wanted=0)
    assert not is_undecided([held, Step(500, State.BROKEN)], wanted=600)
