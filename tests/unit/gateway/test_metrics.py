"""The counters, read back from the text that Prometheus gets."""

import re
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.exposition import page
from serving.gateway.answers import answer
from serving.gateway.metrics import (
    BUCKETS_S,
    REAL,
    RELEASES,
    SYNTHETIC,
    UNKNOWN,
    VALUE_SHARE,
    Kind,
    Metrics,
)
from serving.gateway.models import NO_RELEASE, Probabilities, ReleaseId, ServedModel
from serving.gateway.problems import PROBLEM_TYPES, REASONS, Problem

FIRST = ReleaseId("1", "a" * 64)
SECOND = ReleaseId("2", "b" * 64)
LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, dict[str, str], float]


class Clock:
    """A clock that says what it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def samples(metrics: Metrics, current: ReleaseId = FIRST) -> list[Sample]:
    """Read the page; a line that is neither sample nor comment is a fault."""
    found = []
    for line in page(*metrics.families(current)).decode().splitlines():
        if not line.startswith("#"):
            matched = LINE.fullmatch(line)
            assert matched, line
            found.append((matched[1], dict(LABEL.findall(matched[2] or "")), float(matched[3])))
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
    metrics.count(REAL, FIRST, status, 0.0)
    text = samples(metrics)
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
        metrics.count(SYNTHETIC if synthetic else REAL, release, status, 0.0)
    text = samples(metrics)
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
    metrics.count(REAL, ReleaseId(version, "a"), 200, 0.0)
    found = samples(metrics, ReleaseId(version, "a"))
    shown = {has["version"] for _, has, _ in found if "version" in has}
    assert {re.sub(r"\\(.)", r"\1", name) for name in shown} == {version}


@settings(deadline=None)
@given(answered=st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_only_the_releases_that_answered_last_are_kept(answered: list[int]) -> None:
    """A gateway that lives through a hundred releases tells of eight: the latest."""
    clock = Clock()
    metrics = Metrics(clock)
    for number in answered:
        clock.now += 1
        metrics.count(REAL, ReleaseId(str(number), "a"), 200, 0.0)
    latest = list(dict.fromkeys(str(number) for number in reversed(answered)))[:RELEASES]
    found = samples(metrics, ReleaseId(latest[0], "a"))
    assert {has["version"] for _, has, _ in found if "version" in has} == set(latest)


def test_what_serves_is_there_before_it_has_answered() -> None:
    """A rate begins at 0, and the first error is a rise."""
    text = samples(Metrics(Clock()))
    assert values(text, "iris_gateway_requests_total", version="1") == [0] * 6
    assert values(text, "iris_gateway_unanswered_total") == [0] * len(REASONS)


def test_every_request_is_counted_by_route_and_status() -> None:
    """A route's requests are added up, whether real or synthetic; predictions stay alone."""
    metrics = Metrics(Clock())
    for kind in (REAL, SYNTHETIC, Kind("/v1/predict"), UNKNOWN):
        metrics.count(kind, FIRST, 200, 0.0)
    metrics.count(UNKNOWN, FIRST, 404, 0.0)
    text = samples(metrics)
    name = "iris_gateway_http_requests_total"
    assert values(text, name, route="/v1/predict", status="200", version="1") == [3]
    assert values(text, name, route="other") == [1, 1]
    name = "iris_gateway_http_request_duration_seconds_count"
    assert values(text, name, route="/v1/predict", status="200") == [3]
    assert sum(values(text, "iris_gateway_requests_total")) == 2


def test_every_5xx_problem_has_a_reason_that_is_counted() -> None:
    """Nothing that the gateway fails to answer is left out, and no reason is made up on the way."""
    metrics = Metrics(Clock())
    kinds = [kind for kind in PROBLEM_TYPES if kind.status >= 500]
    for kind in kinds:
        metrics.count_unanswered(Problem(kind, "why"))
    assert sum(values(samples(metrics), "iris_gateway_unanswered_total")) == len(kinds)


def iris_model(**says: object) -> ServedModel:
    """Return a release with two labels and two features, of which one has a training range."""
    features = [{"name": "length", "minimum": 1.0, "maximum": 2.0}, {"name": "width"}]
    description = {"name": "m", "version": "1", "sha256": "a" * 64, "labels": ["yes", "no"]}
    return ServedModel(msgspec.json.encode(description | {"features": features} | says))


@pytest.mark.parametrize(
    ("says", "shares"),
    [
        ({"label_counts": {"yes": 30, "no": 10}}, {"yes": [0.75], "no": [0.25]}),
        ({"label_counts": {"yes": 3, "other": 1}}, {"yes": [0.75], "no": []}),
        ({"label_counts": {"yes": 0, "no": 0}}, {"yes": [], "no": []}),
        ({}, {"yes": [], "no": []}),
    ],
)
def test_training_shares_are_told_where_they_are_known(
    says: dict[str, object], shares: dict[str, list[float]]
) -> None:
    """A share that nobody knows is no sample: an alert that compares with it stays silent."""
    metrics = Metrics(Clock())
    metrics.predicted(iris_model(**says))
    text = samples(metrics)
    name = "iris_gateway_training_share"
    assert {label: values(text, name, label=label, version="1") for label in shares} == shares


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_what_is_predicted_is_counted_by_label_and_feature(chance: float) -> None:
    """Labels and values out of range are counted always, the values themselves by their share."""
    metrics = Metrics(Clock(), lambda: chance)
    probabilities: list[Probabilities] = [(0.9, 0.1), (0.9, 0.1), (0.1, 0.9)]
    rows = [[1.05, 5], [2.5, 5], [1.5, 5]]
    answer(iris_model(), rows, probabilities, metrics.predicted(iris_model()))
    text = samples(metrics)
    assert values(text, "iris_gateway_predictions_total", label="yes") == [2]
    assert values(text, "iris_gateway_predictions_total", label="no") == [1]
    assert values(text, "iris_gateway_out_of_range_total", feature="length") == [1]
    assert values(text, "iris_gateway_out_of_range_total", feature="width") == [0]
    sampled = 0 if chance else 3
    assert values(text, "iris_gateway_feature_value_count", feature="width") == [sampled]
    buckets = values(text, "iris_gateway_feature_value_bucket", feature="length")
    expected = [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3]
    assert buckets == ([0] * len(expected) if chance else expected)


def test_values_are_sampled_by_their_share() -> None:
    """To count every value of every request would cost more than to encode the answer."""
    metrics = Metrics(Clock(), Random(1).random)
    predicted = metrics.predicted(iris_model())
    for _ in range(10_000):
        predicted.count([[1.5, 0.0]], [])
    (counted,) = values(samples(metrics), "iris_gateway_feature_value_count", feature="length")
    assert counted == pytest.approx(10_000 * VALUE_SHARE, rel=0.2)
