"""What a run has to say: tables for people, JSON for programs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from load_tests.benchmark.experiments import Sample
from load_tests.benchmark.figures import Figure, Results, Start
from load_tests.benchmark.goals import Verdict, verdicts
from load_tests.benchmark.machine import Machine
from load_tests.benchmark.measurement import Point
from load_tests.benchmark.settings import Load
from load_tests.benchmark.systems import OURS, SYSTEMS

NOISE = 0.1


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as its JSON keeps it."""

    machine: Machine
    rounds: int
    duration_s: int
    complete: bool
    points: list[Point]
    starts: list[Start]
    samples: list[Sample]
    failures: dict[str, str]
    """Systems that failed, and how."""

    @property
    def results(self) -> Results:
        """The figures of all points."""
        return Results(self.points, self.starts, self.samples)


def write_json(run: Run, file: Path) -> None:
    """Write the run with what it says about the goals."""
    document = {**msgspec.structs.asdict(run), "goals": verdicts(run.results)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def text(run: Run) -> str:
    """Return everything as Markdown, which reads well in a terminal, too."""
    results = run.results
    parts = [
        _where(run),
        _by_load(
            "requests/s", results, lambda s, at: _spread(results.figure(s, at, _RATE), "{:,.0f}")
        ),
        _by_load(
            "times that `iris serve` answers more requests/s",
            results,
            lambda s, at: _spread(results.ratio(OURS, s, at, _RATE), "{:.2f}"),
            but=OURS,
        ),
        _by_load("p50 / p99, ms", results, lambda s, at: _latencies(results, s, at)),
        _by_load(
            "CPU µs a request, all processes",
            results,
            lambda s, at: _spread(results.figure(s, at, "cpu_us"), "{:,.0f}"),
        ),
        _by_system(results),
        goals_table(verdicts(results)),
        "\n".join(_doubts(run)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_RATE = "requests_per_s"


def goals_table(found: Sequence[Verdict]) -> str:
    """Return the verdicts as a table."""
    rows = [[v.goal, v.wanted, _compared(v), _state(v)] for v in found]
    return table(["goal", "wanted", "found", "verdict"], rows)


def _where(run: Run) -> str:
    machine = run.machine
    return (
        f"{machine.date}, {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"{machine.system}, Python {machine.python}, {machine.wrk}, commit {machine.commit}. "
        f"{run.rounds} rounds, {run.duration_s} s a point"
        f"{'' if run.complete else ', NOT COMPLETE'}. "
        "Figures are medians of the rounds (lowest to highest); loads are connections x rows."
    )


def _by_load(
    title: str, results: Results, cell: Callable[[str, Load], str], *, but: str = ""
) -> str:
    loads = results.loads()
    rows = [
        [SYSTEMS[name].title, *(_marked(cell(name, load), results, name, load) for load in loads)]
        for name in results.systems()
        if name != but
    ]
    return table([title, *map(str, loads)], rows) if loads and rows else ""


def _marked(cell: str, results: Results, system: str, load: Load) -> str:
    voids = results.voids(system, load)
    return f"{cell} [{len(voids)} void: {voids[0]}]".strip() if voids else cell or "-"


def _by_system(results: Results) -> str:
    rows = [
        [
            SYSTEMS[name].title,
            _spread(results.start(name, lambda start: start.ready_s), "{:.1f}"),
            _spread(results.memory(name), "{:.0f}"),
        ]
        for name in results.systems()
    ]
    return table(["", "start to first answer, s", "peak memory, MiB"], rows)


def _latencies(results: Results, system: str, load: Load) -> str:
    middle = results.figure(system, load, "p50_ms")
    tail = results.figure(system, load, "p99_ms")
    return f"{middle.median:.2f} / {tail.median:.1f}" if middle and tail else ""


def _compared(verdict: Verdict) -> str:
    return ", ".join(
        f"{_spread(found, '{:.2f}')} {'' if name == OURS else name}".strip()
        for name, found in verdict.figures.items()
    )


def _state(verdict: Verdict) -> str:
    return f"{verdict.state}, within the spread" if verdict.unsure else verdict.state


def _spread(found: Figure | None, form: str) -> str:
    if found is None:
        return ""
    middle = form.format(found.median)
    if found.rounds == 1:
        return middle
    return f"{middle} ({form.format(found.low)} to {form.format(found.high)})"


def _doubts(run: Run) -> list[str]:
    doubts = [f"{name}: {why}" for name, why in run.failures.items()]
    noisy = [point for point in run.points if point.others_cpu > NOISE]
    if noisy:
        worst = max(point.others_cpu for point in noisy)
        doubts.append(
            f"NOISE: in {len(noisy)} of {len(run.points)} points something else took more than "
            f"{NOISE:g} cores, at most {worst:.1f}"
        )
    void = [point for point in run.points if point.void]
    if void:
        doubts.append(f"VOID: {len(void)} of {len(run.points)} points do not count")
    return doubts


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, with its columns in line."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
