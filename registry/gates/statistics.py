"""What a few rows can prove: confidence bounds that hold for small samples.

Sources, and why these: `docs/gates.md`. Nothing here knows of models; all of it is checked by
`registry.gates.simulation`.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MOST_EXACT = 1000
"""Up to so many pairs the bound is exact; beyond, the score is as good, and quicker."""
POWER = 0.8
"""What "would have been seen" means: in four of five samples."""

_NUISANCE = 48
_STEPS = 24
_ORDER = 7


def loss_bounds(lost: int, won: int, rows: int, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper one-sided bound of a paired loss.

    The loss is P(only the champion is right) - P(only the challenger is right). The statistic is
    Tango's score (1998); up to `MOST_EXACT` rows its distribution is not taken for normal but
    computed, at the worst of the rates at which both may differ (Hsueh, Liu and Chen 2001).

    Args:
        lost: rows on which only the champion is right.
        won: rows on which only the challenger is right.
        rows: all rows; 0 bounds nothing.
        confidence: of each bound by itself, below 1.
    """
    if rows == 0:
        return -1.0, 1.0
    return -_upper(won, lost, rows, confidence), _upper(lost, won, rows, confidence)


@lru_cache(maxsize=4096)
def _upper(lost: int, won: int, rows: int, confidence: float) -> float:
    """Return the smallest loss that the counts speak against, to 1e-6."""
    if rows <= MOST_EXACT:
        return _first(lambda loss: exact_p(lost, won, rows, loss) <= 1 - confidence)
    z = NormalDist().inv_cdf(confidence)
    return _first(lambda loss: bool(tango_score(lost, won, rows, loss) <= -z))


def tango_score(
    lost: NDArray[np.int64] | int, won: NDArray[np.int64] | int, rows: int, loss: float
) -> NDArray[np.float64]:
    """Return Tango's score of a supposed loss: how many standard errors the counts lie above it.

    The variance is taken at the rates that are likeliest if the loss is what is supposed, so it
    does not vanish where the models never differ.

    Args:
        lost: rows on which only the champion is right; any shape.
        won: rows on which only the challenger is right; the same shape.
        rows: all rows.
        loss: the supposed loss, within (-1, 1).
    """
    lost, won = np.asarray(lost, dtype=np.float64), np.asarray(won, dtype=np.float64)
    linear = -lost - won + (2 * rows - lost + won) * loss
    constant = -won * loss * (1 - loss)
    rate = (np.sqrt(np.maximum(linear**2 - 8 * rows * constant, 0)) - linear) / (4 * rows)
    variance = rows * (2 * rate + loss * (1 - loss))
    return np.asarray((lost - won - rows * loss) / np.sqrt(np.maximum(variance, 1e-12)))


def exact_p(lost: int, won: int, rows: int, loss: float) -> float:
    """Return how likely so few losses are at most, if the true loss is `loss`.

    The largest probability, over all rates at which both may differ, of a score that is no higher
    than the one found.
    """
    from scipy.special import bdtr, gammaln

    differing = np.arange(rows + 1)
    most = _most_lost(float(tango_score(lost, won, rows, loss)), differing, rows, loss)
    low, high = max(0.0, -loss), (1 - loss) / 2
    # Denser near the smallest rate, where the probability bends.
    won_rate = low + (high - low) * np.linspace(0, 1, _NUISANCE)[:, None] ** 3
    total = np.clip(2 * won_rate + loss, 1e-12, 1 - 1e-12)
    share = np.clip((won_rate + loss) / total, 0, 1)
    choose = gammaln(rows + 1) - gammaln(differing + 1) - gammaln(rows - differing + 1)
    weight = np.exp(choose + differing * np.log(total) + (rows - differing) * np.log1p(-total))
    inside = np.where(most < 0, 0.0, bdtr(np.maximum(most, 0), differing, share))
    return float(min(1.0, (weight * inside).sum(axis=1).max()))


def _most_lost(
    score: float, differing: NDArray[np.int64], rows: int, loss: float
) -> NDArray[np.int64]:
    """Return for each number of differing rows the most losses whose score is no higher.

    The score rises with the losses, so it is found by halving. -1 where none is.
    """
    low, high = np.full_like(differing, -1), differing.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        found = tango_score(middle, differing - middle, rows, loss) <= score + 1e-9
        low, high = np.where(found, middle, low), np.where(found, high, middle - 1)
    return low


def _first(refused: Callable[[float], bool], low: float = -1.0, high: float = 1.0) -> float:
    """Return the least value that is refused, where all above it are."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if refused(middle) else (middle, high)
    return high


def rate_bounds(hits: float, total: int, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper one-sided bound of a rate (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    if total == 0:
        return 0.0, 1.0
    low = betaincinv(hits, total - hits + 1, 1 - confidence) if hits > 0 else 0.0
    high = betaincinv(hits + 1, total - hits, confidence) if hits < total else 1.0
    return float(low), float(high)


def share_bounds(mean: float, count: int, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper one-sided bound of the mean of shares between 0 and 1.

    Of any distribution: Hoeffding's inequality in its sharpest form (1963, theorem 1). With a mean
    of 0 it is the exact bound of a rate.

    Args:
        mean: what was found.
        count: how many independent shares it is the mean of.
        confidence: of each bound by itself.
    """
    if count == 0:
        return 0.0, 1.0
    enough = -math.log(1 - confidence) / count
    high = _first(lambda p: p > mean and _divergence(mean, p) >= enough, mean, 1.0)
    low = 1 - _first(lambda p: p > 1 - mean and _divergence(1 - mean, p) >= enough, 1 - mean, 1.0)
    return low, high


def _divergence(found: float, true: float) -> float:
    """Return the divergence of two coins, in nats."""
    terms = ((found, true), (1 - found, 1 - true))
    return sum(p * math.log(p / max(q, 1e-300)) for p, q in terms if p > 0)


def mean_bounds(
    values: NDArray[np.float64], low: float, high: float, confidence: float
) -> tuple[float, float]:
    """Return the lower and the upper one-sided bound of a mean, of any distribution in a range.

    By betting (Waudby-Smith and Ramdas 2024): a mean is refused where a gambler who bets against
    it, one row after the other, multiplies his stake by 1 / (1 - confidence). He may stop at any
    moment, so the order of the rows is fixed by a shuffle that depends on their number only.

    Args:
        values: shape (n,), independent, each from `low` to `high`.
        low: the least that a value can be.
        high: the most that a value can be.
        confidence: of each bound by itself.
    """
    unit = (np.random.default_rng(_ORDER).permutation(values) - low) / (high - low)
    least = _mean_at_least(unit, confidence)
    most = 1 - _mean_at_least(1 - unit, confidence)
    return low + (high - low) * least, low + (high - low) * most


def _mean_at_least(unit: NDArray[np.float64], confidence: float) -> float:
    if not len(unit):
        return 0.0
    count, stake = np.arange(1, len(unit) + 1), -math.log(1 - confidence)
    # What is known before each bet: that row and those after it are left out.
    mean = (0.5 + np.cumsum(unit)) / (count + 1)
    variance = (0.25 + np.cumsum((unit - mean) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bets = np.sqrt(2 * stake / (before * len(unit)))

    def kept(supposed: float) -> bool:
        if supposed <= 0:
            return False
        won = np.log1p(np.minimum(bets, 0.75 / supposed) * (unit - supposed))
        return bool(np.cumsum(won).max() < stake)

    return _first(kept, 0.0, 1.0)


def least_loss_seen(rows: int, tolerance: float, confidence: float) -> float | None:
    """Return the smallest loss that is shown to lie beyond `tolerance`, in four of five samples.

    None where no loss is, because the rows are too few.
    """
    from scipy.special import bdtri

    lost = least_lost(rows, tolerance, confidence)
    if lost is None:
        return None
    # P(fewer than `lost` losses) is 1 - POWER at this rate.
    return float(bdtri(lost - 1, rows, 1 - POWER))


def least_lost(rows: int, tolerance: float, confidence: float) -> int | None:
    """Return how many rows must be lost, and none won, to show a loss beyond `tolerance`."""
    low, high = 0, rows + 1
    while low < high:
        middle = (low + high) // 2
        beyond = middle <= rows and loss_bounds(middle, 0, rows, confidence)[0] > tolerance
        low, high = (low, middle) if beyond or middle > rows else (middle + 1, high)
    return low if low <= rows else None


def rows_needed(lost: int, won: int, rows: int, margin: float, confidence: float) -> int:
    """Return how many rows show an equal model to be within the margin, in four of five samples.

    By the normal approximation (Liu and others 2002), at the rate at which the two models were
    seen to differ; never fewer than a comparison without any difference takes.
    """
    differing = (lost + won + 0.5) / (rows + 1)
    z = NormalDist().inv_cdf(confidence) + NormalDist().inv_cdf(POWER)
    without = math.log(1 - confidence) / math.log1p(-margin)
    return math.ceil(max(without, differing * (z / margin) ** 2))
