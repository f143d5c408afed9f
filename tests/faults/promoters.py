"""Promoters as processes that may be killed or stopped, forked from one that has imported MLflow.

An import of MLflow takes seconds, and there are hundreds of promoters.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ClassVar

import psutil

from tests.integration.registry.commands import Done
from tests.integration.serving.processes import PATIENCE_S, until

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "pytest",
        "registry.commands",
        "registry.promotion",
        "registry.recovery",
        "registry.rollback",
        "registry.screens",
        "registry.versions",
        "tests.faults.promoters",
    ]
)


class Promoter:
    """One command of `iris` as a process of its own, which shares no lock and no memory."""

    def __init__(self, home: Path, *words: str, **environ: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        self._reader, writer = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(
            target=_run, args=(words, {**inherited, "IRIS_HOME": str(home), **environ}, writer)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        writer.close()
        self._output = os.fdopen(os.dup(self._reader.fileno()), errors="replace")
        self.lines: list[tuple[float, str]] = []
        """What it has printed so far, and when that was read."""

    def until_said(self, words: str) -> bool:
        """Read on until it has printed a line with those words; False where it ends before."""
        return any(words in line for line in self._reading())

    def until_stopped(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it has stopped itself."""
        until(self._stopped, f"{self.pid} has stopped itself", timeout_s)

    def send(self, number: int) -> None:
        """Send it a signal; one that has ended by itself misses it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self) -> Done:
        """Wait for its end, and return how that was, with all that it has printed."""
        for _ in self._reading():
            pass
        self._process.join(PATIENCE_S)
        code = self._process.exitcode
        assert code is not None, f"{self.pid} does not end"
        self._output.close()
        self._reader.close()
        self._process.close()
        said = "\n".join(line for _, line in self.lines)
        assert "Traceback" not in said, said
        return Done(code, said, said)

    def _reading(self) -> Iterator[str]:
        for line in self._output:
            self.lines.append((time.monotonic(), line.rstrip("\n")))
            yield line

    def _stopped(self) -> bool:
        assert self._process.exitcode is None, self.ended().stdout
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED


class Moments:
    """The steps of a promotion as its output tells them, and how long each usually lasts."""

    STEPS: ClassVar = {
        "gates": "environment ",
        "intent": "gate ",
        "publish": "publishing ",
        "look before": "looking at how requests",  # only where a gateway is known
        "roll out": "rolling out ",
        "proof": "waiting for ",
        "watch": "watching ",
        "alias": "moving the alias",
        "outcome": "recorded: ",
    }
    """In their order, each with the words of the line that begins it."""

    def __init__(self, promoter: Promoter) -> None:
        """Measure a promotion that has ended well."""
        begun = {step: self._first(promoter, words) for step, words in self.STEPS.items()}
        missing = {step for step, at in begun.items() if at is None}
        assert missing <= {"look before"}, promoter.lines
        known = [(step, at) for step, at in begun.items() if at is not None]
        ends = [*(at for _, at in known[1:]), promoter.lines[-1][0]]
        self.usual = {s: max(end - at, 0.001) for (s, at), end in zip(known, ends, strict=True)}
        """Seconds."""

    @classmethod
    def reached(cls, promoter: Promoter) -> str:
        """Return the step in which a promoter has ended."""
        told = [step for step, words in cls.STEPS.items() if cls._first(promoter, words)]
        return told[-1] if told else "gates"

    @staticmethod
    def _first(promoter: Promoter, words: str) -> float | None:
        return next((at for at, line in promoter.lines if words in line), None)


def _run(words: tuple[str, ...], environ: dict[str, str], output: Connection) -> None:
    """Be the command: in a session of its own, with its own environment and output."""
    import iris

    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  for its lifetime
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["iris", *words]
    iris.main()
