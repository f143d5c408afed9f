"""`python -m load_tests.suite` as a process, and the run that it wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psutil

PATIENCE_S = 120
STOP_S = 30

LIMITS = """
[limits]
cpu_share = 2
lag_ms = 5000
others_cpu = 1000
"""
"""With which a busy machine voids no run."""

# What any machine holds, however busy it is with other tests: what breaks is broken on purpose.
LAX = f"""{LIMITS}
[ramp]
p99_ms = 1000
error_share = 0

[smoke]
p50_ms = 200
p99_ms = 5000
error_share = 0
shed_share = 0
memory_mib = 2000
"""


class Ended(NamedTuple):
    """A run that is over."""

    code: int
    said: str
    run: dict[str, Any]
    """What it wrote; empty where it wrote nothing."""
    page: str


class Load:
    """A run of the suite, in a folder of its own."""

    def __init__(
        self, folder: Path, *, patience_s: float = PATIENCE_S, **variables: object
    ) -> None:
        self._patience_s = patience_s
        self._out = folder / "run"
        settings = {"OUT": self._out, **variables}
        if "OBJECTIVES" not in settings:
            settings["OBJECTIVES"] = folder / "objectives.toml"
            (folder / "objectives.toml").write_text(LAX)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "load_tests.suite"],
            cwd=folder,
            env={**os.environ, **{name: str(value) for name, value in settings.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def generators(self) -> list[psutil.Process]:
        """Return the processes that send."""
        return psutil.Process(self._process.pid).children()

    def end(self) -> Ended:
        """Wait for its verdict."""
        try:
            said, _ = self._process.communicate(timeout=self._patience_s)
        except subprocess.TimeoutExpired:
            self._process.terminate()  # it ends what it has started
            said, _ = self._process.communicate(timeout=STOP_S)
            raise AssertionError(f"no verdict after {self._patience_s:g} s: {said}") from None
        finally:
            self._process.kill()
        written = self._out.with_suffix(".json")
        page = self._out.with_suffix(".html")
        return Ended(
            self._process.returncode,
            said,
            json.loads(written.read_text()) if written.exists() else {},
            page.read_text() if page.exists() else "",
        )
