import random

from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.suite.baseline import WORSE_WHEN_HIGHER, compare

USUAL = {"p50_ms": 5.0, "p95_ms": 10.0, "p99_ms": 20.0, "error_share": 0.0, "shed_share": 0.0}


def run(seed: int, spread: float = 0.1, **changes: float) -> list[dict[str, float]]:
    """Return the stretches of a run whose figures vary by that share."""
    dice = random.Random(seed)
    means = {**USUAL, "goodput_share": 1.0, **changes}
    return [
        {k: v * (1 + spread * dice.uniform(-1, 1)) for k, v in means.items()} for _ in range(10)
    ]


def states(before: list[dict[str, float]], now: list[dict[str, float]]) -> dict[str, str]:
    """Return what is said of each figure."""
    return {change.figure: change.state for change in compare(before, now)}


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_a_run_is_no_worse_than_itself(seed: int) -> None:
    """Not one figure of it."""
    assert set(states(run(seed), run(seed)).values()) == {"within the noise"}


def test_what_became_worse_is_named() -> None:
    """Higher latencies and lower goodput are worse; the others stay as they are."""
    found = states(run(1), run(2, p99_ms=30.0, goodput_share=0.7))
    assert {name for name, state in found.items() if state == "worse"} == {
        "p99_ms",
        "goodput_share",
    }
    assert states(run(1), run(2, p99_ms=10.0))["p99_ms"] == "better"


def test_a_difference_within_the_noise_of_both_is_none() -> None:
    """Where each run varies by half, a tenth more says nothing."""
    before = [{**USUAL, "goodput_share": 1.0, "p99_ms": value} for value in (10.0, 30.0) * 5]
    now = [{**block, "p99_ms": block["p99_ms"] * 1.1} for block in before]
    assert states(before, now)["p99_ms"] == "within the noise"


def test_a_small_difference_is_none_however_sure() -> None:
    """Two percent are not worth a look."""
    assert states(run(1, 0.0), run(2, 0.0, p50_ms=5.1))["p50_ms"] == "within the noise"


def test_one_stretch_tells_no_noise() -> None:
    """Who knows nothing of the noise calls nothing worse."""
    assert set(states(run(1)[:1], run(2, p99_ms=900.0)[:1]).values()) == {"within the noise"}


def test_equal_runs_seldom_differ() -> None:
    """One in twenty by chance, to what chance allows: 6 figures, 200 pairs of runs."""
    found = [s for seed in range(200) for s in states(run(seed), run(seed + 9999)).values()]
    assert len(found) == 200 * len(WORSE_WHEN_HIGHER)
    assert sum(state != "within the noise" for state in found) / len(found) < 0.07
