"""The watch window: what is out of bounds, how counts are taken into account, what is read."""

import re
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.model import load_model
from registry.errors import WatchFailed
from registry.gateways import BOUNDS_S, NO_RELEASE, Gateways, Synthetic, read_counters
from registry.watch import Window, look_before
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
    fewest = fewest_failures(total, None, BOUNDS)
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


def test_the_counters_of_real_requests_are_read_by_release() -> None:
    """Synthetic requests and other releases are left out."""
    durations = Durations((0.001, 0.002), (40, 50, 3))
    assert read_counters(PAGE, "aa") == Traffic(93, 3, durations)


def test_a_refused_request_is_no_evidence() -> None:
    """No release was asked for it, however many there are, and however fast that was."""
    refused = PAGE.replace('outcome="ok"', 'outcome="client_error"')
    assert read_counters(refused, "aa") == Traffic(3, 3, Durations((0.001, 0.002), (0, 0, 3)))


def test_a_sum_of_less_than_a_tenth_of_a_millisecond_is_read_over() -> None:
    """It is written with an exponent, and is not what is looked for."""
    page = PAGE.replace(" 0.123", " 6.0000000004833964e-05")
    assert read_counters(page, "aa") == read_counters(PAGE, "aa")


def test_a_release_that_no_gateway_knows_has_answered_nothing() -> None:
    """It has not come yet."""
    assert read_counters(PAGE, "cc").requests == 0


def test_a_version_text_cannot_pose_as_a_digest() -> None:
    """The text is an operator's, and is escaped by the gateway."""
    line = (
        'iris_gateway_requests_total{version="\\",sha256=\\"aa\\"",sha256="dd",traffic="real",'
        'outcome="ok"} 7'
    )
    assert read_counters(line, "aa").requests == 0
    assert read_counters(line, "dd").requests == 7


MODEL = load_model(model_file(), None)
CARD = MODEL.card
LIMITS = Limits(BOUNDS, real_requests=100, synthetic_per_second=10_000.0)
FORMER = Former(real=BEFORE, synthetic=BEFORE)
FEWEST = fewest_requests(BOUNDS)
SHA256 = "aa"


def prediction(**says: Any) -> dict[str, Any]:
    """Return the right answer to the golden rows, but for what is said."""
    golden = CARD.golden.probabilities[:8]
    rows = [{"probabilities": dict(zip(CARD.labels, row, strict=True))} for row in golden]
    return {"model": {"sha256": SHA256}, "predictions": rows, **says}


class Gateway:
    """What stands behind an address: answers as it is told, one after the other."""

    def __init__(
        self,
        answers: Sequence[Any] = (prediction(),),
        pages: Sequence[str | None] = (PAGE,),
        seconds: float = 0.0,
    ) -> None:
        """Begin with the first answer and page; the last of each is given again and again.

        An answer is a body, or a status, or None for a connection that is refused.
        """
        self._answers = list(answers)
        self._pages = list(pages)
        self._seconds = seconds
        self.keys: set[str | None] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        if request.url.path == "/metrics":
            page = _next(self._pages)
            return httpx.Response(503) if page is None else httpx.Response(200, text=page)
        assert request.headers["x-iris-synthetic"] == "1"
        self.keys.add(request.headers.get("authorization"))
        time.sleep(self._seconds)
        answer = _next(self._answers)
        if answer is None:
            raise httpx.ConnectError("refused")
        if isinstance(answer, int):
            return httpx.Response(answer)
        return httpx.Response(200, content=answer if isinstance(answer, bytes) else dumps(answer))


def _next(left: list[Any]) -> Any:
    return left.pop(0) if len(left) > 1 else left[0]


def dumps(answer: Any) -> bytes:
    """Return an answer's bytes."""
    return msgspec.json.encode(answer)


def gateways(*behind: Gateway, key: str = "") -> Gateways:
    """Return addresses with these behind them."""
    by_host = {f"gateway-{n}": gateway for n, gateway in enumerate(behind)}
    transport = httpx.MockTransport(lambda request: by_host[request.url.host](request))
    return Gateways([f"http://{host}" for host in by_host], key, transport)


def watched(*behind: Gateway, former: Former = FORMER, limits: Limits = LIMITS) -> str:
    """Return what a window sees that is over at once, but for what it needs to tell."""
    found = Window(gateways(*behind), CARD, SHA256, former, limits, seconds=0.001)
    return found.watch(lambda: None, lambda _: None)


def test_how_much_of_the_window_is_over_is_told() -> None:
    """Whoever waits sees for how long yet, and that all is well so far."""
    told = list[str]()
    Window(gateways(Gateway([prediction()])), CARD, SHA256, FORMER, LIMITS, seconds=0.01).watch(
        lambda: None, told.append
    )
    words = r"\d+ of 0\.01 s: (\d+|unknown) real and \d+ synthetic requests, within bounds"
    assert told
    assert all(re.fullmatch(words, line) for line in told)


def counted(outcome: str, number: int, sha256: str = SHA256) -> str:
    """Return a page that counts more real requests than `PAGE`."""
    labels = f'version="",sha256="{sha256}",traffic="real",outcome="{outcome}"'
    return f"{PAGE}iris_gateway_requests_total{{{labels}}} {number}\n"


OTHER = prediction(model={"sha256": "bb"})


@pytest.mark.parametrize(
    ("answer", "requests", "errors"),
    [
        (prediction(), 1, 0),
        (OTHER, 0, 0),  # of the release that leaves, while it does
        (401, 0, 0),  # a key is missing: that is not the release's
        (500, 1, 1),
        (503, 1, 1),
        (None, 1, 1),
        (b"no JSON", 1, 1),
        ({"predictions": []}, 1, 1),
    ],
)
def test_what_an_answer_counts_as(answer: object, requests: int, errors: int) -> None:
    """Only what tells something of the release is counted."""
    seen = Synthetic()
    gateways(Gateway([answer])).ask(CARD, SHA256, seen)
    assert (seen.asked, seen.requests, seen.errors) == (1, requests, errors)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (500, "status 500"),
        (None, r"no answer \(refused\)"),
        (b"no JSON", "an answer that can't be read"),
    ],
)
def test_what_became_of_the_last_that_failed_is_told(answer: object, failure: str) -> None:
    """Else whoever reads that some failed would have to look for why in the gateways' logs."""
    with pytest.raises(WatchFailed, match=f"the last synthetic one to fail: {failure}$"):
        watched(Gateway([answer]))


@pytest.mark.parametrize(
    "predictions",
    [
        [],
        prediction()["predictions"][:1],
        [*prediction()["predictions"][:7], {"probabilities": dict.fromkeys(CARD.labels, 1 / 3)}],
        [*prediction()["predictions"][:7], {"probabilities": {}}],
        [*prediction()["predictions"][:7], {"probabilities": dict.fromkeys(CARD.labels, 1e-5)}],
    ],
    ids=["none", "too few", "another answer", "no classes", "no probabilities"],
)
def test_a_golden_row_that_is_answered_otherwise_ends_the_window(predictions: object) -> None:
    """The file says what is right; one such answer is enough."""
    with pytest.raises(WatchFailed, match="golden row"):
        watched(Gateway([prediction(), prediction(predictions=predictions)]))


def test_a_key_is_carried_where_there_is_one() -> None:
    """Gateways that ask for keys ask these requests too."""
    open_, locked = Gateway(), Gateway()
    gateways(open_).ask(CARD, SHA256, Synthetic())
    gateways(locked, key="secret").ask(CARD, SHA256, Synthetic())
    assert (open_.keys, locked.keys) == ({None}, {"Bearer secret"})


def test_a_short_window_lasts_until_it_could_have_told() -> None:
    """All answers slow would have shown; the outcome says how many failures would have."""
    told = watched(Gateway())
    failures = fewest_failures(FEWEST, None, BOUNDS)
    assert f"{FEWEST} synthetic requests, 0 failed ({failures} are too many)" in told
    assert told.endswith("the real ones were too few, the synthetic ones decided")


def test_a_short_window_sees_that_a_release_is_slow() -> None:
    """However short it was asked to be."""
    with pytest.raises(WatchFailed, match=r"of the synthetic requests, \d+ of \d+ requests took"):
        watched(Gateway(seconds=0.1))


def test_answers_that_say_nothing_are_made_up_for() -> None:
    """One by the release that leaves is no reason to go back to it."""
    assert f"{FEWEST} synthetic requests, 0 failed" in watched(Gateway([OTHER, prediction()]))


@pytest.mark.parametrize(("answer", "why"), [(OTHER, ""), (401, "answers with status 401")])
def test_a_window_in_which_nothing_was_answered_fails(answer: object, why: str) -> None:
    """It ends all the same, and says why a gateway refuses."""
    with pytest.raises(WatchFailed, match="no real requests, no synthetic requests") as raised:
        watched(Gateway([answer]))
    assert why in raised.value.message
    assert "IRIS_GATEWAY_KEY" in raised.value.hint


def test_a_moment_without_a_gateway_excuses_no_failure_later() -> None:
    """What got no answer from the release that leaves says nothing of how often it fails."""
    before = look_before(gateways(Gateway([None])), (CARD, "bb"))
    assert before.synthetic is None
    with pytest.raises(WatchFailed, match="requests failed"):
        watched(Gateway([prediction(), 500]), former=before)


def test_only_right_answers_of_the_release_before_are_compared_with() -> None:
    """However the others came about."""
    before = look_before(gateways(Gateway([None, 500, prediction()])), (CARD, SHA256))
    assert before.synthetic is not None
    assert (before.synthetic.requests, before.synthetic.errors) == (18, 0)
    assert before.synthetic.durations.total == 18
    assert before.real == read_counters(PAGE, SHA256)


def test_what_could_not_be_counted_is_not_called_nothing() -> None:
    """A gateway whose counters can't be read may have served thousands."""
    told = watched(Gateway(pages=[None]))
    assert "real requests could not be counted" in told
    assert "no real requests" not in told


def test_a_gateway_counts_from_its_first_answer_on() -> None:
    """What it had counted before may be of another time; what it counts from then on is not."""
    page = counted("server_error", 500, NO_RELEASE)
    assert "no real requests" in watched(Gateway(pages=[None, page]))
    with pytest.raises(WatchFailed, match="of the real requests, 500 of 500 requests failed"):
        watched(Gateway(pages=[None, PAGE, page]))


def test_gateways_may_come_and_go() -> None:
    """The window asks those that there are; what one that has gone told last still counts."""
    leaving, coming = Gateway(pages=[PAGE, counted("ok", 107)]), Gateway(pages=[PAGE])
    before = gateways(leaving, coming)
    first, second = "http://gateway-0", "http://gateway-1"
    before.keep_to([first])
    replaced = iter([[first], [second]])
    found = Window(before, CARD, SHA256, FORMER, LIMITS, seconds=0.001)
    told = found.watch(lambda: before.keep_to(next(replaced, [second])), lambda _: None)
    assert "107 real requests" in told


def test_what_was_counted_is_not_forgotten_when_a_gateway_falls_silent() -> None:
    """The last that it said stands."""
    assert "107 real requests" in watched(Gateway(pages=[PAGE, counted("ok", 107), None]))


def test_requests_that_met_no_release_failed() -> None:
    """An outage in the window is the release's, whatever serves at the moment of the look."""
    page = counted("server_error", 50, NO_RELEASE)
    with pytest.raises(WatchFailed, match="of the real requests, 50 of 50 requests failed"):
        watched(Gateway(pages=[PAGE, page]))


@pytest.mark.parametrize(
    "page", [counted("server_error", 50, NO_RELEASE), counted("server_error", 50), PAGE]
)
def test_only_what_comes_in_the_window_counts(page: str) -> None:
    """Neither an earlier life, nor a window before, nor an outage before either."""
    assert "no real requests" in watched(Gateway(pages=[page]))
    more = page + counted("ok", 107).removeprefix(PAGE)
    told = watched(Gateway(pages=[page, more]))
    assert "107 real requests, 0 failed" in told
    assert "decided" not in told


def test_a_gateway_that_was_started_anew_has_counted_from_nothing() -> None:
    """Its errors of before are not taken off from those of now; others go on counting."""
    before, after = counted("server_error", 60), counted("ok", 200)
    told = watched(Gateway(pages=[before, after]), Gateway(pages=[PAGE, counted("ok", 8)]))
    # All of the page of the one that began anew, and what the other has added.
    assert f"{200 + 93 + 8} real requests, 3 failed" in told


def test_no_failures_are_no_evidence_whatever_a_counter_did() -> None:
    """A bound is a number."""
    assert lower_bound(-1, 50) == 0.0


@pytest.mark.parametrize("missing", ["real", "synthetic"])
def test_the_outcome_says_where_speed_was_compared_with_nothing(missing: str) -> None:
    """Of the requests that decided: the others' comparison is none of theirs."""
    former = replace(FORMER, **{missing: None})
    by_real = watched(Gateway(pages=[PAGE, counted("ok", 107)]), former=former)
    by_synthetic = watched(Gateway(), former=former)
    assert ("nothing was there to compare" in by_real) == (missing == "real")
    assert ("nothing was there to compare" in by_synthetic) == (missing == "synthetic")


def test_the_outcome_counts_with_what_was_usual() -> None:
    """The number of failures that are too many is the one that would have ended the window."""
    former = replace(FORMER, real=Traffic(1000, 300, BEFORE.durations))
    page = counted("ok", 90) + counted("server_error", 17).removeprefix(PAGE)
    told = watched(Gateway(pages=[PAGE, page]), former=former)
    assert f"17 failed ({fewest_failures(107, former.real, BOUNDS)} are too many)" in told
    assert fewest_failures(107, former.real, BOUNDS) > 17
