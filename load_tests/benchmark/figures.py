"""From points to figures: the median over the rounds with its spread, and ratios.

A ratio is taken within a round, where both systems met the same machine, and only then over the
rounds. Points that are void don't count.
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from load_tests.benchmark.experiments import Sample
from load_tests.benchmark.measurement import Point
from load_tests.benchmark.settings import Load


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """How long a system took from its start to its first right answer."""

    system: str
    round: int
    ready_s: float
    inference_ready_s: float | None = None
    """Of ours: from the start of the inference process."""


class Figure(msgspec.Struct, frozen=True):
    """A figure of several rounds."""

    median: float
    low: float
    high: float
    rounds: int


def figure(values: Iterable[float]) -> Figure | None:
    """Return the median and the spread of some values, if there are any."""
    found = list(values)
    if not found:
        return None
    return Figure(median(found), min(found), max(found), len(found))


class Results:
    """What a run has measured so far."""

    def __init__(
        self, points: Sequence[Point], starts: Sequence[Start], samples: Sequence[Sample] = ()
    ) -> None:
        self._points = points
        self._starts = starts
        self._samples = samples

    def systems(self) -> list[str]:
        """Return the systems in the order in which they came."""
        return list(dict.fromkeys(start.system for start in self._starts))

    def loads(self) -> list[Load]:
        """Return the loads in the order in which they came."""
        return list(dict.fromkeys(Load(p.connections, p.rows) for p in self._points))

    def rounds(self, system: str, load: Load, name: str) -> dict[int, float]:
        """Return one field of a system's points, by round."""
        return {
            point.round: getattr(point, name)
            for point in self._points
            if point.system == system and (point.connections, point.rows) == load and not point.void
        }

    def figure(self, system: str, load: Load, name: str) -> Figure | None:
        """Return one field of a system's points over the rounds."""
        return figure(self.rounds(system, load, name).values())

    def ratio(self, one: str, other: str, load: Load, name: str) -> Figure | None:
        """Return how many times the other's figure the one's is."""
        ones, others = self.rounds(one, load, name), self.rounds(other, load, name)
        return figure(ones[r] / others[r] for r in ones if others.get(r))

    def sample(self, name: str) -> Figure | None:
        """Return what an experiment has measured over the rounds."""
        return figure(sample.value for sample in self._samples if sample.name == name)

    def start(self, system: str, of: Callable[[Start], float | None]) -> Figure | None:
        """Return a time of the system's starts over the rounds."""
        found = (of(start) for start in self._starts if start.system == system)
        return figure(value for value in found if value is not None)

    def memory(self, system: str) -> Figure | None:
        """Return a system's peak memory of each round, over the rounds."""
        peaks: dict[int, float] = {}
        for point in self._points:
            if point.system == system:
                peaks[point.round] = max(peaks.get(point.round, 0.0), point.memory_mib)
        return figure(peaks.values())

    def voids(self, system: str, load: Load) -> list[str]:
        """Return why points of a system at a load do not count."""
        return [
            point.void
            for point in self._points
            if point.void and point.system == system and (point.connections, point.rows) == load
        ]
