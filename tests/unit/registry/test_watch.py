"""The watch window: what is out of bounds, how counts are taken into account, what is read."""

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.watch import BOUNDS_S, read_counters
from registry.watch_rules import Bounds, Durations, Traffic, lower_bound, out_of_bounds

BOUNDS = Bounds(error_rate=0.01, slower=3.0, slow_floor_s=0.005)


def traffic(seconds: list[float], errors: int = 0) -> Traffic:
    """Return requests that took so long."""
    counts = [0] * (len(BOUNDS_S) + 1)
    for value in seconds:
        counts[bisect_left(BOUNDS_S, value)] += 1
    return Traffic(len(seconds), errors, Durations(BOUNDS_S, tuple(counts)))


BEFORE = traffic([0.003] * 950 + [0.008] * 50)


def test_a_release_like_the_one_before_is_within_bounds() -> None:
    """The same durations, and no more errors."""
    assert out_of_bounds(traffic([0.003] * 95 + [0.008] * 5), BEFORE, BOUNDS) is None


@pytest.mark.parametrize(("requests", "errors"), [(3, 1), (100, 4), (1000, 12)])
def test_a_few_errors_may_be_chance(requests: int, errors: int) -> None:
    """A share above the bound is no evidence where so few requests would show it by chance."""
    assert out_of_bounds(traffic([0.003] * requests, errors), BEFORE, BOUNDS) is None


@pytest.mark.parametrize(("requests", "errors"), [(3, 3), (100, 12), (1000, 40)])
def test_errors_beyond_chance_are_out_of_bounds(requests: int, errors: int) -> None:
    """It says how many of how many, and what is tolerable."""
    found = out_of_bounds(traffic([0.003] * requests, errors), BEFORE, BOUNDS)
    assert found == f"{errors} of {requests} requests failed, and 1.0% are tolerable"


def test_errors_that_came_before_too_are_not_the_release_s() -> None:
    """What the clients met all the time is no reason to go back."""
    before = Traffic(1000, 100, BEFORE.durations)
    assert out_of_bounds(traffic([0.003] * 100, 12), before, BOUNDS) is None


def test_one_error_before_excuses_nothing() -> None:
    """What was usual has to be known with confidence, and half of all requests never is."""
    for before in (Traffic(1, 1, BEFORE.durations), Traffic(1000, 1000, BEFORE.durations)):
        assert out_of_bounds(traffic([0.003] * 100, errors=100), before, BOUNDS) is not None


def test_ten_times_slower_is_out_of_bounds() -> None:
    """Right answers that come late are no service."""
    found = out_of_bounds(traffic([0.03] * 20), BEFORE, BOUNDS)
    assert found is not None
    assert found.startswith("20 of 20 requests took longer than")


def test_a_tail_that_grew_is_out_of_bounds() -> None:
    """A median as before hides nothing."""
    found = out_of_bounds(traffic([0.003] * 60 + [0.2] * 40), BEFORE, BOUNDS)
    assert found is not None
    assert found.startswith("40 of 100 requests took longer than")


def test_nothing_below_the_floor_is_slow() -> None:
    """Ten times a tenth of a millisecond is nobody's trouble."""
    assert out_of_bounds(traffic([0.004] * 500), traffic([0.0004] * 500), BOUNDS) is None


def test_without_a_release_before_only_errors_tell() -> None:
    """There is nothing that its speed could be compared with."""
    assert out_of_bounds(traffic([4.0] * 100), None, BOUNDS) is None
    assert out_of_bounds(traffic([0.003] * 100, errors=50), None, BOUNDS) is not None


@given(st.integers(1, 500), st.data())
def test_the_lower_bound_lies_below_the_share_and_rises_with_the_hits(
    total: int, data: st.DataObject
) -> None:
    """More hits are more evidence; none are none."""
    hits = data.draw(st.integers(0, total))
    bounds = [lower_bound(n, total) for n in range(hits + 1)]
    assert bounds[0] == 0.0
    assert all(a < b for a, b in pairwise(bounds))
    assert bounds[-1] <= hits / total


@given(st.lists(st.floats(1e-5, 9.0), min_size=1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(seconds: list[float]) -> None:
    """The histogram forgets where in a bucket a duration lay, and nothing else."""
    found = traffic(seconds).durations.quantile(0.5)
    true = sorted(seconds)[(len(seconds) - 1) // 2]
    edges = (0.0, *BOUNDS_S, 9.0)
    low, high = next((a, b) for a, b in pairwise(edges) if a < true <= b)
    assert low <= found <= max(high, BOUNDS_S[-1]) or true > BOUNDS_S[-1]


PAGE = """\
# TYPE iris_gateway_requests_total counter
iris_gateway_requests_total{version="1",sha256="aa",traffic="real",outcome="ok"} 90
iris_gateway_requests_total{version="1",sha256="aa",traffic="real",outcome="client_error"} 5
iris_gateway_requests_total{version="1",sha256="aa",traffic="real",outcome="server_error"} 3
iris_gateway_requests_total{version="1",sha256="aa",traffic="synthetic",outcome="ok"} 1000
iris_gateway_requests_total{version="2",sha256="bb",traffic="real",outcome="ok"} 7
iris_gateway_request_duration_seconds_bucket{version="1",sha256="aa",traffic="real",le="0.001"} 40
iris_gateway_request_duration_seconds_bucket{version="1",sha256="aa",traffic="real",le="0.002"} 90
iris_gateway_request_duration_seconds_bucket{version="1",sha256="aa",traffic="real",le="+Inf"} 98
iris_gateway_request_duration_seconds_sum{version="1",sha256="aa",traffic="real"} 0.123
iris_gateway_request_duration_seconds_count{version="1",sha256="aa",traffic="real"} 98
"""


def test_the_counters_of_real_requests_are_read_by_release_and_added_up() -> None:
    """Synthetic requests and other releases are left out; each gateway counts for itself."""
    durations = Durations((0.001, 0.002), (80, 100, 16))
    assert read_counters([PAGE, PAGE], "aa") == Traffic(186, 6, durations)


def test_a_refused_request_is_no_evidence() -> None:
    """No release was asked for it, however many there are."""
    refused = PAGE.replace('outcome="ok"', 'outcome="client_error"')
    assert read_counters([refused], "aa").requests == 3


def test_a_sum_of_less_than_a_tenth_of_a_millisecond_is_read_over() -> None:
    """It is written with an exponent, and is not what is looked for."""
    page = PAGE.replace(" 0.123", " 6.0000000004833964e-05")
    assert read_counters([page], "aa") == read_counters([PAGE], "aa")


def test_a_release_that_no_gateway_knows_has_answered_nothing() -> None:
    """It has not come yet."""
    assert read_counters([PAGE], "cc").requests == 0


def test_a_version_text_cannot_pose_as_a_digest() -> None:
    """The text is an operator's, and is escaped by the gateway."""
    line = (
        'iris_gateway_requests_total{version="\\",sha256=\\"aa\\"",sha256="dd",traffic="real",'
        'outcome="ok"} 7'
    )
    assert read_counters([line], "aa").requests == 0
    assert read_counters([line], "dd").requests == 7
