"""What the gateway counts of requests, by the release that answered, for its page of metrics.

A request is counted once, under its route, its status and its release; the page adds up. That takes
two lookups and a few additions: 0.4 µs. The labels are bounded: none is made from what a client
sent, and only the releases that answered last are kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from random import random

from serving.exposition import Histogram, Labels, counter, gauge, histogram
from serving.gateway.models import ReleaseId, ServedModel
from serving.gateway.problems import REASONS, Problem
from serving.gateway.sampling import Sampler
from serving.gateway.schema import RangeWarning, Row

BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
VALUE_BUCKETS = 10
"""Of equal width, over the training range of a feature."""
VALUE_SHARE = 0.05
"""Of the answered requests whose values go into the histograms of the features."""
RELEASES = 8
OUTCOMES = ("ok", "client_error", "server_error")
PREDICT = "/v1/predict"
OTHER = "other"


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """Requests that are counted together. Compared by identity, which is quickest."""

    route: str
    traffic: str = ""
    """`real` or `synthetic`, where a prediction was asked for by a whole request."""


REAL = Kind(PREDICT, "real")
SYNTHETIC = Kind(PREDICT, "synthetic")
UNKNOWN = Kind(OTHER)
"""Of all paths at which there is nothing."""


class Predicted:
    """What one release has predicted for real requests, and from which values."""

    __slots__ = (
        *("_sampler", "classes", "features", "labels"),
        *("outside", "training_shares", "values"),
    )

    def __init__(self, model: ServedModel, chance: Callable[[], float]) -> None:
        self.labels = model.labels
        self.training_shares = model.training_shares
        self.features = model.features
        self.classes = [0] * len(model.labels)
        """How many rows got each label."""
        self.outside = dict.fromkeys(model.features, 0)
        """How many values of each feature were outside of its training range."""
        self.values = [Histogram(_edges(low, high)) for _, low, high in model.ranges]
        """The values of each feature, sampled."""
        self._sampler = Sampler(VALUE_SHARE, chance)

    def count(self, rows: list[Row], warnings: list[RangeWarning]) -> None:
        """Count the values of an answered request; its labels are counted as they are found."""
        for warning in warnings:
            self.outside[warning.field] += 1
        if self._sampler.picks():
            for row in rows:
                for value, of in zip(row, self.values, strict=True):
                    of.observe(value)


class _Release:
    """What one release answered."""

    __slots__ = ("latest", "predicted", "requests")

    def __init__(self) -> None:
        self.requests: dict[tuple[Kind, int], Histogram] = {}
        """The durations in seconds of the requests of each kind and status."""
        self.predicted: Predicted | None = None
        self.latest = 0.0


class Metrics:
    """The counters of one gateway, which begin at 0 with its process."""

    def __init__(self, time: Callable[[], float], chance: Callable[[], float] = random) -> None:
        """Begin to count.

        Args:
            time: a clock in seconds that never goes back.
            chance: gives numbers from 0 to 1, 1 excluded.
        """
        self._time = time
        self._chance = chance
        self._releases: dict[ReleaseId, _Release] = {}
        # The latest, which is nearly always the next: to compare the object is quicker than a look.
        self._release: ReleaseId | None = None
        self._counts = _Release()
        self._unanswered = dict.fromkeys(REASONS, 0)

    def count(self, kind: Kind, release: ReleaseId, status: int, began: float) -> float:
        """Count a request that is answered now, and return how long that took in seconds.

        It was whole when the clock said `began`.
        """
        now = self._time()
        counts = self._counts if release is self._release else self._turn_to(release)
        counts.latest = now
        of = counts.requests.get((kind, status))
        if of is None:
            of = counts.requests[kind, status] = Histogram(BUCKETS_S)
        seconds = now - began
        of.observe(seconds)
        return seconds

    def count_unanswered(self, problem: Problem) -> None:
        """Count a request that got no answer, for a reason of this side."""
        self._unanswered[problem.reason] += 1

    def predicted(self, model: ServedModel) -> Predicted:
        """Return where the predictions of a release are counted."""
        release = model.release
        counts = self._counts if release is self._release else self._turn_to(release)
        if counts.predicted is None:
            counts.predicted = Predicted(model, self._chance)
        return counts.predicted

    def families(self, current: ReleaseId) -> Iterator[Iterator[str]]:
        """Yield all families; the release that serves now is in them from the start."""
        self._turn_to(current)
        predictions = list(self._predictions())
        name = "iris_gateway_requests_total"
        yield counter(
            name,
            "Answered requests for a prediction.",
            ((labels, sum(of.counts)) for labels, of in predictions),
        )
        name = "iris_gateway_request_duration_seconds"
        text = "Of a request for a prediction, from when it was whole until its answer was written."
        yield histogram(name, text, predictions)
        requests = list(self._requests())
        name = "iris_gateway_http_requests_total"
        yield counter(
            name, "Answered requests.", ((labels, sum(of.counts)) for labels, of in requests)
        )
        name = "iris_gateway_http_request_duration_seconds"
        yield histogram(
            name, "From when a request was whole until its answer was written.", requests
        )
        name = "iris_gateway_unanswered_total"
        samples = (({"reason": reason}, n) for reason, n in self._unanswered.items())
        yield counter(name, "Requests that got a 5xx problem, by its reason.", samples)
        yield from self._of_predictions()

    def _turn_to(self, release: ReleaseId) -> _Release:
        """Return the counts of a release, which is the latest from now on."""
        self._release, self._counts = release, self._releases.get(release) or self._add(release)
        return self._counts

    def _add(self, release: ReleaseId) -> _Release:
        """Begin to count for a release; the one that was silent for longest makes room."""
        if len(self._releases) >= RELEASES:
            del self._releases[min(self._releases, key=lambda r: self._releases[r].latest)]
        counts = self._releases[release] = _Release()
        return counts

    def _predictions(self) -> Iterator[tuple[Labels, Histogram]]:
        """Yield the durations of predictions by release, traffic and each outcome."""
        for release, counts in self._releases.items():
            for kind in (REAL, SYNTHETIC):
                outcomes = {outcome: Histogram(BUCKETS_S) for outcome in OUTCOMES}
                for (of, status), durations in counts.requests.items():
                    if of is kind:
                        outcomes[_outcome(status)].add(durations)
                for outcome, durations in outcomes.items():
                    labels = {"traffic": kind.traffic, "outcome": outcome}
                    yield {**release._asdict(), **labels}, durations

    def _requests(self) -> Iterator[tuple[Labels, Histogram]]:
        """Yield the durations of all requests by release, route and status."""
        for release, counts in self._releases.items():
            added: dict[tuple[str, int], Histogram] = {}
            for (kind, status), durations in counts.requests.items():
                key = (kind.route, status)
                added.setdefault(key, Histogram(BUCKETS_S)).add(durations)
            for (route, status), durations in added.items():
                labels = {"route": route, "status": str(status)}
                yield {**release._asdict(), **labels}, durations

    def _of_predictions(self) -> Iterator[Iterator[str]]:
        """Yield what was predicted for real requests, and from which values."""
        known = [
            (release._asdict(), counts.predicted)
            for release, counts in self._releases.items()
            if counts.predicted is not None
        ]
        yield counter(
            "iris_gateway_predictions_total",
            "Rows of real requests that were answered, by the label that they got.",
            (
                ({**release, "label": label}, number)
                for release, of in known
                for label, number in zip(of.labels, of.classes, strict=True)
            ),
        )
        yield gauge(
            "iris_gateway_training_share",
            "The share of a label among the training rows, where the model file tells it.",
            (
                ({**release, "label": label}, of.training_shares[label])
                for release, of in known
                for label in of.labels
                if label in of.training_shares
            ),
        )
        yield counter(
            "iris_gateway_out_of_range_total",
            "Values of these rows outside of the training range of their feature.",
            (
                ({**release, "feature": feature}, number)
                for release, of in known
                for feature, number in of.outside.items()
            ),
        )
        yield histogram(
            "iris_gateway_feature_value",
            "Values of a share of these rows; the buckets divide the training range.",
            (
                ({**release, "feature": feature}, values)
                for release, of in known
                for feature, values in zip(of.features, of.values, strict=True)
            ),
        )


def _outcome(status: int) -> str:
    return OUTCOMES[0 if status < 400 else 1 if status < 500 else 2]


def _edges(low: float, high: float) -> tuple[float, ...]:
    """Return the limits of the buckets for a feature with this training range."""
    if not (isfinite(low) and isfinite(high)):
        return ()
    width = (high - low) / VALUE_BUCKETS
    edges = (float(f"{low + width * i:.6g}") for i in range(VALUE_BUCKETS + 1))
    return tuple(sorted(set(edges)))
