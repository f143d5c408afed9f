"""The watch window: what is out of bounds, how counts are taken into account, what is read."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.model import ModelCard, load_model
from registry.errors import WatchFailed
from registry.watch import (
    BOUNDS_S,
    NO_RELEASE,
    Gateways,
    Synthetic,
    Window,
    look_before,
    read_counters,
)
from registry.watch_rules import (
    Bounds,
    Durations,
    Former,
    Limits,
    Traffic,
    fewest_failures,
    fewest_requests,
    lower_bound,
    out_of_bounds,
)
from tests.support.model_files import model_file

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


def test_so_many_requests_would_show_what_befell_all_of_them() -> None:
    """Whether they were slow or failed, and with a release before or none."""
    fewest = fewest_requests(BOUNDS)
    assert out_of_bounds(traffic([0.03] * fewest), BEFORE, BOUNDS) is not None
    assert out_of_bounds(traffic([0.03] * fewest, fewest), None, BOUNDS) is not None


@given(st.integers(14, 3000))
def test_so_many_failures_would_be_too_many(total: int) -> None:
    """The outcome names the number that would have ended the window."""
    fewest = fewest_failures(total, BOUNDS)
    assert out_of_bounds(Traffic(total, fewest, BEFORE.durations), None, BOUNDS) is not None
    assert out_of_bounds(Traffic(total, fewest - 1, BEFORE.durations), None, BOUNDS) is None


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


REAL = 'version="1",sha256="aa",traffic="real"'
PAGE = f"""\
# TYPE iris_gateway_requests_total counter
iris_gateway_requests_total{{{REAL},outcome="ok"}} 90
iris_gateway_requests_total{{{REAL},outcome="client_error"}} 5
iris_gateway_requests_total{{{REAL},outcome="server_error"}} 3
iris_gateway_requests_total{{version="1",sha256="aa",traffic="synthetic",outcome="ok"}} 1000
iris_gateway_requests_total{{version="2",sha256="bb",traffic="real",outcome="ok"}} 7
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="ok",le="0.001"}} 40
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="ok",le="0.002"}} 90
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="ok",le="+Inf"}} 90
iris_gateway_request_duration_seconds_sum{{{REAL},outcome="ok"}} 0.123
iris_gateway_request_duration_seconds_count{{{REAL},outcome="ok"}} 90
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="client_error",le="0.001"}} 5
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="client_error",le="0.002"}} 5
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="client_error",le="+Inf"}} 5
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="server_error",le="0.001"}} 0
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="server_error",le="0.002"}} 0
iris_gateway_request_duration_seconds_bucket{{{REAL},outcome="server_error",le="+Inf"}} 3
"""


def test_the_counters_of_real_requests_are_read_by_release_and_added_up() -> None:
    """Synthetic requests and other releases are left out; each gateway counts for itself."""
    durations = Durations((0.001, 0.002), (80, 100, 6))
    assert read_counters([PAGE, PAGE], "aa") == Traffic(186, 6, durations)


def test_a_refused_request_is_no_evidence() -> None:
    """No release was asked for it, however many there are, and however fast that was."""
    refused = PAGE.replace('outcome="ok"', 'outcome="client_error"')
    assert read_counters([refused], "aa") == Traffic(3, 3, Durations((0.001, 0.002), (0, 0, 3)))


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


CARD = load_model(model_file(), None).card
LIMITS = Limits(BOUNDS, real_requests=100, synthetic_per_second=1000.0)
SHA256 = "aa"


class Answering(Gateways):
    """A gateway that answers synthetic requests as it is told, and shows the pages it is given."""

    def __init__(
        self, pages: Sequence[str | None] = (PAGE,), *, seconds: float = 0.003, answers: bool = True
    ) -> None:
        super().__init__(["http://127.0.0.1:1"], "")
        self.close()
        self._pages = list(pages)
        self._seconds = seconds
        self._answers = answers

    def counters(self) -> list[str] | None:
        """Return the next page; the last again and again."""
        page = self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]
        return None if page is None else [page]

    def ask(self, card: ModelCard, sha256: str, seen: Synthetic) -> None:
        """Answer, or let another release answer."""
        seen.asked += 1
        if self._answers:
            seen.add(self._seconds, failed=False)


def window(gateways: Gateways, former: Former | None = None, limits: Limits = LIMITS) -> Window:
    """Return a window that is over at once, but for what it needs to tell."""
    former = former or Former(BEFORE, BEFORE, read_counters([PAGE], SHA256))
    return Window(gateways, CARD, SHA256, former, limits, seconds=0.01)


def watched(found: Window) -> str:
    """Return what it says."""
    return found.watch(lambda: None, lambda _: None)


def counted(outcome: str, number: int, sha256: str = SHA256) -> str:
    """Return a page that counts more real requests than `PAGE`."""
    labels = f'version="",sha256="{sha256}",traffic="real",outcome="{outcome}"'
    return f"{PAGE}iris_gateway_requests_total{{{labels}}} {number}\n"


def test_a_short_window_lasts_until_it_could_have_told() -> None:
    """All answers slow would have shown; the outcome says how many failures would have."""
    told = watched(window(Answering()))
    fewest = fewest_requests(BOUNDS)
    failures = fewest_failures(fewest, BOUNDS)
    assert f"{fewest} synthetic requests, 0 failed ({failures} are too many)" in told
    assert told.endswith("the real ones were too few, the synthetic ones decided")


def test_a_short_window_sees_that_a_release_is_slow() -> None:
    """However short it was asked to be."""
    with pytest.raises(WatchFailed, match="of the synthetic requests, 14 of 14 requests took long"):
        watched(window(Answering(seconds=0.2)))


def test_a_window_that_nobody_answered_in_ends_and_fails() -> None:
    """Another release answers: nothing was seen of this one."""
    with pytest.raises(WatchFailed, match="no real requests, no synthetic requests"):
        watched(window(Answering(answers=False)))


def test_what_could_not_be_counted_is_not_called_nothing() -> None:
    """A gateway whose counters can't be read may have served thousands."""
    told = watched(window(Answering([None])))
    assert "real requests could not be counted" in told
    assert "no real requests" not in told


def test_requests_that_met_no_release_failed() -> None:
    """An outage in the window is the release's, whatever serves at the moment of the look."""
    with pytest.raises(WatchFailed, match="of the real requests, 50 of 50 requests failed"):
        watched(window(Answering([PAGE, counted("server_error", 50, NO_RELEASE)])))


def test_an_outage_before_the_window_is_not_the_release_s() -> None:
    """Clients knock before anything serves, too."""
    assert "no real requests" in watched(
        window(Answering([counted("server_error", 50, NO_RELEASE)]))
    )


def test_what_a_release_answered_in_an_earlier_life_does_not_count() -> None:
    """It is promoted anew, and watched anew."""
    assert "no real requests" in watched(window(Answering()))
    told = watched(window(Answering([PAGE, counted("ok", 107)])))
    assert "107 real requests, 0 failed" in told
    assert "decided" not in told


@pytest.mark.parametrize("missing", ["real", "synthetic"])
def test_the_outcome_says_where_speed_was_compared_with_nothing(missing: str) -> None:
    """Of the requests that decided: the others' comparison is none of theirs."""
    former = Former(BEFORE, BEFORE, read_counters([PAGE], SHA256))
    former = replace(former, **{missing: None})
    by_real = watched(window(Answering([PAGE, counted("ok", 107)]), former))
    by_synthetic = watched(window(Answering(), former))
    assert ("nothing was there to compare" in by_real) == (missing == "real")
    assert ("nothing was there to compare" in by_synthetic) == (missing == "synthetic")


def test_a_release_that_did_not_answer_before_is_nothing_to_compare_with() -> None:
    """Not one that answered in no time."""
    former = look_before(Answering(answers=False), (CARD, "bb"), SHA256)
    assert former.synthetic is None
