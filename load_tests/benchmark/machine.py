"""Where a run took place, and with what."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from load_tests.benchmark import environments, wrk
from load_tests.benchmark.systems import SYSTEMS

_SHOWN = (
    "bentoml", "fastapi", "granian", "httptools", "kserve", "litserve", "mlflow", "mlserver",
    "mosec", "msgspec", "numpy", "onnxruntime", "pydantic", "scikit-learn", "starlette", "uvicorn",
    "uvloop",
)  # fmt: skip


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the code."""

    date: str
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    wrk: str
    commit: str
    load_average: list[float]
    """When the run began: what the machine was busy with before."""
    versions: dict[str, dict[str, str]]
    """Of the packages that matter, by environment."""


def describe(systems: tuple[str, ...]) -> Machine:
    """Describe this machine and what the systems run on."""
    locks = dict.fromkeys(SYSTEMS[name].lock for name in systems)
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=platform.platform(),
        python=platform.python_version(),
        wrk=wrk.version(),
        commit=_commit(),
        load_average=[round(average, 2) for average in os.getloadavg()],
        versions={lock or "iris": _versions(lock) for lock in locks},
    )


def _versions(lock: str) -> dict[str, str]:
    found = environments.versions(lock)
    return {name: found[name] for name in _SHOWN if name in found}


def _cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
