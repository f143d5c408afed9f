"""What to measure, from the variables that `make bench` passes on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from load_tests.benchmark.errors import SettingsError
from load_tests.benchmark.systems import DEFAULT, OURS, SYSTEMS

ROUNDS = 5
DURATION_S = 5
QUICK_DURATION_S = 2
SOAK_S = 600
EXPERIMENTS = ("overload", "instances", "soak")
USUAL_EXPERIMENTS = ["overload", "instances"]  # without the one that takes ten minutes
RESULTS = Path(".bench/results")


class Load(NamedTuple):
    """One kind of load: connections that each send a request, wait for its answer, and so on."""

    connections: int
    rows: int

    def __str__(self) -> str:
        return f"{self.connections} x {self.rows}"


ONE_ROW = (1, 32, 128, 256)
MANY_ROWS = {32: 32, 128: 32}


class Settings(NamedTuple):
    """One run."""

    systems: tuple[str, ...]
    loads: tuple[Load, ...]
    rounds: int
    duration_s: int
    experiments: tuple[str, ...]
    """What is measured beside the points."""
    soak_s: int
    """How long the long load is."""
    results: Path
    """Where the results go: a file for each kind, without the ending."""


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read PEERS, CONNECTIONS, EXPERIMENTS, ROUNDS, DURATION, SOAK and OUT.

    What is empty has its default.

    Raises:
        SettingsError: a value can't be.
    """
    rounds = _number(environ, "ROUNDS", ROUNDS)
    # Who asks for fewer rounds wants it quick; who wants it long as well says so.
    usual = DURATION_S if rounds >= ROUNDS else QUICK_DURATION_S
    out = environ.get("OUT") or str(RESULTS / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ"))
    return Settings(
        systems=_systems(environ),
        loads=_loads(environ),
        rounds=rounds,
        duration_s=_number(environ, "DURATION", usual),
        experiments=_experiments(environ),
        soak_s=_number(environ, "SOAK", SOAK_S),
        results=Path(out),
    )


def _systems(environ: Mapping[str, str]) -> tuple[str, ...]:
    asked = _words(environ, "PEERS") or [name for name in DEFAULT if name != OURS]
    for name in asked:
        if name not in SYSTEMS:
            known = ", ".join(sorted(set(SYSTEMS) - {OURS}))
            raise SettingsError(f"PEERS: {name!r} is unknown; there are {known}")
    return tuple(dict.fromkeys([OURS, *asked]))


def _experiments(environ: Mapping[str, str]) -> tuple[str, ...]:
    asked = _words(environ, "EXPERIMENTS") or USUAL_EXPERIMENTS
    for name in asked:
        if name not in (*EXPERIMENTS, "none"):
            known = ", ".join(EXPERIMENTS)
            raise SettingsError(f"EXPERIMENTS: {name!r} is unknown; there are {known}, and none")
    return tuple(name for name in EXPERIMENTS if name in asked)


def _loads(environ: Mapping[str, str]) -> tuple[Load, ...]:
    asked = _words(environ, "CONNECTIONS")
    counts = [_positive("CONNECTIONS", word) for word in asked] if asked else list(ONE_ROW)
    one_row = [Load(count, 1) for count in dict.fromkeys(counts)]
    many_rows = [Load(load.connections, MANY_ROWS.get(load.connections, 0)) for load in one_row]
    return (*one_row, *(load for load in many_rows if load.rows))


def _number(environ: Mapping[str, str], name: str, usual: int) -> int:
    return _positive(name, environ.get(name) or str(usual))


def _positive(name: str, word: str) -> int:
    if word.isdecimal() and int(word) > 0:
        return int(word)
    raise SettingsError(f"{name}: {word!r} is no whole number above 0")


def _words(environ: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in environ.get(name, "").split(",") if word.strip()]
