"""The gateways before a release: what they answer to synthetic requests, and count of real ones."""

import contextlib
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, pairwise

import httpx
import msgspec

from artifacts.model import ModelCard
from registry.errors import WatchFailed
from registry.watch_rules import Durations, Traffic

BOUNDS_S = tuple(round(0.0005 * 10 ** (i / 10), 6) for i in range(41))
"""The buckets of the durations of synthetic requests, each a quarter longer than the one before; a
gateway's counters name their own, which are wider."""
SYNTHETIC_HEADER = "X-Iris-Synthetic"
NO_RELEASE = ""
"""Under this digest a gateway counts the requests that it met no release for."""

_TIMEOUT_S = 2.0
_GOLDEN_ROWS = 8
_TOLERANCE = 1e-6

_SAMPLE = re.compile(r"(?P<name>iris_gateway_\w+)\{(?P<labels>.*)\} (?P<value>\d+)$", re.MULTILINE)


@dataclass
class Synthetic:
    """The synthetic requests so far."""

    asked: int = 0
    requests: int = 0
    """Those that tell something of the release."""
    errors: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    failure: str = ""
    """What became of the last that failed."""
    refused: str = ""
    """Why a gateway would not take one, where it would not."""

    def right(self, seconds: float) -> None:
        """Count one that was answered rightly, after so long."""
        self.requests += 1
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1

    def failed(self, failure: str) -> None:
        """Count one that was not, and keep what became of it."""
        self.requests += 1
        self.errors += 1
        self.failure = failure

    def traffic(self) -> Traffic:
        """Return them as the rules see them."""
        counts = tuple(self.counts[i] for i in range(len(BOUNDS_S) + 1))
        return Traffic(self.requests, self.errors, Durations(BOUNDS_S, counts))


class Gateways:
    """The gateways before a release: their counters, and what they answer."""

    def __init__(
        self, urls: Sequence[str], key: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Take what is asked.

        Args:
            urls: the gateways' addresses.
            key: what synthetic requests carry as their key; empty: none.
            transport: who carries the requests; None: the network.
        """
        # Addresses of ours; a proxy in the environment has no business with them.
        self._http = httpx.Client(timeout=_TIMEOUT_S, trust_env=False, transport=transport)
        self._urls: Sequence[str] = ()
        self.keep_to(urls)
        self._headers = {SYNTHETIC_HEADER: "1"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def keep_to(self, urls: Sequence[str]) -> None:
        """Ask these from now on: an autoscaler, or a deploy, may replace gateways at any time."""
        if list(urls) != list(self._urls):
            self._urls, self._turn = urls, cycle(urls)

    def reached(self) -> bool:
        """Tell whether one of them answers at all."""
        for url in self._urls:
            with contextlib.suppress(httpx.HTTPError):
                self._http.get(f"{url}/health/live")
                return True
        return False

    def all_ready(self) -> bool:
        """Tell whether each knows an instance; one that does not answer has no say in it."""
        for url in self._urls:
            with contextlib.suppress(httpx.HTTPError):
                if self._http.get(f"{url}/health/ready").status_code == 503:
                    return False
        return True

    def counters(self) -> dict[str, str]:
        """Return the page of counters of each gateway that answers, by its address."""
        pages = {}
        for url in self._urls:
            with contextlib.suppress(httpx.HTTPError):
                pages[url] = self._http.get(f"{url}/metrics").raise_for_status().text
        return pages

    def ask(self, card: ModelCard, sha256: str, seen: Synthetic) -> None:
        """Send one request with known answers, and count how it went.

        An answer by another release is none of this one, and is not counted.

        Raises:
            WatchFailed: the release answers otherwise than its file says.
        """
        seen.asked += 1
        rows = card.golden.rows[:_GOLDEN_ROWS]
        begun = time.perf_counter()
        try:
            answer = self._http.post(
                f"{next(self._turn)}/v1/predict", headers=self._headers, json={"instances": rows}
            )
        except httpx.HTTPError as error:
            seen.failed(f"no answer ({error})")
            return
        seconds = time.perf_counter() - begun
        if 400 <= answer.status_code < 500:
            seen.refused = f"status {answer.status_code}"
        elif answer.status_code != 200:
            seen.failed(f"status {answer.status_code}{_detail(answer)}")
        elif (found := _decoded(answer)) is None:
            seen.failed("an answer that can't be read")
        elif found.model.sha256 == sha256:
            _check_answer(found.predictions, card)
            seen.right(seconds)


class _Model(msgspec.Struct, frozen=True):
    sha256: str


class _Prediction(msgspec.Struct, frozen=True):
    probabilities: dict[str, float]


class _Answer(msgspec.Struct, frozen=True):
    """What is read of a gateway's answer."""

    model: _Model
    predictions: list[_Prediction]


class _Problem(msgspec.Struct, frozen=True):
    """What is read of a gateway's problem (RFC 9457)."""

    detail: str


def _detail(answer: httpx.Response) -> str:
    try:
        return f": {msgspec.json.decode(answer.content, type=_Problem).detail}"
    except ValueError:
        return ""


def _decoded(answer: httpx.Response) -> _Answer | None:
    try:
        return msgspec.json.decode(answer.content, type=_Answer)
    except ValueError:
        return None


def _check_answer(predictions: list[_Prediction], card: ModelCard) -> None:
    wanted = card.golden.probabilities[:_GOLDEN_ROWS]
    if len(predictions) != len(wanted):
        raise WatchFailed(f"{len(wanted)} golden rows got {len(predictions)} predictions")
    tolerance = _TOLERANCE + card.parity.largest_difference
    for given, golden in zip(predictions, wanted, strict=True):
        found = [given.probabilities.get(label, -1.0) for label in card.labels]
        worst = max(abs(a - b) for a, b in zip(found, golden, strict=True))
        if not worst <= tolerance:
            raise WatchFailed(
                f"a golden row was answered wrongly: a probability differs by {worst:g}"
            )


class RealRequests:
    """What became of the real requests since a moment, as the gateways count."""

    def __init__(self, gateways: Gateways, sha256: str) -> None:
        """Begin now, or for a gateway that is silent or not there yet with its first answer."""
        self._gateways = gateways
        self._sha256 = sha256
        self._before: dict[str, tuple[Traffic, Traffic]] = {}
        self._last: dict[str, tuple[Traffic, Traffic]] = {}
        self._look()

    def read(self) -> Traffic | None:
        """Return them; None where no gateway has told.

        A request that met no release at all was this one's to answer, and failed. Of a gateway
        that has gone, what it told last counts.
        """
        self._look()
        if not self._last:
            return None
        since = [map(_since, now, self._before[url]) for url, now in self._last.items()]
        of_release, of_none = zip(*since, strict=True)
        served, failed = added(of_release), sum(traffic.requests for traffic in of_none)
        return Traffic(served.requests + failed, served.errors + failed, served.durations)

    def _look(self) -> None:
        """Take what each gateway counts for the release, and for none."""
        for url, page in self._gateways.counters().items():
            counted = read_counters(page, self._sha256), read_counters(page, NO_RELEASE)
            self._before.setdefault(url, counted)
            self._last[url] = counted


def _since(now: Traffic, before: Traffic) -> Traffic:
    """Return what one gateway added; where a counter fell, it has begun anew since."""
    if now.durations.bounds != before.durations.bounds:
        return now  # the release was not known yet
    pairs = zip(now.durations.counts, before.durations.counts, strict=True)
    counts = tuple(a - b for a, b in pairs)
    requests, errors = now.requests - before.requests, now.errors - before.errors
    if min(requests, errors, *counts) < 0:
        return now
    return Traffic(requests, errors, Durations(now.durations.bounds, counts))


def added(found: Iterable[Traffic]) -> Traffic:
    """Return what several gateways count, together."""
    of_each = list(found)
    bounds = max((t.durations.bounds for t in of_each), key=len, default=())
    counts = [t.durations.counts for t in of_each if t.durations.bounds == bounds]
    return Traffic(
        sum(t.requests for t in of_each),
        sum(t.errors for t in of_each),
        Durations(bounds, tuple(map(sum, zip(*counts, strict=True)))),
    )


def read_counters(page: str, sha256: str) -> Traffic:
    """Return what a page of Prometheus text says of a release's real requests.

    Args:
        page: that of one gateway.
        sha256: the digest of the release.
    """
    requests = errors = 0
    below: Counter[float] = Counter()
    for sample in _SAMPLE.finditer(page):
        labels, value = sample["labels"], int(sample["value"])
        if f'sha256="{sha256}"' not in labels or 'traffic="real"' not in labels:
            continue
        if 'outcome="client_error"' in labels:
            continue  # refused by the gateway: the release was not asked, so it proves nothing
        if sample["name"] == "iris_gateway_requests_total":
            requests += value
            errors += value if 'outcome="server_error"' in labels else 0
        elif bound := re.search(r'\ble="([^"]+)"', labels):
            below[float(bound[1])] += value
    bounds = sorted(below)
    counts = [below[bounds[0]]] if bounds else [0]
    counts += [below[b] - below[a] for a, b in pairwise(bounds)]
    return Traffic(requests, errors, Durations(tuple(bounds[:-1]), tuple(counts)))
