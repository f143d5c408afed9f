"""A run as people and programs read it: a table, and JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from load_tests.suite.baseline import Change
from load_tests.suite.host import Look
from load_tests.suite.objectives import Verdict
from load_tests.suite.operations import Operation
from load_tests.suite.records import Figures, Second


class GeneratorFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the generators took themselves."""

    workers: int
    cpu_share: float
    """Of a core, in the busiest seconds of the busiest one."""
    lag_ms: float
    """The p99 of how late a timer rang in them."""
    most_in_flight: int
    """The most requests that one of them had under way."""
    others_cpu: float | None
    """Cores that neither they nor the service used, but something else on this machine did."""


class StepTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the search for the knee."""

    rate: float
    state: str
    figures: Figures
    generator: GeneratorFigures


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as its JSON keeps it."""

    profile: str
    title: str
    host: str
    began: str
    answers: str
    """Where what is right was known from."""
    verdict: Verdict
    figures: Figures
    phases: dict[str, Figures]
    """Those of each phase."""
    blocks: list[Figures]
    """Those of stretches of equal length, to tell noise."""
    generator: GeneratorFigures
    words: dict[str, int]
    """What went wrong, and how often."""
    seconds: list[Second]
    looks: list[Look]
    steps: list[StepTaken]
    knee: str
    """What the search found, in words; empty where nothing was looked for."""
    operations: list[Operation]
    changes: list[Change]
    """Against the run before, where one was named."""


def write_json(run: Run, file: Path) -> None:
    """Write the run."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def text(run: Run) -> str:
    """Return what is printed at the end; the verdict comes last."""
    parts = [
        f"{run.title}: {run.host}, {run.began}, answers known from {run.answers}",
        _steps(run.steps),
        _phases(run.phases),
        "\n".join(_operation(done) for done in run.operations),
        "\n".join(f"{times:,} x {words}" for words, times in run.words.items()),
        _generator(run.generator),
        _changes(run.changes),
        table(
            ["objective", "wanted", "measured", "verdict"],
            [[j.objective, j.wanted, j.measured, j.state] for j in run.verdict.judged],
        ),
        "\n".join([*(f"VOID: {why}" for why in run.verdict.void), run.knee]).strip(),
        f"{run.verdict.words} (exit {run.verdict.exit_code})",
    ]
    return "\n\n".join(part for part in parts if part)


def _steps(steps: Sequence[StepTaken]) -> str:
    if not steps:
        return ""
    rows = [
        [
            f"{step.rate:,.0f}/s",
            f"{step.figures.p50_ms:.1f}",
            f"{step.figures.p99_ms:.1f}",
            f"{step.figures.error_share:.2%}",
            f"{step.figures.shed_share:.2%}",
            f"{step.generator.cpu_share:.0%}",
            step.state,
        ]
        for step in steps
    ]
    return table(["step", "p50, ms", "p99, ms", "errors", "shed", "generator", "verdict"], rows)


def _phases(phases: dict[str, Figures]) -> str:
    if not phases:
        return ""
    rows = [
        [
            name,
            f"{f.rate:,.0f}/s",
            f"{f.goodput:,.0f}/s",
            f"{f.p50_ms:.1f}",
            f"{f.p95_ms:.1f}",
            f"{f.p99_ms:.1f}",
            f"{f.error_share:.2%}",
            f"{f.shed_share:.2%}",
            f"{f.late:,}",
        ]
        for name, f in phases.items()
    ]
    head = ["phase", "due", "goodput", "p50, ms", "p95, ms", "p99, ms", "errors", "shed", "late"]
    return table(head, rows)


NOISE = 0.1


def _generator(found: GeneratorFigures) -> str:
    noise = found.others_cpu or 0.0
    also = f"\nNOISE: something else took {noise:.1f} cores" if noise > NOISE else ""
    return (
        f"generator: {found.workers} worker(s), {found.cpu_share:.0%} of a core in the busiest "
        f"seconds, late by {found.lag_ms:.1f} ms (p99), at most {found.most_in_flight} under way "
        f"at a time in one{also}"
    )


def _operation(done: Operation) -> str:
    how = done.failure or "done"
    return f"{done.began:.1f} s to {done.ended:.1f} s: iris {done.words}: {how}"


def _changes(changes: Sequence[Change]) -> str:
    rows = [
        [c.figure, f"{c.before:.4g}", f"{c.now:.4g}", f"{c.noise:.2g}", c.state] for c in changes
    ]
    return table(["figure", "before", "now", "noise", "against the baseline"], rows) if rows else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with its columns in line."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines: list[Any] = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
