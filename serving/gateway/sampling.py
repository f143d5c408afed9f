"""A random share of many, at the price of a subtraction for each."""

import random
from collections.abc import Callable
from math import log1p

_LONGEST_GAP = 1e15


class Sampler:
    """Picks a share of those that it is asked about, each by chance alone."""

    __slots__ = ("_chance", "_passed_over", "_share")

    def __init__(self, share: float, chance: Callable[[], float] = random.random) -> None:
        """Take the share, above 0 and at most 1, and what gives numbers from 0 to 1, 1 excluded."""
        self._share = share
        self._chance = chance
        self._passed_over = gap(share, chance())

    def picks(self) -> bool:
        """Return whether it is this one's turn."""
        self._passed_over -= 1
        if self._passed_over >= 0:
            return False
        self._passed_over = gap(self._share, self._chance())
        return True


def gap(share: float, chance: float) -> int:
    """Return how many are passed over until the next that is picked.

    That is drawn once for each one picked where a coin would be tossed for each one there is: the
    gaps between successes of independent trials are geometric.

    Args:
        share: the share that is picked, above 0 and at most 1.
        chance: a random number from 0 to 1, 1 excluded.
    """
    if share >= 1:
        return 0
    return int(min(log1p(-chance) / log1p(-share), _LONGEST_GAP))
