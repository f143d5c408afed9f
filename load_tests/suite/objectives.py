"""What must hold, and whether it does: from figures to a verdict, without looking at anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from load_tests.suite.errors import UsageError
from load_tests.suite.records import PERCENTILES, Figures

FILE = Path(__file__).parents[1] / "objectives.toml"

Bound = Annotated[float, msgspec.Meta(ge=0)]
State = Literal["held", "broken", "not measured", "not judged", "too few samples"]

HELD, BROKEN, VOID = 0, 1, 2

# So many samples must lie beyond a percentile, else it is one request's luck.
BEYOND = 10


class Objectives(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bounds of one profile. What is not named is not asked for; correctness always is."""

    p50_ms: Bound | None = None
    p95_ms: Bound | None = None
    p99_ms: Bound | None = None
    error_share: Bound | None = None
    """At most, of all requests."""
    shed_share: Bound | None = None
    """At most, of all requests."""
    goodput_share: Bound | None = None
    """At least, of all requests: answered rightly within the profile's deadline."""
    memory_mib: Bound | None = None
    """At most, all processes of the service together, at the highest."""
    memory_growth: Bound | None = None
    """At most, the memory of the last quarter over that of the second."""
    latency_drift: Bound | None = None
    """At most, the median latency of the last quarter over that of the second."""
    knee: Bound | None = None
    """At least, in requests a second, where the knee is looked for."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Beyond these a run has measured something else than the service."""

    cpu_share: Bound
    """Of a core, in the busiest seconds (the highest tenth of them begins here)."""
    lag_ms: Bound
    """The p99 of how late a timer rings in it."""
    others_cpu: Bound
    """Cores that something else takes on the service's machine: what breaks then says little."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verdict is made of."""

    figures: Figures
    memory_mib: float | None = None
    memory_growth: float | None = None
    latency_drift: float | None = None
    knee: float | None = None
    operations: tuple[int, int] | None = None
    """Promotions and rollbacks that were done, of how many."""


class Judged(msgspec.Struct, frozen=True):
    """One objective, with what was found."""

    objective: str
    wanted: str
    measured: str
    state: State


class Verdict(msgspec.Struct, frozen=True):
    """What a run says."""

    exit_code: int
    words: str
    judged: list[Judged]
    void: list[str]
    """Why the run says nothing of the service, where it doesn't."""


_UNDECIDED: dict[State, str] = {
    "not judged": "not judged: not every answer could be compared with what is right",
    "too few samples": "void: too few samples",
}
_MOST = ("error_share", "shed_share")


def read(file: Path, profile: str) -> tuple[Objectives, Limits]:
    """Return the objectives of a profile, and the limits of all.

    Raises:
        UsageError: the file is not there, says what can't be, or nothing of the profile.
    """
    try:
        tables = msgspec.toml.decode(file.read_bytes(), type=dict[str, dict[str, float]])
        limits = msgspec.convert(tables.pop("limits"), Limits)
        found = msgspec.convert(tables, dict[str, Objectives])
    except (OSError, msgspec.MsgspecError, KeyError) as error:
        raise UsageError(f"{file}: {error}") from error
    if profile not in found:
        raise UsageError(f"{file} has no objectives for {profile}")
    return found[profile], limits


def is_limited(cpu: Sequence[float], lag_p99_ms: float, limits: Limits) -> str:
    """Return why a generator was the limit; nothing where it wasn't.

    Args:
        cpu: the share of a core that each generator took in its busiest seconds.
        lag_p99_ms: how late a timer rang in them.
        limits: from where on they have measured themselves.
    """
    if max(cpu, default=0.0) >= limits.cpu_share:
        return f"a generator took {max(cpu):.0%} of a core: give it WORKERS, or less to send"
    if lag_p99_ms >= limits.lag_ms:
        return f"the generator itself was late by {lag_p99_ms:.0f} ms (p99): its cores are busy"
    return ""


def noise(others_cpu: float | None, limits: Limits) -> str:
    """Return that something else took the machine; nothing where it didn't, or nobody knows."""
    if others_cpu is None or others_cpu < limits.others_cpu:
        return ""
    return f"something else on this machine took {others_cpu:.1f} cores"


def verdict(wanted: Objectives, found: Measured, void: Sequence[str], noise: str = "") -> Verdict:
    """Judge a run.

    A wrong answer breaks it, whatever else; then what makes it void counts. Under noise a run can
    hold, but not break: without it, it might have held.
    """
    judged = [_correctness(found.figures), *_bounds(wanted, found)]
    states = {each.state for each in judged}
    if found.figures.wrong:
        return Verdict(BROKEN, "broken: wrong answers", judged, list(void))
    if void:
        return Verdict(VOID, f"void: {void[0]}", judged, list(void))
    if "broken" in states:
        names = ", ".join(each.objective for each in judged if each.state == "broken")
        if noise:
            why = f"{noise}, and {names} did not hold"
            return Verdict(VOID, f"void: {why}", judged, [why])
        return Verdict(BROKEN, f"broken: {names}", judged, [])
    for state, words in _UNDECIDED.items():
        if state in states:
            return Verdict(VOID, words, judged, [])
    unknown = [each.objective for each in judged if each.state == "not measured"]
    but = f", but for what was not measured: {', '.join(unknown)}" if unknown else ""
    return Verdict(HELD, f"held{but}", judged, [])


def holds(wanted: Objectives, figures: Figures) -> bool:
    """Whether a step of the search holds: its percentiles, what failed, what was shed, answers.

    Where nothing at all was answered it does not, whatever is asked for.
    """
    bounds = [*PERCENTILES, *_MOST]
    within = (
        getattr(figures, name) <= bound
        for name in bounds
        if (bound := getattr(wanted, name)) is not None
    )
    answered = figures.judged + figures.unjudged
    return all(within) and answered > 0 and not figures.wrong


def _correctness(figures: Figures) -> Judged:
    measured = f"{figures.judged:,} judged, {figures.wrong:,} wrong"
    if figures.unjudged:
        measured += f", {figures.unjudged:,} of an unknown release"
    state: State = "held"
    if figures.wrong:
        state = "broken"
    elif figures.unjudged or not figures.judged:
        state = "not judged"
    return Judged("correctness", "every answer right", measured, state)


def _bounds(wanted: Objectives, found: Measured) -> list[Judged]:
    figures = found.figures
    judged = [
        _at_most(name, bound, getattr(figures, name), "ms", _enough(figures, q))
        for name, q in PERCENTILES.items()
        if (bound := getattr(wanted, name)) is not None
    ]
    judged += [
        _at_most(name, bound, getattr(figures, name), "share")
        for name in _MOST
        if (bound := getattr(wanted, name)) is not None
    ]
    if (least := wanted.goodput_share) is not None:
        judged.append(_at_least("goodput_share", least, figures.goodput_share, "share"))
    others: Mapping[str, str] = {
        "memory_mib": "MiB",
        "memory_growth": "x",
        "latency_drift": "x",
    }
    judged += [
        _at_most(name, bound, getattr(found, name), unit)
        for name, unit in others.items()
        if (bound := getattr(wanted, name)) is not None
    ]
    if wanted.knee is not None:
        judged.append(_at_least("knee", wanted.knee, found.knee, "/s"))
    if found.operations is not None:
        done, of = found.operations
        state: State = "held" if done == of else "broken"
        judged.append(Judged("operations", f"{of} done", f"{done} done", state))
    return judged


def _enough(figures: Figures, q: float) -> bool:
    """Whether a percentile has enough samples beyond it."""
    answered = figures.requests * (1 - figures.shed_share)
    return answered * (100 - q) / 100 >= BEYOND


def _at_most(
    name: str, bound: float, value: float | None, unit: str, enough: bool = True
) -> Judged:
    shown = f"at most {spoken(bound, unit)}"
    if value is None:
        return Judged(name, shown, "not measured", "not measured")
    if not enough:
        return Judged(name, shown, spoken(value, unit), "too few samples")
    return Judged(name, shown, spoken(value, unit), "held" if value <= bound else "broken")


def _at_least(name: str, bound: float, value: float | None, unit: str) -> Judged:
    shown = f"at least {spoken(bound, unit)}"
    if value is None:
        return Judged(name, shown, "not measured", "not measured")
    return Judged(name, shown, spoken(value, unit), "held" if value >= bound else "broken")


def spoken(value: float, unit: str) -> str:
    """Return a figure with its unit, as people write it."""
    if unit == "share":
        return f"{value * 100:.4g} %"
    if unit == "ms":
        return f"{value:,.1f} ms"
    if unit in ("/s", "MiB"):
        return f"{value:,.0f} {unit}".replace(" /s", "/s")
    return f"{value:.2f} {unit}"
