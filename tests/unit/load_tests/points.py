"""Points and starts as a run would have measured them."""

from typing import Any

from load_tests.benchmark.figures import Start
from load_tests.benchmark.measurement import Point


def point(system: str, round_: int = 1, **given: Any) -> Point:
    """Return a point that counts, with the given fields."""
    fields: dict[str, Any] = {
        "connections": 32,
        "rows": 1,
        "requests_per_s": 1000.0,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "errors": 0,
        "checked": 3,
        "wrong": 0,
        "memory_mib": 100.0,
        "cpu_us": 100.0,
        "generator_cpu": 0.5,
        "others_cpu": 0.0,
    }
    return Point(system=system, round=round_, **(fields | given))


def start(system: str, round_: int = 1, **given: Any) -> Start:
    """Return a start."""
    return Start(system=system, round=round_, **({"ready_s": 2.0} | given))
