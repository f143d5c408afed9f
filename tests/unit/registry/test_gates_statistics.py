"""The bounds of the gates: what they promise, for whatever counts come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.gates.statistics import (
    exact_p,
    least_loss_seen,
    least_lost,
    loss_bounds,
    mean_bounds,
    rate_bounds,
    share_bounds,
    tango_score,
)

COUNTS = st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 70)).map(
    lambda drawn: (drawn[0], drawn[1], sum(drawn) or 1)
)


def test_sixty_rows_without_a_loss_bound_it_at_4_9_points() -> None:
    """The exact bound of no event in 60: 1 - 0.05 ** (1 / 60)."""
    assert loss_bounds(0, 0, 60, 0.95)[1] == pytest.approx(1 - 0.05 ** (1 / 60), abs=1e-5)


def test_the_score_of_no_loss_is_that_of_mcnemar() -> None:
    """Where no loss is supposed, only the rows on which the models differ count."""
    for lost, won in ((12, 14), (5, 0), (0, 3)):
        expected = (lost - won) / np.sqrt(lost + won)
        assert float(tango_score(lost, won, 44, 0.0)) == pytest.approx(expected)


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_bounds_hold_the_estimate_and_mirror_each_other(counts: tuple[int, int, int]) -> None:
    """Whoever swaps the models swaps the bounds."""
    lost, won, rows = counts
    low, high = loss_bounds(lost, won, rows, 0.95)
    assert low - 1e-6 <= (lost - won) / rows <= high + 1e-6
    assert loss_bounds(won, lost, rows, 0.95) == pytest.approx((-high, -low))


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_a_lost_row_more_raises_both_bounds(counts: tuple[int, int, int]) -> None:
    """The gates' verdicts depend on it."""
    lost, won, rows = counts
    before = loss_bounds(lost, won, rows + 1, 0.95)
    after = loss_bounds(lost + 1, won, rows + 1, 0.95)
    assert after[0] >= before[0] - 1e-6
    assert after[1] >= before[1] - 1e-6


@given(st.integers(2, 60), st.floats(-0.9, 0.9))
@settings(max_examples=60, deadline=None)
def test_the_score_rises_with_the_losses(rows: int, loss: float) -> None:
    """The exact bound finds its region by halving, which needs that."""
    for differing in range(rows + 1):
        lost = np.arange(differing + 1)
        assert (np.diff(tango_score(lost, differing - lost, rows, loss)) >= -1e-9).all()


@pytest.mark.parametrize("rows", [12, 60])
@pytest.mark.parametrize("won", [0.0, 0.02, 0.1])
def test_a_loss_at_the_margin_passes_no_more_often_than_promised(rows: int, won: float) -> None:
    """Counted over all outcomes, not sampled: 5 of 100."""
    from scipy.special import gammaln

    margin, total = 0.125, 0.0
    for lost in range(rows + 1):
        for gained in range(rows + 1 - lost):
            rest = rows - lost - gained
            if (gained and not won) or exact_p(lost, gained, rows, margin) > 0.05:
                continue
            choose = gammaln([rows + 1, lost + 1, gained + 1, rest + 1])
            weight = choose[0] - choose[1:].sum() + lost * np.log(won + margin)
            weight += (gained * np.log(won) if gained else 0) + rest * np.log(1 - 2 * won - margin)
            total += np.exp(weight)
        if lost > rows * (margin + won):
            break
    assert total <= 0.05


def test_beyond_the_exact_the_score_goes_on_alike() -> None:
    """Where the exact bound ends there is no step."""
    exact, score = loss_bounds(30, 20, 1000, 0.95), loss_bounds(30, 20, 1001, 0.95)
    assert exact == pytest.approx(score, abs=0.001)


def test_a_rate_has_the_exact_bounds() -> None:
    """12 of 12 show 78 % and no more."""
    assert rate_bounds(12, 12, 0.95) == pytest.approx((0.05 ** (1 / 12), 1.0))
    assert rate_bounds(0, 12, 0.95) == pytest.approx((0.0, 1 - 0.05 ** (1 / 12)))
    assert rate_bounds(0, 0, 0.95) == (0.0, 1.0)


@given(st.floats(0, 1), st.integers(1, 5000))
@settings(deadline=None)
def test_a_share_lies_within_its_bounds(mean: float, count: int) -> None:
    """And a share of nothing has the exact bound of a rate."""
    low, high = share_bounds(mean, count, 0.95)
    assert -1e-6 <= low <= mean + 1e-6
    assert mean - 1e-6 <= high <= 1 + 1e-6
    assert share_bounds(0.0, count, 0.95)[1] == pytest.approx(1 - 0.05 ** (1 / count), abs=1e-5)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=200))
@settings(deadline=None)
def test_a_mean_lies_within_its_bounds(values: list[float]) -> None:
    """Whatever the values are."""
    low, high = mean_bounds(np.array(values), -2, 2, 0.95)
    assert low <= high
    assert low >= -2
    assert high <= 2 + 1e-6


def test_what_could_not_be_seen_is_honest() -> None:
    """4 rows of a class show no loss beyond 5 points at 98 %; 267 show a small one."""
    sure = 1 - 0.05 / 3
    assert least_loss_seen(4, 0.05, sure) is not None or least_lost(4, 0.05, sure) is None
    assert least_loss_seen(1, 0.05, sure) is None
    seen = least_loss_seen(267, 0.05, sure)
    assert seen is not None
    assert 0.05 < seen < 0.12
