"""Plain values for the rules of the load suite."""

from collections.abc import Sequence
from typing import Any

import msgspec

from load_tests.suite.checking import Expected, Outcome
from load_tests.suite.host import Look
from load_tests.suite.objectives import Measured, Objectives, verdict
from load_tests.suite.plan import Notes, Plan
from load_tests.suite.records import Figures, Records, gather
from load_tests.suite.report import GeneratorFigures, Run

DIGEST = "d" * 64
EXPECTED = Expected(
    labels=["a", "b"],
    probabilities=[[0.75, 0.25], [0.1, 0.9], [0.5, 0.5]],
    warnings=[{}, {"x": 9.0}, {}],
    tolerance=1e-9,
)

_FIGURES = Figures(
    requests=10_000,
    seconds=10,
    rate=1000,
    p50_ms=5,
    p95_ms=20,
    p99_ms=50,
    error_share=0,
    shed_share=0,
    goodput_share=1,
    goodput=1000,
    judged=10_000,
    unjudged=0,
    wrong=0,
    late=0,
)


def figures(**changes: Any) -> Figures:
    """Return the figures of a good run, but for what is named."""
    return msgspec.structs.replace(_FIGURES, **changes)


def look(at: float = 0, **says: Any) -> Look:
    """Return a look at a service of one gateway."""
    usual: dict[str, Any] = {
        "counted": [at],
        "instances": 1,
        "queue": None,
        "release": "1 (aaaa)",
        "since": "noon",
        "memory_mib": 100.0,
        "busiest": 0.5,
    }
    return Look(at=at, **{**usual, **says})


def run_of(
    due: list[float],
    latency_s: Sequence[float | None],
    outcomes: list[Outcome],
    seconds: float = 10,
) -> Records:
    """Return the records of one generator; a latency of None: it had no answer at the end."""
    notes = Notes(len(due), Outcome.UNSENT)
    for at, (when, took, outcome) in enumerate(zip(due, latency_s, outcomes, strict=True)):
        if took is not None:
            notes.sent[at], notes.done[at], notes.outcome[at] = when, when + took, outcome
    return gather(plan(due, seconds), [notes.told([0.0], [0.1], 1, seconds)])


def plan(due: list[float], seconds: float = 10) -> Plan:
    """Return a plan whose requests are due at these moments."""
    return Plan(
        host="http://127.0.0.1:1",
        run="run",
        in_flight=10,
        deadline_ms=1000,
        seconds=seconds,
        grace_s=5,
        questions=[],
        due=due,
        asks=[0] * len(due),
        expected={},
    )


def run(**changes: Any) -> Run:
    """Return a whole run that held, but for what is named."""
    found = figures()
    return msgspec.structs.replace(
        Run(
            profile="smoke",
            title="a little of everything",
            host="http://127.0.0.1:8080",
            began="2026-11-24T22:00:00+00:00",
            answers="1 model file(s)",
            verdict=verdict(Objectives(p99_ms=100), Measured(figures=found), []),
            figures=found,
            phases={"smoke": found},
            blocks=[found],
            generator=GeneratorFigures(
                workers=1, cpu_share=0.5, lag_ms=2, most_in_flight=7, others_cpu=0.0
            ),
            words={},
            seconds=[],
            looks=[look(0), look(1)],
            steps=[],
            knee="",
            operations=[],
            changes=[],
        ),
        **changes,
    )
