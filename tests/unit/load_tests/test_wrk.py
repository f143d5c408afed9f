"""What wrk prints, and what its figures say about a point."""

from typing import Any

import pytest

from load_tests.benchmark.measurement import why_void
from load_tests.benchmark.wrk import Figures, parse
from tests.unit.load_tests.points import point

OUTPUT = """Running 1s test @ http://127.0.0.1:18999
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.51ms    1.82ms  16.86ms   87.05%
    Req/Sec     1.68k   532.99     2.88k    81.82%
  1841 requests in 1.10s, 834.40KB read
Requests/sec:   1673.60
Transfer/sec:    758.53KB
{"requests": 1841, "duration_us": 1100021, "p50_us": 757, "p99_us": 8216, "not_2xx": 2, "broken": 1}
"""


def test_the_figures_are_the_line_of_the_script() -> None:
    """Its own text is for people, rounded; the script's line is what counts."""
    assert parse(OUTPUT) == Figures(1841, 1_100_021, 757, 8216, 2, 1)


@pytest.mark.parametrize(
    "output", ["", "unable to connect to 127.0.0.1:1", '{"requests": 1}', '{"requests": "many"}']
)
def test_output_without_figures_is_no_point(output: str) -> None:
    """A load that could not be made is an error, not a system that answers nothing."""
    with pytest.raises(ValueError, match="figures"):
        parse(output)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"errors": 3}, "3 errors"),
        ({"wrong": 1}, "1 of 3 answers wrong"),
        ({"requests_per_s": 0.0}, "no answers"),
        ({"generator_cpu": 0.97}, "limited by the load generator"),
    ],
)
def test_a_point_that_proves_nothing_is_void(given: dict[str, Any], why: str) -> None:
    """Errors, wrong answers and a load generator at its limit do not make a figure."""
    assert why_void(point("iris", **given)) == why


def test_a_good_point_counts() -> None:
    """Nothing else makes a point void."""
    assert not why_void(point("iris"))
