"""Is a release that was just rolled out fit to stay? Pure rules over counts and durations.

Counts are taken into account: a share is out of bounds only where it lies beyond the bound with
confidence, by the exact interval for a proportion (Clopper and Pearson, Biometrika 26, 1934). The
window is looked at many times, so the confidence of one look is high.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log

_ERROR_OF_A_LOOK = 1e-4
"""How often one look takes a release that is just within a bound for one that is not."""
_MOST_USUAL = 0.5
"""No share above this is taken for usual, whatever the release before did."""
_SLOW_SHARES = ((0.5, 0.5), (0.95, 0.2))
"""A quantile of the former durations, and the share of the new ones that may lie far above it."""


@dataclass(frozen=True)
class Durations:
    """A histogram of durations.

    `counts[i]` requests took at most `bounds[i]` seconds, and longer than the bound before; the
    last, of which there is one more, took longer than all bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Return the duration that `share` of the requests do not exceed, in seconds.

        Linear within a bucket, as Prometheus' `histogram_quantile`; there is at least one request.
        """
        wanted, below = share * self.total, 0
        edges = list(pairwise((0.0, *self.bounds)))
        for (low, high), count in zip(edges, self.counts, strict=False):
            if count and below + count >= wanted:
                return low + (high - low) * (wanted - below) / count
            below += count
        return self.bounds[-1]

    def slower_than(self, seconds: float) -> int:
        """Return how many took longer; a duration within a bucket counts as its upper bound."""
        return sum(self.counts[bisect_left(self.bounds, seconds) + 1 :])


@dataclass(frozen=True)
class Traffic:
    """Requests that one release answered."""

    requests: int
    errors: int
    """Of those: answered with a status of 500 or above, or not at all."""
    durations: Durations


@dataclass(frozen=True)
class Former:
    """What was known before the rollout: how the release that goes was answering."""

    real: Traffic | None
    synthetic: Traffic | None
    """Its right answers: a gateway that was away for a moment excuses nothing later."""


@dataclass(frozen=True)
class Bounds:
    """What is tolerable."""

    error_rate: float
    """This share of failed requests always is."""
    slower: float
    """How many times as long as before a request may take."""
    slow_floor_s: float
    """Nothing that takes at most this long is slow, in seconds."""


@dataclass(frozen=True)
class Limits:
    """How a release is watched."""

    bounds: Bounds
    real_requests: int
    """So many real requests decide; with fewer, the synthetic ones do."""
    synthetic_per_second: float


def fewest_requests(bounds: Bounds) -> int:
    """Return how many requests it takes to tell: were all failed, or all slow, so many would show.

    All of n are beyond a share with confidence where share ** n is smaller than the error.
    """
    share = max(bounds.error_rate, *(share for _, share in _SLOW_SHARES))
    return ceil(log(_ERROR_OF_A_LOOK) / log(share))


def fewest_failures(total: int, before: Traffic | None, bounds: Bounds) -> int:
    """Return how many of so many requests would have to fail to be more than is tolerable.

    More than `total` where so few can't tell.
    """
    share = tolerable(before, bounds)
    return bisect_right(range(total + 1), share, key=lambda n: lower_bound(n, total))


def tolerable(before: Traffic | None, bounds: Bounds) -> float:
    """Return the share of failed requests that is: what always is, or what was usual before."""
    usual = lower_bound(before.errors, before.requests) if before else 0.0
    return max(bounds.error_rate, min(usual, _MOST_USUAL))


def out_of_bounds(now: Traffic, before: Traffic | None, bounds: Bounds) -> str | None:
    """Say what is out of bounds; None where nothing is, as far as the counts can tell.

    Args:
        now: what the new release has answered.
        before: what the one before has answered, where that is known.
        bounds: what is tolerable.
    """
    return _too_many_errors(now, before, bounds) or _too_slow(now, before, bounds)


def _too_many_errors(now: Traffic, before: Traffic | None, bounds: Bounds) -> str | None:
    share = tolerable(before, bounds)
    if lower_bound(now.errors, now.requests) <= share:
        return None
    return f"{now.errors} of {now.requests} requests failed, and {share:.1%} are tolerable"


def _too_slow(now: Traffic, before: Traffic | None, bounds: Bounds) -> str | None:
    if before is None or not before.durations.total:
        return None
    for quantile, share in _SLOW_SHARES:
        former = before.durations.quantile(quantile)
        limit = max(bounds.slower * former, bounds.slow_floor_s)
        slow = now.durations.slower_than(limit)
        if lower_bound(slow, now.durations.total) > share:
            return (
                f"{slow} of {now.durations.total} requests took longer than {limit * 1e3:.0f} ms, "
                f"and {quantile:.0%} took at most {former * 1e3:.1f} ms before"
            )
    return None


def lower_bound(hits: int, total: int) -> float:
    """Return the lower confidence bound of a share of which `hits` of `total` were seen."""
    from scipy.special import betaincinv  # a third of a second, which only a window has to pay

    if hits <= 0:
        return 0.0
    return float(betaincinv(hits, total - hits + 1, _ERROR_OF_A_LOOK))
