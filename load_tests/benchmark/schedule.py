"""The order of a run: every system in each round, so that what drifts drifts for all alike."""

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """One system, started, measured at every load, ended."""

    round: int
    system: str


def steps(systems: Sequence[str], rounds: int) -> list[Step]:
    """Return A B C A B C …, rounds counted from 1."""
    return [Step(round_, system) for round_ in range(1, rounds + 1) for system in systems]


def seconds_left(taken: dict[str, list[float]], left: Sequence[Step], guess: float) -> float:
    """Return how long the steps that are left will take.

    Args:
        taken: how long each system's steps took so far.
        left: what is still to come.
        guess: for a system that has not been measured yet.
    """
    return sum(_mean(taken.get(step.system, []), guess) for step in left)


def spoken(seconds: float) -> str:
    """Return a duration for people."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
