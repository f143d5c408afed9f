"""Do the bounds keep what they promise? `python -m registry.gates.simulation` counts.

Samples are drawn from known truths and judged as the gates judge. What it printed stands in
`docs/gates.md`.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from registry.gates.statistics import exact_p, mean_bounds, share_bounds
from registry.gates.thresholds import read_thresholds

ROUNDS = 20_000
ROWS = (12, 60, 200, 800)

Rates = tuple[float, float]
Judged = NDArray[np.bool_]


def main() -> None:
    """Print the rate of each mistake beside the rate that is promised."""
    limits = read_thresholds()
    rng = np.random.default_rng(1)
    print("rows | won rate | a loss of the margin passes | no loss: passes, fails")  # noqa: T201
    for line in quality(rng, limits.quality.margin, limits.quality.confidence):
        print(line)  # noqa: T201
    print("rows a class | differing | an equal fails recall")  # noqa: T201
    for line in recall(rng, limits.recall.tolerance, limits.recall.confidence):
        print(line)  # noqa: T201
    print("rows | spread | the lower bound of the Brier change is too high")  # noqa: T201
    for line in means(rng, limits.calibration.confidence):
        print(line)  # noqa: T201
    print("requests | true rate | the upper bound of the changed answers is too low")  # noqa: T201
    for line in shares(rng, limits.replay.confidence):
        print(line)  # noqa: T201


def quality(rng: np.random.Generator, margin: float, confidence: float) -> Iterator[str]:
    """Judge challengers that lose exactly the margin, and such that lose nothing."""
    for rows in ROWS:
        for won in (0.0, 0.01, 0.03, 0.10):
            worse = _passes(rng, rows, (won + margin, won), margin, confidence)
            equal = _passes(rng, rows, (won, won), margin, confidence)
            failed = _fails(rng, rows, (won, won), margin, confidence)
            yield f"{rows} | {won} | {worse.mean():.1%} | {equal.mean():.1%}, {failed.mean():.2%}"


def recall(rng: np.random.Generator, tolerance: float, confidence: float) -> Iterator[str]:
    """Judge equals by three classes at once."""
    sure = 1 - (1 - confidence) / 3
    for rows in (4, 20, 67, 267):
        for rate in (0.01, 0.025, 0.05):
            failed = [_fails(rng, rows, (rate, rate), tolerance, sure) for _ in range(3)]
            yield f"{rows} | {2 * rate} | {np.any(failed, axis=0).mean():.2%}"


def means(rng: np.random.Generator, confidence: float) -> Iterator[str]:
    """Bound the mean of changes whose true mean is 0: of a few rows that flip, and of noise."""
    for rows in (12, 60, 800):
        for name, draw in (
            ("noise 0.05", lambda n: rng.normal(0, 0.05, n)),
            ("1 row in 20 flips", lambda n: rng.choice([-1.5, 0, 1.5], n, p=[0.025, 0.95, 0.025])),
            ("rare and large", lambda n: np.where(rng.random(n) < 0.02, 1.96, -0.04)),
        ):
            missed = [
                mean_bounds(np.clip(draw(rows), -2, 2), -2, 2, confidence)[0] > 0
                for _ in range(ROUNDS // 20)
            ]
            yield f"{rows} | {name} | {np.mean(missed):.1%}"


def shares(rng: np.random.Generator, confidence: float) -> Iterator[str]:
    """Bound the rate of changed answers, a row a request: the hardest case."""
    for requests in (100, 1000):
        for rate in (0.01, 0.05, 0.10):
            changed = rng.binomial(requests, rate, ROUNDS)
            high = {k: share_bounds(k / requests, requests, confidence)[1] for k in set(changed)}
            missed = np.mean([high[k] < rate for k in changed])
            yield f"{requests} | {rate} | {missed:.1%}"


def _passes(
    rng: np.random.Generator, rows: int, rates: Rates, margin: float, confidence: float
) -> Judged:
    """Tell of each sample whether the upper bound of its loss lies within the margin."""
    return _judged(rng, rows, rates, lambda b, c: exact_p(b, c, rows, margin) <= 1 - confidence)


def _fails(
    rng: np.random.Generator, rows: int, rates: Rates, margin: float, confidence: float
) -> Judged:
    """Tell of each sample whether the lower bound of its loss lies beyond the margin."""
    return _judged(rng, rows, rates, lambda b, c: exact_p(c, b, rows, -margin) <= 1 - confidence)


def _judged(
    rng: np.random.Generator, rows: int, rates: Rates, judge: Callable[[int, int], bool]
) -> Judged:
    """Judge samples in which rows are lost and won at these rates; equal ones once."""
    drawn = rng.multinomial(rows, [*rates, 1 - sum(rates)], ROUNDS)[:, :2]
    pairs, places = np.unique(drawn, axis=0, return_inverse=True)
    return np.array([judge(int(b), int(c)) for b, c in pairs])[places.reshape(-1)]


if __name__ == "__main__":
    main()
