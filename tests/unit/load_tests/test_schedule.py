"""The order of a run, and the time left."""

import pytest

from load_tests.benchmark.schedule import Step, seconds_left, spoken, steps


def test_rounds_are_interleaved() -> None:
    """A machine that becomes slower does so for every system."""
    assert [step.system for step in steps(["a", "b"], 2)] == ["a", "b", "a", "b"]
    assert [step.round for step in steps(["a", "b"], 2)] == [1, 1, 2, 2]


def test_the_time_left_follows_what_was_measured() -> None:
    """A system that starts slowly is counted with its own time, a new one with a guess."""
    left = [Step(1, "b"), Step(2, "a"), Step(2, "b")]
    assert seconds_left({"a": [10.0, 20.0]}, left, guess=30.0) == 75.0
    assert seconds_left({}, [], guess=30.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (59.4, "59 s"), (60.0, "1 min 00 s"), (119.7, "2 min 00 s")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    """Whole seconds, and minutes where there are any."""
    assert spoken(seconds) == text
