"""When each request is due, and from whom: decided before the run, whatever becomes of it."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from load_tests.suite.profile import Mix, Phase
from load_tests.suite.questions import KINDS

SEED = 7


class Arrival(NamedTuple):
    """One request to come."""

    due: float
    """In seconds from the start."""
    kind: str


def arrivals(phases: Sequence[Phase], mix: Mix, seed: int = SEED) -> list[Arrival]:
    """Return the requests of all phases in the order in which they are due.

    They come at random, as those of clients who don't know of each other do: a Poisson process
    with the rate of each phase. Equal arguments give equal schedules.
    """
    dice = random.Random(seed)  # noqa: S311 - a load, no secret
    shares = [getattr(mix, kind) for kind in KINDS]
    found: list[Arrival] = []
    began = 0.0
    for phase in phases:
        due = began + dice.expovariate(phase.rate)
        while due < began + phase.seconds:
            found.append(Arrival(due, dice.choices(KINDS, shares)[0]))
            due += dice.expovariate(phase.rate)
        began += phase.seconds
    return found


def counted(phases: Sequence[Phase]) -> list[tuple[float, float]]:
    """Return from when to when each counted phase goes."""
    spans, began = [], 0.0
    for phase in phases:
        if phase.counted:
            spans.append((began, began + phase.seconds))
        began += phase.seconds
    return spans
