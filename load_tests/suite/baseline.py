"""What became worse since an earlier run, beyond what both vary by themselves.

Each run is cut into stretches of equal length, and each figure is taken in every one of them. Two
means differ beyond the noise where Welch's test says so at 95 %, and by a twentieth at least: what
is smaller than that is not worth a look, however sure.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance

import msgspec

RELEVANT = 0.05

# Student's t at 97.5 %, by degrees of freedom; what lies between takes the one below.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 8: 2.31, 10: 2.23, 15: 2.13, 30: 2.04}

# By figure: whether more of it is worse.
WORSE_WHEN_HIGHER = {
    "p50_ms": True,
    "p95_ms": True,
    "p99_ms": True,
    "error_share": True,
    "shed_share": True,
    "goodput_share": False,
}


class Change(msgspec.Struct, frozen=True):
    """A figure in both runs."""

    figure: str
    before: float
    now: float
    noise: float
    """By how much two runs differ that are equal."""
    state: str
    """`worse`, `better`, or `within the noise`."""


def compare(
    before: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]
) -> list[Change]:
    """Compare the figures of the stretches of two runs."""
    return [
        _change(name, [b[name] for b in before], [b[name] for b in now], higher_is_worse)
        for name, higher_is_worse in WORSE_WHEN_HIGHER.items()
    ]


def _change(
    name: str, before: Sequence[float], now: Sequence[float], higher_is_worse: bool
) -> Change:
    first, second = fmean(before), fmean(now)
    noise = _noise(before, now)
    difference = second - first
    if abs(difference) <= max(noise, RELEVANT * max(abs(first), abs(second))):
        return Change(name, first, second, noise, "within the noise")
    worse = (difference > 0) == higher_is_worse
    return Change(name, first, second, noise, "worse" if worse else "better")


def _noise(before: Sequence[float], now: Sequence[float]) -> float:
    """Return what the difference of the means may be by chance; too few stretches: anything."""
    if min(len(before), len(now)) < 2:
        return math.inf
    shares = [variance(values) / len(values) for values in (before, now)]
    total = sum(shares)
    if not total:
        return 0.0
    freedom = total**2 / sum(
        share**2 / (len(values) - 1) for share, values in zip(shares, (before, now), strict=True)
    )
    t = min((t for degrees, t in _T.items() if degrees <= freedom), default=_T[1])
    return t * math.sqrt(total)
