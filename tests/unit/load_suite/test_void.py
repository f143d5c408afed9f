from typing import Any

from load_tests.suite.void import of_clocks, of_service
from tests.unit.load_suite.values import look


def said(*looks: dict[str, Any]) -> list[str]:
    """Return what these looks, one after the other, say of the service."""
    return of_service([look(at, **says) for at, says in enumerate(looks)])


def test_a_quiet_service_voids_nothing() -> None:
    """Counters rise, and where one look failed nothing is known."""
    assert said({}, {"counted": [None], "release": "", "since": ""}, {}) == []


def test_a_gateway_that_counts_anew_was_started_anew() -> None:
    """Also where the look at its start failed; and the other gateway is not blamed."""
    looks: list[dict[str, Any]] = [
        {"counted": [10, 5]},
        {"counted": [None, 6]},
        {"counted": [9, 7]},
    ]
    assert said(*looks) == ["gateway 1 was started anew under it"]


def test_an_instance_that_loads_its_release_again_was_started_anew() -> None:
    """A process that died and came back has other latencies than one that ran through."""
    assert said({}, {"since": "later"}) == [
        "inference was started anew under it, with version 1 (aaaa)"
    ]


def test_two_instances_may_describe_themselves_in_turn() -> None:
    """Each loaded the release at its own time, and none was started anew."""
    assert said({"instances": 2}, {"instances": 2, "since": "later"}) == []


def test_a_promotion_starts_nothing_anew() -> None:
    """Another release comes with another instance, and so does the one before when it returns."""
    two = {"release": "2 (bbbb)", "since": "later"}
    assert said({}, two, {"since": "later still"}) == []


def test_a_machine_that_slept_measured_nothing() -> None:
    """One clock stands still then, and the other does not; one that is set jumps."""
    assert of_clocks(60.0, 60.2) == []
    assert of_clocks(60.0, 63.0) != []
    assert of_clocks(60.0, 57.0) != []
