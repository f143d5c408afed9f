"""What must hold, as data, and whether it does."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from load_tests.benchmark.figures import Figure, Results, Start
from load_tests.benchmark.settings import Load
from load_tests.benchmark.systems import OURS, SYSTEMS

Comparison = Literal["at least", "at most"]
State = Literal["holds", "fails", "not measured"]

MOSEC = ("mosec", "mosec-onnx")
PYTHON_FRONTS = tuple(name for name, system in SYSTEMS.items() if system.front == "python")


class Ratio(NamedTuple):
    """Our figure over that of each of these systems; the goal must hold against all of them."""

    name: str
    load: Load
    against: tuple[str, ...]


class InferenceStart(NamedTuple):
    """From the start of our inference process to the first right answer through the gateway."""


class Experiment(NamedTuple):
    """What an experiment measures, by the name of its samples."""

    name: str


class Goal(NamedTuple):
    """One goal."""

    name: str
    figure: Ratio | InferenceStart | Experiment
    comparison: Comparison
    bound: float
    unit: str = "x"


_RATE = "requests_per_s"

GOALS = (
    Goal("p50 at 1, against FastAPI with scikit-learn",
         Ratio("p50_ms", Load(1, 1), ("fastapi",)), "at most", 1.0),
    Goal("requests/s at 32, against mosec", Ratio(_RATE, Load(32, 1), MOSEC), "at least", 1.2),
    Goal("requests/s at 128, against mosec", Ratio(_RATE, Load(128, 1), MOSEC), "at least", 1.0),
    Goal("requests/s at 256, against mosec", Ratio(_RATE, Load(256, 1), MOSEC), "at least", 1.0),
    Goal("requests/s at 32, against the best peer with a Python front",
         Ratio(_RATE, Load(32, 1), PYTHON_FRONTS), "at least", 10.0),
    Goal("requests/s at 128, against the best peer with a Python front",
         Ratio(_RATE, Load(128, 1), PYTHON_FRONTS), "at least", 10.0),
    Goal("requests/s at 128, against the echo on the same server",
         Ratio(_RATE, Load(128, 1), ("echo",)), "at least", 0.55),
    Goal("rows/s at 32 with 32 rows, against mosec",
         Ratio(_RATE, Load(32, 32), MOSEC), "at least", 1.2),
    Goal("rows/s at 128 with 32 rows, against mosec",
         Ratio(_RATE, Load(128, 32), MOSEC), "at least", 1.2),
    Goal("inference, start to ready", InferenceStart(), "at most", 4.0, "s"),
    Goal("goodput at twice saturation, of the peak",
         Experiment("goodput at twice saturation"), "at least", 0.95),
    Goal("p99 of the accepted at twice saturation, of the deadline",
         Experiment("p99 at twice saturation"), "at most", 1.0),
    Goal("memory of both processes after 10 minutes at 128",
         Experiment("memory after a long load"), "at most", 250, "MiB"),
    Goal("memory in the last quarter of that, against the second",
         Experiment("growth of memory"), "at most", 1.05),
    Goal("2 inference processes, against 1 (model call of 20 ms)",
         Experiment("2 inference processes"), "at least", 1.9),
    Goal("4 inference processes, against 1 (model call of 20 ms)",
         Experiment("4 inference processes"), "at least", 3.6),
)  # fmt: skip


class Verdict(msgspec.Struct, frozen=True):
    """What a run says about a goal."""

    goal: str
    wanted: str
    state: State
    figures: dict[str, Figure]
    """By the system that ours is compared with, or ours alone; the hardest first."""
    unsure: bool
    """Whether the bound lies within the spread, so that another run may say otherwise."""


def verdict(goal: Goal, results: Results) -> Verdict:
    """Judge a goal by the medians; it must hold against every system that it names."""
    least = goal.comparison == "at least"
    wanted = f"{goal.comparison} {goal.bound:g} {goal.unit}"
    found = sorted(_figures(goal, results).items(), key=lambda item: item[1].median)
    if not least:
        found.reverse()
    if not found:
        return Verdict(goal.name, wanted, "not measured", {}, unsure=False)
    worst = found[0][1]
    holds = worst.median >= goal.bound if least else worst.median <= goal.bound
    unsure = worst.low < goal.bound < worst.high
    return Verdict(goal.name, wanted, "holds" if holds else "fails", dict(found), unsure)


def verdicts(results: Results, goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """Judge all goals."""
    return [verdict(goal, results) for goal in goals]


def _figures(goal: Goal, results: Results) -> dict[str, Figure]:
    match goal.figure:
        case Ratio(name, load, against):
            found = {other: results.ratio(OURS, other, load, name) for other in against}
        case InferenceStart():
            found = {OURS: results.start(OURS, _inference)}
        case Experiment(name):
            found = {OURS: results.sample(name)}
    return {name: given for name, given in found.items() if given is not None}


def _inference(start: Start) -> float | None:
    return start.inference_ready_s
