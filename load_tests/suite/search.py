"""The search for the knee: the highest load at which the objectives hold.

By doubling until a step does not hold, then by halving the distance between the highest that held
and the lowest that did not. A step whose generator was the limit says nothing of the service, but
it ends the way up.
"""

import math
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from load_tests.suite.profile import Search


class State(Enum):
    """What a step says."""

    HELD = "held"
    BROKEN = "broken"
    LIMITED = "the generator was the limit"


class Step(NamedTuple):
    """A load that was tried."""

    rate: float
    state: State


class Knee(NamedTuple):
    """What the search found."""

    rate: float
    """The highest load that held; 0: none did."""
    limited: bool
    """Whether the generator was the limit, so that the service may do more."""


def next_rate(steps: Sequence[Step], search: Search) -> float | None:
    """Return the load to try next; None where the search is over."""
    if not steps:
        return search.first
    highest, lowest = _bounds(steps)
    if lowest is None:
        return None if highest >= search.most else min(2 * highest, search.most)
    if lowest - highest <= search.precision * lowest:
        return None
    if not highest:  # not even the first: a tenth of it, and then it is broken altogether
        return lowest / 2 if lowest > search.first / 10 else None
    return math.sqrt(highest * lowest)


def knee(steps: Sequence[Step]) -> Knee:
    """Return what the steps say, of whichever search."""
    highest, lowest = _bounds(steps)
    beyond = [step.state for step in steps if step.rate == lowest]
    return Knee(highest, limited=lowest is None or State.LIMITED in beyond)


def is_undecided(steps: Sequence[Step], wanted: float) -> bool:
    """Whether the generator gave out before it was clear that the knee is as high as wanted.

    It is clear that it is not where a load that is no higher did not hold.
    """
    found = knee(steps)
    broken = min((s.rate for s in steps if s.state is State.BROKEN), default=math.inf)
    return found.limited and (found.rate < wanted or not found.rate) and broken > wanted


def more_workers(rate: float, workers: int, busiest_share: float | None) -> int | None:
    """Return how many more generators it would take to reach the knee; None: nobody knows.

    Args:
        rate: what the generators sent.
        workers: how many they were.
        busiest_share: the share of a core that the busiest process of the service took meanwhile:
            where that is a core, a service of such processes can do no more.
    """
    if not busiest_share or not rate:
        return None
    reachable = rate / min(1.0, busiest_share)
    return max(1, math.ceil(reachable / (rate / workers)) - workers)


def in_words(knee: Knee, workers: int, busiest_share: float | None) -> str:
    """Return what the search found, and what it would take to find more; see `more_workers`."""
    if not knee.limited:
        return f"the knee: {knee.rate:,.0f}/s"
    least = (
        f"the knee: at least {knee.rate:,.0f}/s, limited by the generator; "
        f"a worker sends some {knee.rate / workers:,.0f}/s"
    )
    more = more_workers(knee.rate, workers, busiest_share)
    if more is None:
        return least
    return (
        f"{least}, and the busiest process of the service took {busiest_share:.0%} of a core, "
        f"so it would need {more} more, on cores of their own"
    )


def _bounds(steps: Sequence[Step]) -> tuple[float, float | None]:
    """Return the highest load that held below the lowest that did not, and that one."""
    lowest = min((step.rate for step in steps if step.state is not State.HELD), default=None)
    held = [step.rate for step in steps if step.state is State.HELD]
    return max((r for r in held if lowest is None or r < lowest), default=0.0), lowest
