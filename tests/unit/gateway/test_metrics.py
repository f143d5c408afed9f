"""The counters, read back from the text that Prometheus gets."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.metrics import BUCKETS_S, RELEASES, Metrics
from serving.gateway.models import NO_RELEASE, ReleaseId

FIRST = ReleaseId("1", "a" * 64)
SECOND = ReleaseId("2", "b" * 64)
LINE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, dict[str, str], float]


class Clock:
    """A clock that says what it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def samples(text: bytes) -> list[Sample]:
    """Read the text; a line that is neither sample nor comment is a fault."""
    found = []
    for line in text.decode().splitlines():
        if not line.startswith("#"):
            matched = LINE.fullmatch(line)
            assert matched, line
            found.append((matched[1], dict(LABEL.findall(matched[2])), float(matched[3])))
    return found


def values(found: list[Sample], name: str, **labels: str) -> list[float]:
    """Return the values of the samples that have the name and these labels."""
    return [v for n, has, v in found if n == name and labels.items() <= has.items()]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "ok"),
        (401, "client_error"),
        (422, "client_error"),
        (500, "server_error"),
        (503, "server_error"),
        (504, "server_error"),
    ],
)
def test_an_outcome_is_that_of_the_status(status: int, outcome: str) -> None:
    """What the gateway refuses in overload counts against the release, and a bad row does not."""
    metrics = Metrics(Clock())
    metrics.count(FIRST, status, 0.0, synthetic=False)
    text = samples(metrics.text(FIRST))
    total = "iris_gateway_requests_total"
    assert values(text, total, outcome=outcome, traffic="real", version="1") == [1]
    assert sum(values(text, total)) == 1


@settings(deadline=None)
@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from([FIRST, SECOND, NO_RELEASE]),
            st.sampled_from([200, 422, 503]),
            st.floats(0, 10),
            st.booleans(),
        )
    )
)
def test_nothing_is_lost_or_counted_twice(
    requests: list[tuple[ReleaseId, int, float, bool]],
) -> None:
    """Each request is in one total, one sum, and every bucket from its duration on."""
    clock = Clock()
    metrics = Metrics(clock)
    for release, status, seconds, synthetic in requests:
        clock.now = seconds
        metrics.count(release, status, 0.0, synthetic=synthetic)
    text = samples(metrics.text(FIRST))
    duration = "iris_gateway_request_duration_seconds"
    for kind in {(release, status, synthetic) for release, status, _, synthetic in requests}:
        release, status, synthetic = kind
        took = [s for r, c, s, by_us in requests if (r, c, by_us) == kind]
        labels = {
            **release._asdict(),
            "traffic": "synthetic" if synthetic else "real",
            "outcome": {200: "ok", 422: "client_error", 503: "server_error"}[status],
        }
        assert values(text, "iris_gateway_requests_total", **labels) == [len(took)]
        assert values(text, f"{duration}_count", **labels) == [len(took)]
        assert values(text, f"{duration}_sum", **labels) == pytest.approx([sum(took)])
        for limit in BUCKETS_S:
            at_most = sum(seconds <= limit for seconds in took)
            assert values(text, f"{duration}_bucket", **labels, le=str(limit)) == [at_most]
        assert values(text, f"{duration}_bucket", **labels, le="+Inf") == [len(took)]


@settings(deadline=None)
@given(version=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
def test_a_version_may_hold_what_the_text_is_made_of(version: str) -> None:
    """Quotes and backslashes in a version break no line."""
    metrics = Metrics(Clock())
    metrics.count(ReleaseId(version, "a"), 200, 0.0, synthetic=False)
    shown = {has["version"] for _, has, _ in samples(metrics.text(ReleaseId(version, "a")))}
    assert {re.sub(r"\\(.)", r"\1", name) for name in shown} == {version}


@settings(deadline=None)
@given(answered=st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_only_the_releases_that_answered_last_are_kept(answered: list[int]) -> None:
    """A gateway that lives through a hundred releases tells of eight: the latest."""
    clock = Clock()
    metrics = Metrics(clock)
    for number in answered:
        clock.now += 1
        metrics.count(ReleaseId(str(number), "a"), 200, 0.0, synthetic=False)
    latest = list(dict.fromkeys(str(number) for number in reversed(answered)))[:RELEASES]
    text = metrics.text(ReleaseId(latest[0], "a"))
    assert Counter(has["version"] for _, has, _ in samples(text)).keys() == set(latest)


def test_what_serves_is_there_before_it_has_answered() -> None:
    """A rate begins at 0, and the first error is a rise."""
    text = samples(Metrics(Clock()).text(FIRST))
    assert values(text, "iris_gateway_requests_total", version="1") == [0] * 6
