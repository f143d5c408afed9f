"""Medians, spreads and ratios."""

from load_tests.benchmark.figures import Figure, Results, figure
from load_tests.benchmark.settings import Load
from tests.unit.load_tests.points import point, start

AT_32 = Load(32, 1)


def test_a_figure_is_the_median_with_its_spread() -> None:
    """One slow round moves the spread, not the figure."""
    assert figure([900.0, 1000.0, 100.0]) == Figure(900.0, 100.0, 1000.0, 3)
    assert figure([]) is None


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that was slower for a while was slower for both."""
    points = [
        point("iris", 1, requests_per_s=2000.0),
        point("mosec", 1, requests_per_s=1000.0),
        point("iris", 2, requests_per_s=200.0),
        point("mosec", 2, requests_per_s=100.0),
    ]
    found = Results(points, []).ratio("iris", "mosec", AT_32, "requests_per_s")
    assert found == Figure(2.0, 2.0, 2.0, 2)


def test_what_is_void_does_not_count() -> None:
    """A void point takes its partner of the round out of the ratio."""
    points = [
        point("iris", 1, requests_per_s=2000.0),
        point("mosec", 1, requests_per_s=9.0, void="3 errors"),
        point("iris", 2, requests_per_s=3000.0),
        point("mosec", 2, requests_per_s=1000.0),
    ]
    results = Results(points, [])
    assert results.ratio("iris", "mosec", AT_32, "requests_per_s") == Figure(3.0, 3.0, 3.0, 1)
    assert results.figure("mosec", AT_32, "requests_per_s") == Figure(1000.0, 1000.0, 1000.0, 1)
    assert results.voids("mosec", AT_32) == ["3 errors"]


def test_loads_are_told_apart_by_connections_and_rows() -> None:
    """32 connections with one row are another load than with 32 rows."""
    points = [point("iris", rows=1), point("iris", rows=32, requests_per_s=10.0)]
    results = Results(points, [])
    assert results.loads() == [Load(32, 1), Load(32, 32)]
    assert results.figure("iris", Load(32, 32), "requests_per_s") == Figure(10.0, 10.0, 10.0, 1)


def test_memory_is_the_peak_of_a_round() -> None:
    """The largest of a round's points counts, then the median of the rounds."""
    points = [point("iris", 1, memory_mib=90.0), point("iris", 1, rows=32, memory_mib=150.0)]
    assert Results(points, []).memory("iris") == Figure(150.0, 150.0, 150.0, 1)


def test_a_start_without_the_figure_is_left_out() -> None:
    """Only ours has an inference process to time."""
    results = Results([], [start("iris", inference_ready_s=3.0), start("mosec")])
    assert results.systems() == ["iris", "mosec"]
    assert results.start("mosec", lambda s: s.inference_ready_s) is None
    assert results.start("iris", lambda s: s.inference_ready_s) == Figure(3.0, 3.0, 3.0, 1)
